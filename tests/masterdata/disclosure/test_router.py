"""The policy over HTTP and on its page: the four cases, one change at a time, what it writes; figures of the lake that
compare with others."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from tests.masterdata.disclosure.conftest import Mills
from tests.masterdata.lake_pages.conftest import Lake
from tests.masterdata.shop import NOW

ENDPOINTS = [
    ("GET", "/v1/disclosure", None, "feeds:read"),
    ("PUT", "/v1/disclosure", {"rules": []}, "disclosure:write"),
    ("GET", "/v1/disclosure/preview?number={number}", None, "feeds:read"),
]
PAGES = [("GET", "/disclosure", "feeds:read"), ("POST", "/disclosure", "disclosure:write")]


def rule(level: str, kind: str = "subsidiary", prefix: str = "") -> dict[str, str]:
    return {"partner_kind": kind, "class_prefix": prefix, "level": level}


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda e: f"{e[0]} {e[1]}")
def test_anonymous_without_scope_and_valid(mills: Mills, ask: Any, client: Any, endpoint: Any) -> None:
    method, path, body, scope = endpoint
    assert client.request(method, path.format(number=mills.number), json=body).status_code == 401
    assert ask("a", path, method, json=body).status_code == 200
    roles = ("planner",) if scope == "disclosure:write" else ("nobody",)
    refused = ask("a", path, method, json=body, roles=roles)
    assert refused.status_code == 403 and scope in refused.json()["detail"]


def test_another_plants_material_and_policy_are_not_there(mills: Mills, ask: Any) -> None:
    mills.shop.material(mills.plants["b"], "SECRET")
    mills.shop.observe(mills.plants["b"], {"item": "SECRET", "quantity": 4})
    mills.rule("b", "none")
    number = mills.shop.goldens()["b", "SECRET"]
    assert ask("a", f"/v1/disclosure/preview?number={number}").status_code == 404
    assert ask("a", "/v1/disclosure").json()["rules"] == []
    assert [r["level"] for r in ask("b", "/v1/disclosure").json()["rules"]] == ["none"]


def test_a_partner_has_no_stock_to_disclose(ask: Any) -> None:
    for method, body in (("GET", None), ("PUT", {"rules": []})):
        assert ask("s", "/v1/disclosure", method, json=body).status_code == 403


def test_the_policy_is_replaced_and_each_change_is_told(mills: Mills, ask: Any) -> None:
    first = [rule("banded"), rule("none", prefix="02"), rule("yes_no", "supplier")]
    assert ask("b", "/v1/disclosure", "PUT", json={"rules": first}).status_code == 200
    with capture_logs() as logs:
        changed = ask("b", "/v1/disclosure", "PUT", json={"rules": [rule("banded"), rule("hidden", prefix="02")]})
    kept = [(r["partner_kind"], r["class_prefix"], r["level"]) for r in changed.json()["rules"]]
    assert kept == [("subsidiary", "", "banded"), ("subsidiary", "02", "hidden")]
    told = [(log["partner_kind"], log["class_prefix"], log["before"], log["level"]) for log in logs
            if log["event"] == "disclosure_changed"]  # fmt: skip
    assert told == [("subsidiary", "02", "none", "hidden"), ("supplier", "", "yes_no", None)]
    mills.hold("b", 30)
    (line,) = ask("a", "/v1/materials/{number}/holders").json()["sisters"]
    assert (line["level"], line["free"], line["free_from"], line["free_below"]) == ("hidden", None, "10", "100")


def test_a_rule_to_come_waits(mills: Mills, ask: Any) -> None:
    soon = (NOW + timedelta(days=2)).isoformat()
    given = {"rules": [rule("none")], "valid_from": soon}
    answer = ask("b", "/v1/disclosure", "PUT", json=given).json()
    assert answer["rules"] == [] and [r["level"] for r in answer["upcoming"]] == ["none"]
    taken_back = ask("b", "/v1/disclosure", "PUT", json={"rules": [], "valid_from": soon}).json()
    assert [r["level"] for r in taken_back["upcoming"]] == [None]


REFUSED: dict[str, dict[str, Any]] = {
    "the past": {"rules": [], "valid_from": "2020-01-01T00:00:00Z"},
    "no zone": {"rules": [], "valid_from": "2120-01-01T00:00:00"},
    "two rules for one class": {"rules": [rule("none"), rule("full")]},
    "no such level": {"rules": [rule("some")]},
    "no such kind": {"rules": [rule("none", "group")]},
    "a sign no text holds": {"rules": [rule("none", prefix="a\u0000")]},
    "a stranger's field": {"rules": [], "organisation": "b"},
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_policy_is_refused(ask: Any, case: str) -> None:
    answer = ask("b", "/v1/disclosure", "PUT", json=REFUSED[case])
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")


def test_a_written_rule_cannot_be_changed_or_removed(mills: Mills) -> None:
    mills.rule("b", "none")
    mills.look("b")
    for right in ("update", "delete"):
        asked = text("select has_table_privilege('disclosure_rule', :right)")
        assert mills.shop.session.execute(asked, {"right": right}).scalar_one() is False


@pytest.mark.parametrize(("kind", "level", "shown"), [("subsidiary", "banded", "10"), ("supplier", "yes_no", None)])
def test_the_preview_is_what_they_see(mills: Mills, ask: Any, kind: str, level: str, shown: str | None) -> None:
    mills.hold("b", 30)
    mills.rule("b", level, kind)
    seen = ask({"subsidiary": "a", "supplier": "s"}[kind], "/v1/materials/{number}/holders").json()["sisters"]
    told = ask("b", f"/v1/disclosure/preview?number={{number}}&partner={kind}").json()
    assert told == seen and told[0]["free_from"] == shown
    page = ask("b", "/disclosure?number={number}").text
    assert ("10–99" in page) == (shown is not None) or kind == "supplier"


def test_the_page_changes_one_rule_and_keeps_the_others(mills: Mills, ask: Any) -> None:
    mills.rule("b", "none", prefix="02")
    form = {"partner_kind": "supplier", "class_prefix": " 03 ", "level": "yes_no"}
    for given in (form, {"partner_kind": "subsidiary", "class_prefix": "02", "level": ""}):
        assert ask("b", "/disclosure", "POST", data=given).status_code == 303
    rules = ask("b", "/v1/disclosure").json()["rules"]
    assert [(r["partner_kind"], r["class_prefix"], r["level"]) for r in rules] == [("supplier", "03", "yes_no")]
    refused = ask("b", "/disclosure", "POST", data=form | {"level": "some"})
    assert refused.status_code == 200 and "Not saved" in refused.text
    for method, path, scope in PAGES:
        assert ask("b", path, method, data=form, roles=("nobody",)).status_code == 403, scope


@pytest.mark.parametrize(("level", "told"), [("full", 0.1), ("banded", None)])
def test_what_is_held_twice_is_told_where_all_disclose(mills: Mills, ask: Any, level: str, told: float | None) -> None:
    lake = Lake(mills.shop, mills.plants, build_id=UUID(int=7))
    mills.shop.act(mills.shop.group)
    lake.build(is_current=True)
    lake.month(mills.plants["a"], date(2026, 10, 1))
    mills.rule("b", level, prefix="77")
    found = ask("a", "/v1/trends").json()
    assert [point["duplicate_share"] for point in found["total"]] == [told]
    assert ("Duplicate holdings are not shown" in ask("a", "/trends").text) == (told is None)
