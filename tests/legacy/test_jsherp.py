"""jshERP in a private MariaDB: two tenants in shared tables, units in codes, no time stamps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

from connectors.sources import Abort, open_source
from tests.legacy.agent import LegacyAgent
from tests.legacy.conftest import recorded
from tests.legacy.databases import mariadb

pytestmark = pytest.mark.slow
START = Callable[..., LegacyAgent]
TENANTS = {63: "jsh", 150: "nb"}


@pytest.fixture(scope="module")
def jsherp() -> Iterator[str]:
    dump = recorded("jsherp/jsherp_seeded.sql.gz")
    with mariadb(dump, "jsherp") as url:
        yield url


@pytest.fixture
def reader(jsherp: str, agent: START) -> LegacyAgent:
    return agent("jsherp", {"url": jsherp}, companies="63=jsh,150=nb")


def expected() -> Any:
    return recorded("jsherp/expected_jsherp.json.gz")


def test_on_hand_by_tenant_item_and_place(reader: LegacyAgent) -> None:
    held = reader.read("stock_positions")
    rows = expected()["on_hand"]
    wanted = {(TENANTS[r["tenant"]], str(r["item_id"]), str(r["location_id"])): r["on_hand"] for r in rows}
    assert held.sums("organisation", "item_id", "place_id") == {k: v for k, v in wanted.items() if v}
    assert held.problems == []


def test_lots(reader: LegacyAgent) -> None:
    held = reader.read("stock_positions").sums("organisation", "item_id", "place_id", "lot")
    lots = {k: v for k, v in held.items() if k[3]}
    wanted = {
        (TENANTS[r["tenant"]], str(r["item_id"]), str(r["location_id"]), r["lot"]): r["on_hand"]
        for r in expected()["lots"]
    }
    assert lots == {k: v for k, v in wanted.items() if v}


def test_orders_in_order_unit_and_base_unit(reader: LegacyAgent) -> None:
    got = {r["line"]: r for r in reader.read("purchase_orders").all()}
    wanted = expected()["purchase_order_lines"]
    assert len(got) == len(wanted)
    for line in wanted:
        mine = got[str(line["line_id"])]
        assert (mine["quantity"], mine["base_quantity"]) == (line["qty"], line["qty_basic"])
        assert (mine["document"], mine["partner_name"]) == (line["number"], line["supplier"])
        assert (mine["state"] == "cancelled") == (line["delete_flag"] != "0")


def test_masters(reader: LegacyAgent) -> None:
    items = {r["item_id"]: (r["name"], r["active"], r["deleted"]) for r in reader.read("materials").all()}
    wanted = {str(i["id"]): (i["name"], bool(i["enabled"]), i["delete_flag"] == "1") for i in expected()["items"]}
    assert {k: items[k] for k in wanted} == wanted
    units = {(r["item_id"], r["unit"]): r["numerator"] for r in reader.read("material_units").all()}
    assert units["620", "TNE"] == 1000
    assert (units["621", "XBX"], units["621", "XCT"]) == (6, 24)
    suppliers = {r["partner_id"] for r in reader.read("partners").all() if r["kind"] == "supplier"}
    assert suppliers == {str(s["id"]) for s in expected()["suppliers"] if s["delete_flag"] == "0"}


def test_voided_and_unaudited_bills_do_not_count(reader: LegacyAgent) -> None:
    held = reader.read("stock_movements")
    voided = [r for r in held.all() if r["voided"]]
    assert voided
    assert held.problems == []
    assert sum((r["quantity"] for r in held.all() if not r["voided"]), Decimal(0)) != 0


def test_wrong_password_is_said_without_it(jsherp: str) -> None:
    source = open_source("sql", {"url": jsherp.replace("hub-secret", "wr0ng-secret")})
    with pytest.raises(Abort, match="login") as caught:
        list(source.read({"query": "select 1 as one"}, None))
    assert "wr0ng-secret" not in str(caught.value)
