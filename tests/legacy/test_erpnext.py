"""ERPNext 15 as recorded: two companies, one site, balances by item and warehouse, orders in both units."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from tests.connectors.sources.servers import ErpnextServer
from tests.legacy.agent import LegacyAgent
from tests.legacy.conftest import recorded

COMPANIES = "苏州精密机械有限公司=suzhou,Nantong Trading GmbH=nantong"
KEYS = {"苏州精密机械有限公司": "suzhou", "Nantong Trading GmbH": "nantong"}
START = Callable[..., LegacyAgent]
Erpnext = tuple[ErpnextServer, dict[str, Any]]


def expected() -> Any:
    return recorded("erpnext15/expected_before.json.gz")


def test_on_hand_and_reserved_by_item_and_warehouse(erpnext: Erpnext, agent: START) -> None:
    held = agent("erpnext-15", erpnext[1], companies=COMPANIES).read("stock_positions")
    wanted = {(KEYS[r["company"]], r["item_code"], r["location"]): r for r in expected()["on_hand"]}
    on_hand = {k: r["on_hand"] for k, r in wanted.items() if r["on_hand"]}
    assert held.sums("organisation", "item_id", "place_id") == on_hand
    reserved = {k: r["reserved"] for k, r in wanted.items() if r["reserved"]}
    assert held.sums("organisation", "item_id", "place_id", value="reserved") == reserved
    assert len(held.all()) == len(wanted)
    assert held.problems == []


def test_purchase_orders_in_order_unit_and_item_unit(erpnext: Erpnext, agent: START) -> None:
    held = agent("erpnext-15", erpnext[1], companies=COMPANIES).read("purchase_orders")
    heads = {o["name"]: o for o in expected()["purchase_orders"]}
    got = {(r["document"], r["item_id"]): r for r in held.all()}
    lines = expected()["purchase_order_lines"]
    assert len(got) == len(lines)
    for line in lines:
        mine = got[line["parent"], line["item_code"]]
        qty, factor, received = (Decimal(line[f]) for f in ("qty", "conversion_factor", "received_qty"))
        assert (mine["quantity"], mine["received"], mine["price"]) == (qty, received, Decimal(line["rate"]))
        assert (mine["base_quantity"], mine["base_received"]) == (Decimal(line["stock_qty"]), received * factor)
        assert mine["currency"] == heads[line["parent"]]["currency"]
    states = {k: {r["state"] for r in held.all() if r["document"] == k} for k in heads}
    docstatus = {0: {"draft"}, 2: {"cancelled"}}
    assert all(states[k] == docstatus.get(o["docstatus"], states[k]) for k, o in heads.items())


def test_masters(erpnext: Erpnext, agent: START) -> None:
    reader = agent("erpnext-15", erpnext[1], companies=COMPANIES)
    items = {r["item_id"]: (r["name"], r["active"]) for r in reader.read("materials").all()}
    assert items == {i["name"]: (i["item_name"], not i["disabled"]) for i in expected()["items"]}
    places = {r["place_id"]: (r["organisation"], r["kind"] == "view") for r in reader.read("locations").all()}
    assert places == {p["name"]: (KEYS[p["company"]], bool(p["is_group"])) for p in expected()["locations"]}
    suppliers = {r["partner_id"]: r["active"] for r in reader.read("partners").all()}
    assert suppliers == {s["name"]: not s["disabled"] for s in expected()["suppliers"]}


def test_units_come_with_their_documents(erpnext: Erpnext, agent: START) -> None:
    held = agent("erpnext-15", erpnext[1]).read("material_units")
    factors = {(r["item_id"], r["unit"]): r["numerator"] / r["denominator"] for r in held.all()}
    # A unit the mapping has no code for passes as the source writes it.
    assert factors == {("MILK-1L", "Case24"): 24, ("RES/0402/10K", "XRL"): 5000}


def test_ledger_lines_of_cancelled_vouchers_are_voided(erpnext: Erpnext, agent: START) -> None:
    held = agent("erpnext-15", erpnext[1]).read("stock_movements")
    voided = {r["line"] for r in held.all() if r["voided"]}
    assert voided == {r["name"] for r in expected()["ledger"] if r["is_cancelled"]} != set()
    assert len(held.all()) == len(expected()["ledger"])
    assert held.problems == []
