"""The list looked back at and the page of reports, as the application serves them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import pytest

from masterdata.lake.marts import documents
from masterdata.reports import service
from masterdata.reports.schemas import GOLDEN
from masterdata.words import REPORT_STATES, REPORTS
from tests.masterdata.lake_pages.conftest import Lake
from tests.masterdata.reports.conftest import THEN, Desk, moment
from tests.masterdata.shop import NOW

HTML = {"accept": "text/html"}
PAST = f"/inventory?{urlencode({'as_of': moment(THEN), 'known_at': moment(NOW)})}"


def page(desk: Desk, path: str) -> str:
    answer = desk.client.get(path, headers=HTML)
    assert answer.status_code == 200, answer.text[-2_000:]
    return str(answer.text)


def test_a_question_leads_from_the_form_to_the_list_of_then(desk: Desk, lake: Lake) -> None:
    assert "Nobody has asked for this moment yet" in page(desk, PAST)
    form = {"csrf_token": "c", "as_of": moment(THEN)}
    asked = desk.client.post("/inventory/past?sort=number&dir=asc&q=", data=form)
    assert (asked.status_code, asked.headers["location"]) == (
        303,
        f"/inventory?{urlencode({'sort': 'number', 'dir': 'asc', 'as_of': moment(THEN), 'known_at': moment(NOW)})}",
    )
    waiting = page(desk, PAST)
    assert "data-poll" in waiting and "is working out the list of then" in waiting
    report = service.list_reports(lake.shop.session)[0]
    desk.answer(str(report.id))
    shown = page(desk, asked.headers["location"])
    assert "data-poll" not in shown and 'class="past"' in shown and "Back to live" in shown
    assert f"/builds/{lake.build_id}" in shown
    for number in lake.numbers.values():
        assert f"/materials/{number}/holders?as_of=" in shown


def test_the_list_of_then_keeps_its_filters(desk: Desk, lake: Lake) -> None:
    desk.made(desk.row("a"), desk.row("b", 6, quality=2), desk.row("b", 3, lake.numbers["a"]))
    everything = page(desk, PAST)
    assert "2 materials" in everything and "2 organisations with stock known then" in everything
    found = {"q": "b 机械", "org": "b", "status": "quality"}
    for name, value in found.items():
        shown = page(desk, f"{PAST}&{urlencode({name: value})}")
        assert f'data-material="{lake.numbers["b"]}"' in shown, name
        assert (f'data-material="{lake.numbers["a"]}"' in shown) is (name == "org"), name
    # What has no past falls away: it is no error of whoever looks back.
    assert "2 materials" in page(desk, f"{PAST}&state=stale&status=reserved&sort=age")


@pytest.mark.parametrize("sort", ["value", "quantity", "holders", "number"])
@pytest.mark.parametrize("order", ["asc", "desc"])
def test_the_list_of_then_is_paged_without_a_gap(desk: Desk, lake: Lake, sort: str, order: str) -> None:
    shop, plant = lake.shop, lake.plants["a"]
    for n in range(7):
        shop.material(plant, f"Y{n}", name=f"Y{n}")
    numbers = [number for (_, item), number in shop.goldens().items() if item.startswith("Y")]
    desk.made(*(desk.row("a", n // 2 - 1, number) for n, number in enumerate(numbers)))
    asked = {"as_of": moment(THEN), "sort": sort, "order": order, "limit": 3}
    seen: list[dict[str, Any]] = []
    after: str | None = ""
    while after is not None:
        answer = desk.client.get("/v1/inventory", params=asked | ({"after": after} if after else {})).json()
        seen, after = seen + answer["items"], answer["next"]
    keys = {"value": lambda r: float(r["value"]["amount"]), "quantity": lambda r: float(r["stock"]["on_hand"])}
    keys |= {"holders": lambda r: len(r["holders"]), "number": lambda r: r["number"]}
    values = [(keys[sort](row), row["number"]) for row in seen]
    assert values == sorted(values, reverse=order == "desc")
    assert sorted(row["number"] for row in seen) == sorted(numbers)


def test_a_row_of_then_is_that_of_the_list(desk: Desk, lake: Lake) -> None:
    number = lake.numbers["a"]
    foreign = {"currency": "EUR", "value": 7, "group_value": None}
    crates = {"unit": "箱", "is_apart": True, "value": None, "currency": None, "group_value": None}
    desk.made(desk.row("a", in_transit=2), desk.row("b", 4, number, **foreign), desk.row("b", 1, number, **crates))
    (row,) = desk.client.get("/v1/inventory", params={"as_of": moment(THEN)}).json()["items"]
    assert (row["stock"]["on_hand"], row["stock"]["in_transit"], row["stock"]["unit"]) == ("9", "2", "C62")
    assert row["value"]["apart"] == [{"amount": "7", "currency": "EUR"}]
    assert (row["value"]["amount"], row["value"]["unpriced"]) == ("50", 1)
    assert row["apart"] == [{"unit": "箱", "on_hand": "1", "available": "1"}]
    assert [(cell["organisation"], cell["on_hand"]) for cell in row["holders"]] == [("a", "5"), ("b", "4")]
    assert (row["age"]["state"], row["name_zh"]) == ("unknown", "a 机械密封")


@pytest.mark.parametrize("query", ["state=stale", "status=reserved", "sort=age", "sort=name", "after=x", "known_at="])
def test_what_has_no_past_is_refused_over_http(desk: Desk, query: str) -> None:
    desk.made()
    answer = desk.client.get(f"/v1/inventory?as_of={moment(THEN)}&{query}")
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    alone = desk.client.get(f"/v1/inventory?known_at={moment(THEN)}")
    assert (alone.status_code, "as_of" in alone.json()["detail"]) == (422, True)


@pytest.mark.parametrize("locale", ["zh", "en"])
def test_the_page_of_reports_speaks_both_languages(desk: Desk, reader: Any, locale: str) -> None:
    reader(locale=locale)
    assert ("还没有报表", "No report yet")[locale == "en"] in page(desk, "/reports")
    ready, waiting = desk.made(), desk.ask(kind="gold.stock_cover", as_of=None).json()["id"]
    shown = page(desk, "/reports")
    assert "data-poll" in shown and f"/v1/reports/{ready}/file?format=csv" in shown and waiting not in shown
    for word in (REPORTS[GOLDEN], REPORTS["gold.stock_cover"], REPORT_STATES["waiting"], REPORT_STATES["ready"]):
        assert word[locale == "en"] in shown


@pytest.mark.parametrize(("locale", "said"), [("zh", "它的进程在算完之前就停了"), ("en", service.LOST)])
def test_what_stopped_an_answer_is_said_in_words(desk: Desk, lake: Lake, reader: Any, locale: str, said: str) -> None:
    reader(locale=locale)
    asked = UUID(desk.ask(kind="gold.stock_cover", as_of=None).json()["id"])
    service.mark_lost(lake.shop.session, lake.shop.group, asked)
    assert said in page(desk, "/reports")


@pytest.mark.parametrize("locale", ["zh", "en"])
@pytest.mark.parametrize(
    ("as_of", "said"),
    [
        pytest.param((NOW + timedelta(days=9)).isoformat(), ("时点还没有到", "still to come"), id="in nine days"),
        ("1999-12-31", ("之前没有任何已知的库存", "No stock is known before")),
        ("", ("请选月末", "Choose a month end")),
    ],
)
def test_a_refused_question_is_told_in_words(
    desk: Desk, reader: Any, locale: str, as_of: str, said: tuple[str, str]
) -> None:
    reader(locale=locale)
    for path in ("/reports", "/inventory/past"):
        answer = desk.client.post(path, data={"csrf_token": "c", "as_of": as_of}, headers=HTML)
        assert (answer.status_code, said[locale == "en"] in answer.text) == (422, True), answer.text[-2_000:]


def test_months_end_at_midnight_of_the_groups_zone(desk: Desk, lake: Lake) -> None:
    found = service.months(lake.shop.session)
    assert (found[-1].month.isoformat(), found[-1].ends_at.isoformat()) == ("2026-10-01", "2026-11-01T00:00:00+08:00")
    assert found[0].ends_at <= NOW
    assert desk.ask(as_of=found[-1].ends_at.isoformat()).json()["as_of"] == "2026-10-31T16:00:00Z"


def test_every_mart_can_be_exported_and_has_words() -> None:
    assert set(REPORTS) == {GOLDEN} | {f"gold.{name}" for name in documents()}
