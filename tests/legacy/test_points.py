"""What a connector must get right: fifteen points, each of which fails for a real reason in a recorded system. What
the hub adds to 9, 10 and 14 (late and stale, deduplication) is tested with the hub."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from connectors.sources import Abort, Retry, open_source
from tests.connectors.sources.servers import ErpnextServer, OdooServer, odoo_error
from tests.legacy.agent import LegacyAgent
from tests.legacy.conftest import odoo_server, recorded

START = Callable[..., LegacyAgent]
Odoo = tuple[OdooServer, dict[str, Any]]
Erpnext = tuple[ErpnextServer, dict[str, Any]]
BEFORE = "odoo17/expected_before.json.gz"


def odoo_items(*, code: str | None) -> set[str]:
    return {str(i["id"]) for i in recorded(BEFORE)["items"] if (i["default_code"] or None) == code}


def test_point_01_rows_of_one_key_add_up_and_totals_agree(odoo: Odoo, agent: START) -> None:
    held = agent("odoo-17", odoo[1], companies="1=1,2=2,3=3").read("stock_positions")
    packed = [r for r in recorded(BEFORE)["on_hand"] if r["package"] == "PAL-0001"]
    assert packed
    for row in packed:
        key = str(row["item_id"]), str(row["location_id"]), row["lot"]
        same = [r["quantity"] for r in held.all() if (r["item_id"], r["place_id"], r["lot"]) == key]
        loose = [
            r["on_hand"]
            for r in recorded(BEFORE)["on_hand"]
            if (str(r["item_id"]), str(r["location_id"]), r["lot"]) == key and not r["package"]
        ]
        assert sum(same) == row["on_hand"] + sum(loose)
        assert len(same) == 1 + len(loose)
    totals: Counter[tuple[str, int]] = Counter()
    for r in held.all():
        if r["status"] == "unrestricted" or r["status"] == "quality":
            totals[r["item_id"], int(r["organisation"])] += r["quantity"]
    wanted = {
        (str(r["item_id"]), r["company_id"]): r["on_hand"] for r in recorded(BEFORE)["totals_internal_by_item_company"]
    }
    assert {k: v for k, v in totals.items() if v} == {k: v for k, v in wanted.items() if v}


def test_point_02_only_places_of_stock_count_and_transit_is_in_transit(
    odoo: Odoo, erpnext: Erpnext, agent: START
) -> None:
    server, connection = odoo
    usage = {str(p["id"]): p["usage"] for p in server.models["stock.location"]}
    held = agent("odoo-17", connection).read("stock_positions").all()
    assert {usage[r["place_id"]] for r in held} == {"internal", "transit"}
    assert {r["status"] for r in held if usage[r["place_id"]] == "transit"} == {"in_transit"}
    assert sum(q["quantity"] for q in server.models["stock.quant"]) == pytest.approx(0)
    groups = {w["name"] for w in erpnext[0].doctypes["Warehouse"] if w["is_group"]}
    bins = agent("erpnext-15", erpnext[1]).read("stock_positions").all()
    assert groups and not groups & {r["place_id"] for r in bins}


def test_point_03_drafts_cancelled_and_voided_do_not_count(odoo: Odoo, erpnext: Erpnext, agent: START) -> None:
    orders = agent("odoo-17", odoo[1]).read("purchase_orders").all()
    assert {r["document"] for r in orders if r["state"] == "cancelled"} == {"P00015"}
    assert "P00014" in {r["document"] for r in orders if r["state"] == "draft"}
    reader = agent("erpnext-15", erpnext[1])
    lines = reader.read("purchase_orders").all()
    wanted = {"To Receive and Bill": "open", "Draft": "draft", "Cancelled": "cancelled", "Closed": "closed"}
    heads = {(o["name"], wanted[o["status"]]) for o in erpnext[0].doctypes["Purchase Order"]}
    assert {(r["document"], r["state"]) for r in lines} == heads
    cancelled = {r["line"] for r in reader.read("stock_movements").all() if r["voided"]}
    assert cancelled == {e["name"] for e in erpnext[0].doctypes["Stock Ledger Entry"] if e["is_cancelled"]} != set()


def test_point_04_negative_stays_negative_and_null_is_zero_only_where_meant(odoo: Odoo, agent: START) -> None:
    held = agent("odoo-17", odoo[1]).read("stock_positions")
    assert Decimal(-25) in {r["quantity"] for r in held.all()}
    server = odoo[0]
    server.models["stock.quant"][0]["quantity"] = False
    assert agent("odoo-17", odoo[1]).read("stock_positions").problems == []


def test_point_05_reserved_stands_beside_on_hand(odoo: Odoo, erpnext: Erpnext, agent: START) -> None:
    held = agent("odoo-17", odoo[1]).read("stock_positions")
    rows = recorded(BEFORE)["on_hand"]
    assert sum(r["reserved"] for r in held.all()) == sum(r["reserved"] for r in rows) > 0
    available = sum(r["quantity"] - r["reserved"] for r in held.all())
    assert available == sum(r["available"] for r in rows)
    bins = agent("erpnext-15", erpnext[1]).read("stock_positions")
    wanted = sum(r["reserved"] for r in recorded("erpnext15/expected_before.json.gz")["on_hand"])
    assert sum(r["reserved"] for r in bins.all()) == wanted > 0


def test_point_06_an_order_counts_in_its_unit_and_in_the_items(odoo: Odoo, erpnext: Erpnext, agent: START) -> None:
    lines = agent("odoo-17", odoo[1]).read("purchase_orders").all()
    units = {
        (r["unit"], r["base_unit"], r["base_quantity"] / r["quantity"]) for r in lines if r["unit"] != r["base_unit"]
    }
    assert {("TNE", "KGM", 1000), ("DZN", "C62", 12), ("卷(5000pcs)", "C62", 5000)} <= units
    received = [(r["received"], r["base_received"]) for r in lines if r["unit"] == "TNE" and r["received"]]
    assert received == [(Decimal("1.25"), Decimal(1250))]
    erp = agent("erpnext-15", erpnext[1]).read("purchase_orders").all()
    steel = next(r for r in erp if r["unit"] == "TNE" and r["received"])
    assert (steel["quantity"], steel["base_quantity"], steel["received"], steel["base_received"]) == (
        Decimal(3), Decimal(3000), Decimal("1.25"), Decimal(1250),
    )  # fmt: skip


def test_point_07_nothing_merges_by_itself(odoo: Odoo, agent: START) -> None:
    reader = agent("odoo-17", odoo[1])
    items = {r["item_id"]: r["item_code"] for r in reader.read("materials").all()}
    assert {k for k, code in items.items() if code == "BRG-6204"} == odoo_items(code="BRG-6204")
    assert len(odoo_items(code="BRG-6204")) == 2
    assert " res-0402-10k " in items.values()
    held = reader.read("stock_positions").all()
    assert {r["item_id"] for r in held} & odoo_items(code=None)
    of_lot = {r["item_id"] for r in held if r["lot"] == "0001"}
    assert len(of_lot) == 2


def test_point_08_archived_items_that_hold_stock_stay(odoo: Odoo, agent: START) -> None:
    reader = agent("odoo-17", odoo[1])
    inactive = {r["item_id"] for r in reader.read("materials").all() if not r["active"]}
    assert Decimal(77) in {v for k, v in reader.read("stock_positions").sums("item_id").items() if k[0] in inactive}


def test_point_09_changes_arrive_incrementally_and_deletions_with_the_full_compare(odoo: Odoo, agent: START) -> None:
    server, connection = odoo
    reader = agent("odoo-17", connection)
    for stream in ("materials", "stock_positions", "stock_movements"):
        reader.read(stream)
    server.models = odoo_server("rpc_after_full").models
    server.calls.clear()
    # A move back-dated by six weeks is found, for the cursor stands on the write time.
    moved = reader.read("stock_movements", "incremental")
    assert "SZ01/INT/00007" in {r["document"] for r in moved.all()}
    asked = [term[0] for model, name, args, _ in server.calls if name == "search_read" for term in args[0]]
    assert "write_date" in asked and "date" not in asked
    gone = {str(i["id"]) for i in recorded(BEFORE)["items"]}
    gone -= {str(i["id"]) for i in server.models["product.product"]}
    assert len(gone) == 2
    assert gone <= {r["item_id"] for r in reader.read("materials", "incremental").all()}
    assert not gone & {r["item_id"] for r in reader.read("materials", "full").all()}
    assert all(reader.mapping.full(stream).seconds for stream in reader.mapping.spec.streams)


def test_point_10_twice_is_once_and_a_read_that_dies_leaves_nothing(odoo: Odoo, agent: START) -> None:
    server, connection = odoo
    reader = agent("odoo-17", connection | {"page": 100})
    first = dict(reader.read("stock_positions").rows)
    assert reader.read("stock_positions").rows == first
    fresh = agent("odoo-17", connection | {"page": 100})
    calls = len(server.calls)
    server.fault = lambda model, method: (502, b"") if len(server.calls) > calls + 5 else None
    with pytest.raises(Retry):
        fresh.read("stock_positions")
    assert fresh.spool.batches("ready") == []
    server.fault = lambda model, method: None
    again = fresh.read("stock_positions").rows
    assert {k: [r["quantity"] for r in v] for k, v in again.items()} == {
        k: [r["quantity"] for r in v] for k, v in first.items()
    }


def test_point_11_zones(odoo: Odoo, erpnext: Erpnext, agent: START, tmp_path: Path) -> None:
    quant = next(q for q in odoo[0].models["stock.quant"] if q["id"] == 500)
    assert quant["write_date"] == "2026-11-22 18:48:42"
    held = agent("odoo-17", odoo[1]).read("stock_positions").all()
    assert datetime(2026, 11, 22, 18, 48, 42, tzinfo=UTC) in {r["modified_at"] for r in held if r["item_id"] == "253"}
    bins = agent("erpnext-15", erpnext[1]).read("stock_positions").all()
    stamp = {r["modified_at"] for r in bins if (r["item_id"], r["place_id"]) == ("STD-0065", "B区货架 - SZJM")}
    assert stamp == {datetime(2026, 11, 22, 19, 8, 6, 256271, tzinfo=UTC)}
    (tmp_path / "stock_20261123_011607.csv").write_text("料号,数量\nA,1\n")
    source = open_source("files", {"folder": str(tmp_path)}, zone="Asia/Shanghai")
    pages = list(source.read({"glob": "stock_*.csv", "settle": 0}, None))
    assert pages[0].observed_at == datetime(2026, 11, 22, 17, 16, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((200, odoo_error("builtins.ValueError", "Invalid field")), Abort),
        ((200, odoo_error("psycopg2.errors.SerializationFailure", "could not serialize access")), Retry),
        ((200, {"jsonrpc": "2.0", "id": 1}), Abort),
        ((200, b"<html>maintenance</html>"), Retry),
        ((200, {"jsonrpc": "2.0", "id": 1, "result": None}), Abort),
    ],
)
def test_point_12_an_error_in_a_200_is_an_error_and_zeroes_nothing(
    odoo: Odoo, agent: START, answer: Any, error: Any
) -> None:
    server, connection = odoo
    reader = agent("odoo-17", connection)
    held = dict(reader.read("stock_positions").rows)
    server.fault = lambda model, method: answer if method == "search_read" else None
    with pytest.raises(error):
        reader.read("stock_positions")
    assert reader.held["stock_positions"].rows == held
    assert len(reader.spool.batches("ready")) == len(reader.held["stock_positions"].batches)


def test_point_13_every_page_with_every_field(erpnext: Erpnext, agent: START) -> None:
    server, connection = erpnext
    assert len(agent("erpnext-15", connection).read("stock_positions").all()) == 226
    lists = [c for c in server.calls if "/Bin" in c]
    assert len(lists) == 3
    assert all("fields=" in c and "limit_page_length=100" in c for c in lists)


def test_point_14_a_stopped_server_is_said_and_touches_no_other_system(
    odoo: Odoo, erpnext: Erpnext, agent: START
) -> None:
    stopped = agent("odoo-17", odoo[1] | {"url": "http://127.0.0.1:1"})
    with pytest.raises(Retry, match=r"127\.0\.0\.1 does not answer"):
        stopped.read("stock_positions")
    assert stopped.spool.batches("ready") == []
    assert agent("erpnext-15", erpnext[1]).read("stock_positions").all()


def test_point_15_wrong_password_and_missing_rights_are_said_plainly(
    odoo: Odoo, erpnext: Erpnext, agent: START
) -> None:
    server, connection = odoo
    with pytest.raises(Abort, match="refuses the login of 'admin'") as wrong:
        agent("odoo-17", connection | {"password": "wr0ng-secret"}).read("stock_positions")
    assert "wr0ng-secret" not in str(wrong.value)
    denied = odoo_error("odoo.exceptions.AccessError", "您不被允许访问“数量”(stock.quant)记录。")
    server.fault = lambda model, method: (200, denied)
    with pytest.raises(Abort, match=r"give it read access.*您不被允许访问“数量”"):
        agent("odoo-17", connection).read("stock_positions")
    with pytest.raises(Abort, match="check key and secret") as refused:
        agent("erpnext-15", erpnext[1] | {"secret": "wr0ng"}).read("stock_positions")
    assert "wr0ng" not in str(refused.value)
    source = open_source("erpnext", erpnext[1])
    with pytest.raises(Abort, match="may not read Purchase Order Item"):
        list(source.read({"doctype": "Purchase Order Item", "fields": ["name"]}, None))
    source.close()  # type: ignore[attr-defined]
