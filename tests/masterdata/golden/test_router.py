"""Every endpoint of the golden view and of materials: anonymous 401, missing scope 403, somebody else's 404, valid."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text

from hub.columns import new_id
from hub.errors import Unprocessable
from hub.settings import settings
from identity.principal import Principal
from masterdata.materials import rates
from masterdata.materials.schemas import RateIn
from tests.masterdata.shop import NOW, Shop

READ = frozenset({"inventory:read", "materials:read"})
WRITE = frozenset({"rates:write", "links:write"})

GETS = [
    "/v1/inventory", "/v1/inventory/totals", "/v1/inventory/facets", "/v1/inventory/export.csv",
    "/v1/inventory/export.xlsx", "/v1/inventory/changes", "/v1/inventory/overview", "/v1/holders?q=X", "/v1/search?q=X",
    "/v1/materials/{number}", "/v1/materials/{number}/holders", "/v1/materials/{number}/positions",
    "/v1/materials/{number}/movements", "/v1/materials/{number}/history", "/v1/movements",
    "/v1/organisations/{org}/positions/{position}", "/v1/units", "/v1/rates", "/v1/rates/current",
    "/v1/links/conflicts",
]  # fmt: skip
POSTS = [
    ("/v1/rates", "currency,rate_on,rate\nEUR,2026-01-02,7.71\n"),
    ("/v1/xrefs", "system,item_id,group_number\na-sys,X,G1\n"),
    ("/v1/links/split", '{"system": "a-sys", "item_id": "X", "reason": "why"}'),
    ("/v1/links/restore", '{"system": "a-sys", "item_id": "X"}'),
]
OWNED = [path for path in GETS if "{" in path]


def _principal(shop: Shop, readable: tuple[UUID, ...], scopes: frozenset[str]) -> Principal:
    return Principal("person", new_id(), "somebody", readable[0], readable, scopes, is_group=readable[0] == shop.group)


@pytest.fixture
def paths(shop: Shop) -> Callable[[str], str]:
    a = shop.plant("a")
    shop.plant("b")
    shop.material(a, "X", name="机械密封")
    shop.cost(a, "X", "2")
    shop.observe(a, {"item": "X", "quantity": 3})
    shop.move(a, "X", 1, NOW)
    position = shop.connection.execute("select id from position").fetchone()
    fields = {"number": shop.goldens()["a", "X"], "org": a.id, "position": position[0] if position else 0}
    shop.act(shop.group)
    shop.session.flush()
    return lambda path: path.format(**fields)


def _everything(shop: Shop) -> tuple[UUID, ...]:
    return (shop.group, *(o for o in shop.session.info["tenancy"].readable if o != shop.group))


@pytest.mark.parametrize("path", GETS)
def test_reading_needs_a_caller_with_the_scope(
    client: Any, as_principal: Any, shop: Shop, paths: Callable[[str], str], path: str
) -> None:
    assert client.get(paths(path)).status_code == 401
    as_principal(_principal(shop, _everything(shop), frozenset()))
    assert client.get(paths(path)).status_code == 403
    as_principal(_principal(shop, _everything(shop), READ))
    assert client.get(paths(path)).status_code == 200


@pytest.mark.parametrize(("path", "body"), POSTS)
def test_writing_needs_a_caller_with_the_scope(  # noqa: PLR0917 - fixtures and a case
    client: Any, as_principal: Any, shop: Shop, paths: Callable[[str], str], path: str, body: str
) -> None:
    headers = {"content-type": "application/json" if body.startswith("{") else "text/csv"}
    assert client.post(path, content=body, headers=headers).status_code == 401
    as_principal(_principal(shop, _everything(shop), READ))
    assert client.post(path, content=body, headers=headers).status_code == 403
    as_principal(_principal(shop, _everything(shop), WRITE))
    assert client.post(path, content=body, headers=headers).status_code == 201


@pytest.mark.parametrize("path", OWNED)
def test_what_is_somebody_elses_is_not_found(
    client: Any, as_principal: Any, shop: Shop, paths: Callable[[str], str], path: str
) -> None:
    b = shop.session.execute(_org("b")).scalar_one()
    as_principal(_principal(shop, (b,), READ))
    assert client.get(paths(path)).status_code == 404
    for listing in (
        "/v1/inventory",
        "/v1/movements",
        "/v1/inventory/export.csv",
        "/v1/inventory/overview",
        "/v1/holders?q=X",
    ):
        assert "密封" not in client.get(listing).text


def _org(key: str) -> Any:
    return text("select id from organisation where key = :key").bindparams(key=key)


def test_a_sister_cannot_decide_for_somebody_else(client: Any, as_principal: Any, shop: Shop, paths: Any) -> None:
    b = shop.session.execute(_org("b")).scalar_one()
    as_principal(_principal(shop, (b,), WRITE))
    given = {"system": "a-sys", "item_id": "X", "reason": "mine"}
    assert client.post("/v1/links/split", json=given).status_code == 404
    assert client.post("/v1/xrefs", content="system,item_id,group_number\na-sys,X,G1\n").status_code == 422


def test_exports_hold_every_row_with_age_and_origin(client: Any, as_principal: Any, shop: Shop, paths: Any) -> None:
    as_principal(_principal(shop, _everything(shop), READ))
    answer = client.get("/v1/inventory/export.csv")
    assert answer.content.startswith(b"\xef\xbb\xbf")
    (row,) = csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig")))
    assert (row["name_zh"], row["on_hand"], row["value"], row["currency"]) == ("机械密封", "3", "6", "CNY")
    assert row["source_at"].startswith(NOW.date().isoformat()) and row["material_path"] == f"/materials/{row['number']}"
    book = zipfile.ZipFile(io.BytesIO(client.get("/v1/inventory/export.xlsx").content))
    assert "机械密封" in book.read("xl/worksheets/sheet1.xml").decode()


def test_an_export_is_told_to_those_whose_rows_it_holds(client: Any, as_principal: Any, shop: Shop, paths: Any) -> None:
    everything = _everything(shop)
    as_principal(_principal(shop, everything, READ))
    client.get("/v1/inventory/export.csv")
    client.get("/v1/inventory/export.xlsx?organisation=b")
    shop.see(*everything)
    found = shop.session.execute(
        text("select o.key, e.detail ->> 'format' from audit_event e join organisation o on o.id = e.organisation_id "
             "where e.action = 'inventory_exported' order by 1, 2")
    ).all()  # fmt: skip
    assert [tuple(row) for row in found] == [("a", "csv"), ("group", "csv"), ("group", "xlsx")]


BAD = [
    ("/v1/rates", "currency,rate_on\nEUR,2026-01-02\n", "header lacks rate"),
    ("/v1/rates", "currency,rate_on,rate\nEUR,2026-01-02,7.7\nEU,2026-01-02,1\n", "Row 2, currency"),
    ("/v1/rates", "currency,rate_on,rate\nEUR,2026-01-02,-1\n", "Row 1, rate"),
    ("/v1/rates", "currency,rate_on,rate\nCNY,2026-01-02,1\n", "own currency"),
    ("/v1/rates", "currency,rate_on,rate\nEUR,2999-01-02,1\n", "future"),
    ("/v1/rates", "", "header lacks"),
    ("/v1/rates", "\rcurrency;rate", "header lacks"),
    ("/v1/rates", "currency,rate_on,rate\rEU,2026-01-02,1\r", "Row 1, currency"),
    ("/v1/rates", "currency,rate_on,rate\nEUR," + "9" * 200_000 + ",1\n", "is no CSV"),
    ("/v1/rates", "currency,rate_on,rate\n", "no rows"),
    ("/v1/xrefs", "system,item_id,group_number\nnowhere,X,G\n", "Row 1: there is no system"),
    ("/v1/xrefs", "system,item_id,group_number\na-sys,,G\n", "Row 1, item_id"),
]


@pytest.mark.parametrize(("path", "body", "said"), BAD)
def test_a_bad_table_is_refused_whole_and_says_where(  # noqa: PLR0917 - fixtures and a case
    client: Any, as_principal: Any, shop: Shop, paths: Any, path: str, body: str, said: str
) -> None:
    as_principal(_principal(shop, _everything(shop), READ | WRITE))
    answer = client.post(path, content=body.encode(), headers={"content-type": "text/csv"})
    assert (answer.status_code, said in answer.json()["detail"]) == (422, True), answer.json()
    assert client.get("/v1/rates").json() == []


def test_a_rate_is_of_the_future_by_the_groups_own_day(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    # One of them has another date than UTC at any hour.
    zone = "Etc/GMT-14" if datetime.now(UTC).hour >= 12 else "Etc/GMT+12"
    monkeypatch.setattr(settings(), "zone", zone)
    today = datetime.now(ZoneInfo(zone)).date()
    rate = RateIn(currency="EUR", rate_on=today, rate=Decimal("7.71"))
    assert rates.add_rates(shop.session, [rate]) == 1
    assert [r.age_days for r in rates.list_rate_ages(shop.session)] == [0]
    with pytest.raises(Unprocessable, match="future"):
        rates.add_rates(shop.session, [rate.model_copy(update={"rate_on": today + timedelta(days=1)})])


def test_rates_in_gb18030_and_json_repeat_without_harm(client: Any, as_principal: Any, shop: Shop, paths: Any) -> None:
    as_principal(_principal(shop, _everything(shop), READ | WRITE))
    rows = [{"currency": "EUR", "rate_on": "2026-01-02", "rate": "7.71"}]
    headers = {"content-type": "application/json"}
    assert client.post("/v1/rates", content=json.dumps(rows), headers=headers).json()["added"] == 1
    text = "currency,rate_on,rate,备注\nEUR,2026-01-02,7.71,旧\nUSD,2026-01-02,7.1,新\n".encode("gb18030")
    assert client.post("/v1/rates", content=text, headers={"content-type": "text/csv"}).json()["added"] == 1
    assert [rate["is_stale"] for rate in client.get("/v1/rates/current").json()] == [True, True]
