"""What each level shows, which rule counts, and who is shown anything at all."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from masterdata.disclosure.schemas import BANDS, KINDS, LEVELS
from masterdata.golden import service
from masterdata.golden.schemas import Moment
from masterdata.words import TABLES
from tests.masterdata.disclosure.conftest import GTIN, Mills
from tests.masterdata.shop import NOW

FIELDS = ("organisation", "level", "place", "free", "free_from", "free_below", "has_some")
SHOWN: dict[str, list[tuple[Any, ...]]] = {
    "full": [("b", "full", "b-W0", 30, None, None, True), ("b", "full", "b-W1", 7, None, None, True)],
    "banded": [("b", "banded", None, None, 10, 100, True)],
    "yes_no": [("b", "yes_no", None, None, None, None, True)],
    "hidden": [(None, "hidden", None, None, 10, 100, True)],
    "none": [],
}


def seen(mills: Mills, by: str = "a") -> list[tuple[Any, ...]]:
    mills.look(by)
    answer = service.get_holders(mills.shop.session, mills.number)
    return [tuple(getattr(one, name) for name in FIELDS) for one in answer.sisters]


@pytest.mark.parametrize("level", LEVELS)
def test_a_sister_sees_what_the_level_says(mills: Mills, level: str) -> None:
    mills.hold("b", 30, 7)
    mills.rule("b", level)
    assert seen(mills) == SHOWN[level]


@pytest.mark.parametrize(("level", "shown"), [("yes_no", [("b", "yes_no", None, None, None, None, False)]),
                                              ("banded", []), ("hidden", []), ("full", [])])  # fmt: skip
def test_who_has_none_says_so_only_where_that_is_the_answer(mills: Mills, level: str, shown: list[Any]) -> None:
    mills.rule("b", level)
    assert seen(mills) == shown


@pytest.mark.parametrize("kind", ["supplier", "carrier"])
def test_a_partner_sees_what_is_disclosed_to_its_kind_and_else_nothing(mills: Mills, kind: str) -> None:
    who = {"supplier": "s", "carrier": "t"}[kind]
    mills.apply({"b": [30], "c": [5]})
    mills.look(who)
    assert service.find_holders(mills.shop.session, GTIN).hits == []
    mills.rule("b", "banded", kind)
    mills.rule("c", "banded", {"supplier": "carrier", "carrier": "supplier"}[kind])
    assert seen(mills, who) == [("b", "banded", None, None, 10, 100, True)]
    for named in (GTIN, mills.number, "b-1"):
        (answer,) = service.find_holders(mills.shop.session, named).holders
        assert [one.organisation for one in answer.sisters] == ["b"] and answer.holders == []
    assert service.search(mills.shop.session, "轴承") == []


RULES: dict[str, tuple[list[tuple[str | None, str, str]], str]] = {
    "none": ([], "full"),
    "all": ([("banded", "", "0")], "banded"),
    "the longest prefix": ([("none", "0203", "0"), ("banded", "02", "0"), ("yes_no", "", "0")], "none"),
    "another class": ([("none", "0204", "0"), ("none", "02031", "0")], "full"),
    "the newest": ([("none", "", "-1 minute"), ("banded", "", "0")], "banded"),
    "not yet": ([("banded", "", "0"), ("none", "", "1 hour")], "banded"),
    "taken back": ([("none", "02", "-1 minute"), ("banded", "", "-1 minute"), (None, "02", "0")], "banded"),
}


@pytest.mark.parametrize("case", RULES)
def test_the_longest_prefix_in_force_counts(mills: Mills, case: str) -> None:
    rules, level = RULES[case]
    mills.hold("b", 30, 7)
    for given, prefix, wait in rules:
        mills.rule("b", given, prefix=prefix, wait=wait)
    assert seen(mills) == SHOWN[level]


def test_anothers_class_for_the_material_loosens_nothing(mills: Mills) -> None:
    mills.hold("b", 30, 7)
    mills.rule("b", "none")
    mills.rule("b", "full", prefix="0999")
    mills.shop.change(mills.plants["a"], "a-1", class_code="0999")
    assert seen(mills) == []


def test_totals_sum_what_is_exact_and_count_the_rest(mills: Mills) -> None:
    mills.apply({"b": [30, 7], "c": [500], "d": [9]})
    mills.rule("c", "banded")
    mills.rule("d", "hidden")
    mills.look("a")
    answer = service.get_holders(mills.shop.session, mills.number)
    assert (answer.elsewhere.free, answer.elsewhere.more) == (37, 2)
    assert (answer.stock.on_hand, answer.stock.available) == (1, 1)


def test_those_who_hide_are_one_line_without_an_age(mills: Mills) -> None:
    mills.apply({"b": [60], "c": [50], "d": [9]})
    for plant in "bcd":
        mills.rule(plant, "hidden")
    mills.look("a")
    (line,) = service.get_holders(mills.shop.session, mills.number).sisters
    assert (line.organisation, line.organisation_zh, line.free_from, line.free_below) == (None, None, 100, 1_000)
    assert (line.age.source_at, line.age.state) == (None, "unknown")


def test_head_office_and_the_owner_see_all_whatever_the_rules(mills: Mills) -> None:
    mills.hold("b", 30, 7)
    mills.rule("b", "none")
    mills.shop.see(*(p.id for p in mills.plants.values()), mills.shop.group, acting=mills.shop.group)
    answer = service.get_holders(mills.shop.session, mills.number)
    assert {h.organisation: h.stock.available for h in answer.holders} == {"a": 1, "b": 37} and answer.sisters == []


def test_the_past_tells_nothing_of_others(mills: Mills) -> None:
    mills.hold("b", 30)
    mills.look("a")
    moment = Moment(as_of=NOW + timedelta(minutes=5))
    assert service.get_holders(mills.shop.session, mills.number, moment).sisters == []


def test_bands_are_the_same_in_sql(mills: Mills) -> None:
    for low, high in BANDS:
        for quantity in (low or "0.001", "999999999" if high is None else f"{high - 1}.999"):
            found = mills.shop.session.execute(text("select * from disclosure_band(:q)"), {"q": quantity}).one()
            assert tuple(found) == (low, high)
    assert mills.shop.session.execute(text("select * from disclosure_band(0)")).all() in ([], [(None, None)])


def test_every_level_and_kind_has_words() -> None:
    assert set(TABLES["levels"]) == set(LEVELS) and set(TABLES["partners"]) == set(KINDS)
