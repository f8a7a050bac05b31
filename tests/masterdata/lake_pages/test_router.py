"""Every endpoint of the lake: anonymous 401, missing scope 403, somebody else's 404 or nothing, valid."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from tests.masterdata.lake_pages.conftest import READ, Lake

GETS = {
    "/v1/builds": "feeds:read",
    "/v1/builds/{build}": "feeds:read",
    "/v1/builds/{build}/findings": "feeds:read",
    "/v1/data-assets": "feeds:read",
    "/v1/trends": "inventory:read",
    "/v1/materials/{number}/ageing": "inventory:read",
}


def at(lake: Lake, path: str) -> str:
    return path.format(build=lake.build_id, number=lake.numbers["a"])


@pytest.mark.parametrize("path", GETS)
def test_reading_needs_a_caller_with_the_scope(client: Any, lake: Lake, reader: Any, path: str) -> None:
    answer = client.get(at(lake, path))
    assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")
    reader(scopes=READ - {GETS[path]})
    assert client.get(at(lake, path)).status_code == 403
    reader(scopes=frozenset({GETS[path]}))
    assert client.get(at(lake, path)).status_code == 200, client.get(at(lake, path)).text


def test_head_office_reads_every_plant(client: Any, lake: Lake, reader: Any) -> None:
    reader()
    found = client.get(f"/v1/builds/{lake.build_id}/findings").json()["items"]
    assert [(f["organisation"], f["number"]) for f in found] == [("a", lake.numbers["a"]), ("b", lake.numbers["b"])]
    assert {a["organisation"] for a in client.get("/v1/data-assets").json()} == {"a", "b"}
    told = client.get("/v1/trends").json()
    assert [o["organisation"] for o in told["organisations"]] == ["a", "b"]
    assert told["total"][0]["closing_value"] == 200


def test_a_plant_reads_its_own_rows_alone(client: Any, lake: Lake, reader: Any) -> None:
    reader("b")
    assert client.get(f"/v1/materials/{lake.numbers['a']}/ageing").status_code == 404
    (finding,) = client.get(f"/v1/builds/{lake.build_id}/findings").json()["items"]
    (asset,) = client.get("/v1/data-assets").json()
    told = client.get("/v1/trends").json()
    assert {finding["organisation"], asset["organisation"], told["organisations"][0]["organisation"]} == {"b"}
    assert (len(told["organisations"]), told["total"][0]["closing_value"]) == (1, 100)
    assert client.get(f"/v1/builds/{lake.build_id}").json()["findings"] == {"difference": 1}
    (holder,) = client.get(f"/v1/materials/{lake.numbers['b']}/ageing").json()["holders"]
    assert (holder["organisation"], holder["on_hand"], holder["ages"]) == ("b", "7", [3, 0, 4, 0, 0])


@pytest.mark.parametrize("end", ["", "/findings"])
def test_a_build_that_is_none_is_not_found(client: Any, lake: Lake, reader: Any, end: str) -> None:
    reader()
    answer = client.get(f"/v1/builds/{UUID(int=9)}{end}")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


@pytest.mark.parametrize("listing", ["/v1/builds", "/v1/builds/{build}/findings"])
def test_lists_are_paged_by_key(client: Any, lake: Lake, reader: Any, listing: str) -> None:
    reader()
    for _ in range(3):
        lake.build()
        lake.finding(lake.plants["a"])
    lake.shop.session.flush()
    seen: list[Any] = []
    after: str | None = ""
    while after is not None:
        page = client.get(at(lake, listing), params={"limit": 2} | ({"after": after} if after else {})).json()
        seen, after = seen + [item["id"] for item in page["items"]], page["next"]
    whole = [item["id"] for item in client.get(at(lake, listing)).json()["items"]]
    assert (seen, len(set(seen))) == (whole, len(whole)) and len(whole) > 3
    assert client.get(at(lake, listing), params={"after": "nonsense"}).status_code == 422


def test_what_stopped_a_build_is_told_to_the_group_alone(client: Any, lake: Lake, reader: Any) -> None:
    check = {"name": "m", "kind": "model", "is_kept": False, "message": "could not convert 'a 机械密封'"}
    failed = lake.build("failed", error="Conversion Error: 'a 机械密封'", checks=[check])
    for plant, is_told in ((None, True), ("b", False)):
        reader(plant)
        for path in ("/v1/builds", f"/v1/builds/{failed.id}", "/builds", f"/builds/{failed.id}"):
            text = client.get(path, headers={"accept": "text/html"}).text
            assert ("机械密封" in text) <= is_told, path
    reader()
    assert "机械密封" in client.get(f"/v1/builds/{failed.id}").text


@pytest.mark.parametrize("api", [True, False])
def test_stock_is_repaired_by_whom_it_may(client: Any, lake: Lake, reader: Any, *, api: bool) -> None:
    plants = {key: lake.broken(key) for key in ("a", "b")}
    path, form = f"{'/v1' if api else ''}/builds/{lake.build_id}/repair", {"csrf_token": "c"}
    assert client.post(path).status_code == 401
    reader()
    assert client.post(path, data=form).status_code == 403
    reader("b", READ | {"batches:release"})
    assert client.post(path.replace(str(lake.build_id), str(UUID(int=9))), data=form).status_code == 404
    assert client.post(path, data=form).status_code == (200 if api else 303)
    assert [lake.held(plant) for plant in plants.values()] == [9, 5]
    reader(None, READ | {"batches:release"})
    answer = client.post(path, data=form)
    assert answer.json() == {"positions": 1, "materials": 2} if api else "repaired=1" in answer.headers["location"]
    assert [lake.held(plant) for plant in plants.values()] == [5, 5]
