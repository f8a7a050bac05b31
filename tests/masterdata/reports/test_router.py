"""Reports over HTTP: the four cases of every endpoint, one answer for the same question, rows behind the fence."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import Any
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import text

from masterdata.disclosure.models import DisclosureRule
from tests.masterdata.lake_pages.conftest import READ, Lake
from tests.masterdata.reports.conftest import THEN, Desk, moment
from tests.masterdata.shop import NOW

GETS = ("/v1/reports", "/v1/reports/{id}", "/v1/reports/{id}/rows", "/v1/reports/{id}/file?format=csv")
PROBLEM = "application/problem+json"


@pytest.mark.parametrize("path", [*GETS, "/v1/inventory?as_of={then}"])
def test_reading_needs_a_caller_with_the_scope(desk: Desk, app: Any, reader: Any, path: str) -> None:
    at = path.format(id=desk.made(), then=moment(THEN))
    assert desk.client.get(at).status_code == 200
    reader(scopes=READ - {"inventory:read"})
    assert desk.client.get(at).status_code == 403
    app.dependency_overrides.clear()
    answer = desk.client.get(at)
    assert (answer.status_code, answer.headers["content-type"]) == (401, PROBLEM)


def test_asking_needs_a_caller_with_the_scope(desk: Desk, app: Any, reader: Any) -> None:
    assert desk.ask().status_code == 202
    reader(scopes=READ - {"inventory:read"})
    assert desk.ask().status_code == 403
    app.dependency_overrides.clear()
    assert desk.ask().status_code == 401


@pytest.mark.parametrize("path", GETS[1:])
def test_the_report_of_another_is_not_found(desk: Desk, reader: Any, path: str) -> None:
    of_group = desk.made()
    reader("b")
    of_b = desk.made()
    reader("a")
    for strange in (of_group, of_b, UUID(int=9)):
        answer = desk.client.get(path.format(id=strange))
        assert (answer.status_code, answer.headers["content-type"]) == (404, PROBLEM)
    assert desk.client.get("/v1/reports").json()["items"] == []
    reader()
    assert desk.client.get(path.format(id=of_b)).status_code == 200


def test_the_same_question_is_one_report(desk: Desk) -> None:
    first = desk.ask()
    told = first.json()
    assert (first.status_code, first.headers["location"]) == (202, f"/v1/reports/{told['id']}")
    assert (told["known_at"], told["state"], told["rows"]) == (moment(NOW), "waiting", None)
    again = desk.ask(as_of=THEN.astimezone().isoformat(), known_at=told["known_at"])
    assert (again.status_code, again.json()["id"]) == (202, told["id"])
    path = desk.answer(told["id"])
    ready = desk.ask()
    assert (ready.status_code, ready.json()["state"], ready.json()["rows"]) == (200, "ready", 2)
    path.unlink()
    lost = desk.ask()
    assert (lost.status_code, lost.json()["id"], lost.json()["state"]) == (202, told["id"], "waiting")
    other = desk.ask(known_at=(NOW - timedelta(hours=1)).isoformat())
    assert other.json()["id"] != told["id"]


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "still to come": ({"as_of": (NOW + timedelta(days=400)).isoformat()}, "still to come"),
    "known later": ({"known_at": (NOW + timedelta(hours=1)).isoformat()}, "knows what was recorded until"),
    "before anything": ({"as_of": "1999-12-31T16:00:00Z"}, "no stock is known before"),
    "the first instant": ({"as_of": "0001-01-01T00:00:00+14:00"}, "no stock is known before"),
    "no instant": ({"as_of": None}, "as_of is missing"),
    "no zone": ({"as_of": "2026-10-31T16:00:00"}, "timezone"),
    "no such kind": ({"kind": "gold.nothing"}, "kind"),
    "a mart at an instant": ({"kind": "gold.stock_cover"}, "without as_of"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_the_lake_cannot_answer_for_is_said(desk: Desk, case: str) -> None:
    given, said = REFUSED[case]
    answer = desk.ask(**given)
    assert (answer.status_code, answer.headers["content-type"]) == (422, PROBLEM)
    assert said in answer.json()["detail"]


def test_before_the_first_build_nothing_can_be_asked(desk: Desk, lake: Lake) -> None:
    lake.shop.session.connection().exec_driver_sql("update build set is_current = false")
    answer = desk.ask()
    assert (answer.status_code, answer.json()["reason"]) == (409, "no_build")


@pytest.mark.parametrize("path", [*GETS[2:], "/v1/inventory?as_of={then}"])
def test_until_it_is_ready_it_is_told_to_wait(desk: Desk, path: str) -> None:
    if "inventory" in path:
        assert desk.client.get(path.format(then=moment(THEN))).status_code == 404
    asked = desk.ask().json()["id"]
    answer = desk.client.get(path.format(id=asked, then=moment(THEN)))
    assert (answer.status_code, answer.json()["report"]) == (409, f"/v1/reports/{asked}")


def test_a_plant_reads_its_own_rows_whoever_asked(desk: Desk, lake: Lake, reader: Any) -> None:
    of_group = desk.made()
    rows = desk.client.get(f"/v1/reports/{of_group}/rows").json()["items"]
    assert [(r["organisation"], r["on_hand"], r["name_zh"]) for r in rows] == [
        ("a", "5", "a 机械密封"),
        ("b", "6", "b 机械密封"),
    ]
    reader("b")
    mine = desk.made()
    (row,) = desk.client.get(f"/v1/reports/{mine}/rows").json()["items"]
    assert (row["organisation"], row["organisation_id"]) == ("b", str(lake.plants["b"].id))
    assert desk.client.get(f"/v1/reports/{mine}").json()["rows"] == 1
    (item,) = desk.client.get(f"/v1/inventory?as_of={moment(THEN)}").json()["items"]
    assert (item["number"], item["stock"]["on_hand"]) == (lake.numbers["b"], "6")
    assert [cell["organisation"] for cell in item["holders"]] == ["b"]


@pytest.mark.parametrize("form", ["parquet", "csv"])
@pytest.mark.parametrize(("plant", "keys"), [(None, ["a", "b"]), ("b", ["b"])])
def test_a_file_holds_the_readers_rows(desk: Desk, reader: Any, form: str, plant: str | None, keys: list[str]) -> None:
    reader(plant)
    answer = desk.client.get(f"/v1/reports/{desk.made()}/file", params={"format": form})
    assert answer.headers["content-disposition"].endswith(f'.{form}"')
    if form == "parquet":
        assert pq.read_table(io.BytesIO(answer.content))["organisation"].to_pylist() == keys
        return
    head, *lines = answer.content.decode("utf-8-sig").splitlines()
    assert answer.content.startswith(b"\xef\xbb\xbf") and head.startswith('"organisation_id","organisation"')
    assert [line.split(",")[1] for line in lines] == [f'"{key}"' for key in keys]


def test_a_download_is_told_to_those_whose_rows_it_holds(desk: Desk, lake: Lake) -> None:
    report_id = desk.made()
    desk.client.get(f"/v1/reports/{report_id}/file?format=csv")
    lake.shop.see(*(plant.id for plant in lake.plants.values()))
    query = "select organisation_id from audit_event where action = 'report_downloaded' and object_id = :id"
    found = lake.shop.session.scalars(text(query), {"id": str(report_id)}).all()
    assert set(found) == {plant.id for plant in lake.plants.values()}


def test_a_file_for_a_spreadsheet_holds_no_formula(desk: Desk, lake: Lake) -> None:
    lake.shop.change(lake.plants["a"], "X", name="=cmd()")
    asked = desk.made()
    text = desk.client.get(f"/v1/reports/{asked}/file?format=csv").text
    assert '"\'=cmd()"' in text and '"=cmd()"' not in text


def test_rows_are_narrowed_and_paged(desk: Desk, lake: Lake) -> None:
    asked = desk.made(*(desk.row("a", n) for n in range(1, 6)), desk.row("b", 9))
    path = f"/v1/reports/{asked}/rows"
    seen: list[str] = []
    after: str | None = ""
    while after is not None:
        page = desk.client.get(path, params={"limit": 2} | ({"after": after} if after else {})).json()
        seen, after = seen + [row["on_hand"] for row in page["items"]], page["next"]
    assert seen == ["1", "2", "3", "4", "5", "9"]
    for query in ({"number": lake.numbers["b"]}, {"q": "b 机械"}, {"organisation": "b"}):
        assert [row["on_hand"] for row in desk.client.get(path, params=query).json()["items"]] == ["9"], query
    assert desk.client.get(path, params={"number": "GM-9999999"}).json()["items"] == []
    assert desk.client.get(path, params={"organisation": "nobody"}).json()["items"] == []
    assert desk.client.get(path, params={"after": "nonsense"}).status_code == 422


def test_a_mart_is_narrowed_by_what_it_knows_of_materials(desk: Desk, lake: Lake) -> None:
    months = pa.schema([("organisation_id", pa.string()), ("month", pa.date32())])
    asked = desk.ask(kind="gold.inventory_turnover", as_of=None).json()["id"]
    desk.answer(asked, {"organisation_id": str(lake.plants["a"].id), "month": NOW.date()}, schema=months)
    (row,) = desk.client.get(f"/v1/reports/{asked}/rows").json()["items"]
    assert (row["organisation"], row["month"]) == ("a", NOW.date().isoformat())
    assert desk.client.get(f"/v1/reports/{asked}/rows?q=x").status_code == 422
    by_material = pa.schema([("organisation_id", pa.string()), ("material_id", pa.int64())])
    asked = desk.ask(kind="gold.stock_history", as_of=None).json()["id"]
    rows = [{"organisation_id": str(p.id), "material_id": p.materials["X"]} for p in lake.plants.values()]
    desk.answer(asked, *rows, schema=by_material)
    found = desk.client.get(f"/v1/reports/{asked}/rows", params={"number": lake.numbers["b"]}).json()["items"]
    assert [row["organisation"] for row in found] == ["b"]


def test_reports_are_listed_newest_first(desk: Desk) -> None:
    kinds = ("gold.stock_cover", "gold.inventory_ageing", "gold.duplicate_share")
    for kind in kinds:
        assert desk.ask(kind=kind, as_of=None).status_code == 202
    page = desk.client.get("/v1/reports", params={"limit": 2}).json()
    rest = desk.client.get("/v1/reports", params={"limit": 2, "after": page["next"]}).json()
    assert [report["kind"] for report in page["items"] + rest["items"]] == list(reversed(kinds))
    assert rest["next"] is None


COMPARED = pa.schema([
    ("organisation_id", pa.string()), ("number", pa.string()), ("free_at_sisters", pa.float64()),
    ("best_sister", pa.string()), ("duplicate_value", pa.float64()), ("shared_materials", pa.int64()),
])  # fmt: skip


def _compared(desk: Desk, lake: Lake, free: float, best: str | None) -> str:
    asked: str = desk.ask(kind="gold.purchase_orders", as_of=None).json()["id"]
    row = {"organisation_id": str(lake.plants["a"].id), "number": lake.numbers["a"], "free_at_sisters": free}
    row |= {"best_sister": best, "duplicate_value": free * 2, "shared_materials": int(free)}
    desk.answer(asked, row, schema=COMPARED)
    return asked


@pytest.mark.parametrize("form", ["rows", "file?format=csv", "file?format=parquet"])
def test_what_sisters_could_have_given_is_told_where_all_disclose(
    desk: Desk, lake: Lake, reader: Any, form: str
) -> None:
    reader("a")
    sister = str(lake.plants["b"].id)
    asked = _compared(desk, lake, 4711, sister)
    open_to_all = desk.client.get(f"/v1/reports/{asked}/{form}").content
    lake.keep(lake.plants["b"], DisclosureRule(partner_kind="subsidiary", class_prefix="77", level="banded",
                                               organisation_id=lake.plants["b"].id, valid_from=NOW))  # fmt: skip
    first = desk.client.get(f"/v1/reports/{asked}/{form}").content
    _compared(desk, lake, 0, None)
    assert desk.client.get(f"/v1/reports/{asked}/{form}").content == first != open_to_all
    if "parquet" not in form:
        assert b"4711" in open_to_all and b"4711" not in first and sister.encode() not in first
    reader()
    _compared(desk, lake, 4711, sister)
    assert desk.client.get(f"/v1/reports/{asked}/{form}").content == open_to_all
