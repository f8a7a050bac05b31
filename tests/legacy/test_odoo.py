"""Odoo 17 as recorded: three companies, first sync, incremental and full compare, to the unit."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from tests.connectors.sources.servers import OdooServer
from tests.legacy.agent import Folded, LegacyAgent
from tests.legacy.conftest import odoo_server, recorded

COMPANIES = "1=us,2=chicago,3=sz"
KEYS = {1: "us", 2: "chicago", 3: "sz"}
START = Callable[..., LegacyAgent]
Odoo = tuple[OdooServer, dict[str, Any]]


def expected_on_hand(name: str) -> dict[tuple[Any, ...], Decimal]:
    """(organisation, item, place, lot, owner's name) → on hand, packages added up, zeroes left out."""
    totals: dict[tuple[Any, ...], Decimal] = defaultdict(Decimal)
    for row in recorded(f"odoo17/{name}.json.gz")["on_hand"]:
        company = KEYS.get(row["company_id"], "own")
        totals[company, str(row["item_id"]), str(row["location_id"]), row["lot"], row["owner"]] += row["on_hand"]
    return {k: v for k, v in totals.items() if v}


def on_hand(held: Folded, server: OdooServer) -> dict[tuple[Any, ...], Decimal]:
    names = {str(p["id"]): p["name"] for p in server.models["res.partner"]}
    sums = held.sums("organisation", "item_id", "place_id", "lot", "owner")
    return {(*k[:4], names.get(k[4])): v for k, v in sums.items()}


def advance(server: OdooServer, name: str) -> None:
    later = odoo_server(name)
    server.models, server.types = later.models, later.types


def test_on_hand_first_sync_incremental_and_full(odoo: Odoo, agent: START) -> None:
    server, connection = odoo
    reader = agent("odoo-17", connection, companies=COMPANIES)
    assert on_hand(reader.read("stock_positions"), server) == expected_on_hand("expected_before")
    advance(server, "rpc_after_full")
    held = reader.read("stock_positions", "incremental")
    # Two products were deleted; nothing in Odoo stamps that, so they stay until the full compare.
    after = expected_on_hand("expected_after")
    gone = {r["id"] for r in recorded("odoo17/expected_before.json.gz")["items"]}
    gone -= {r["id"] for r in recorded("odoo17/expected_after.json.gz")["items"]}
    stale = {k: v for k, v in expected_on_hand("expected_before").items() if int(k[1]) in gone}
    assert on_hand(held, server) == after | stale
    assert on_hand(reader.read("stock_positions", "full"), server) == after
    assert held.problems == []


def test_incremental_reads_only_what_changed(odoo: Odoo, agent: START) -> None:
    _server, connection = odoo
    reader = agent("odoo-17", connection, companies=COMPANIES)
    first = reader.read("stock_positions").batches
    reader.read("stock_positions", "incremental")
    assert sum(b.rows for b in first) == sum(b.rows for b in reader.held["stock_positions"].batches)


def test_recorded_incremental_answers_are_what_the_server_gives() -> None:
    later = odoo_server("rpc_after_full")
    compared = 0
    for call in recorded("odoo17/rpc_after_since.json.gz", float):
        args = call["request"].get("params", {}).get("args", [])
        # Companies and currencies were recorded without their write date.
        if len(args) > 4 and args[4] == "search_read" and "write_date" in args[6]["fields"]:
            assert later.search_read(args[3], *args[5], **args[6]) == call["response"]["result"], args[3]
            compared += len(call["response"]["result"])
    assert compared == 34


def test_purchase_orders_in_order_unit_and_item_unit(odoo: Odoo, agent: START) -> None:
    _, connection = odoo
    held = agent("odoo-17", connection, companies=COMPANIES).read("purchase_orders")
    got = {r["line"]: r for r in held.all()}
    expected = recorded("odoo17/expected_before.json.gz")["purchase_order_lines"]
    states = {"draft": "draft", "sent": "draft", "to approve": "draft", "cancel": "cancelled"}
    assert len(got) == len(expected)
    for line in expected:
        mine, factor = got[str(line["id"])], line["product_uom_qty"] / line["product_qty"]
        assert (mine["quantity"], mine["base_quantity"]) == (line["product_qty"], line["product_uom_qty"])
        assert (mine["received"], mine["base_received"]) == (line["qty_received"], line["qty_received"] * factor)
        assert mine["document"] == line["order_id"][1]
        assert mine["state"] == states.get(line["state"], mine["state"])


def test_masters(odoo: Odoo, agent: START) -> None:
    _, connection = odoo
    expected = recorded("odoo17/expected_before.json.gz")
    reader = agent("odoo-17", connection, companies=COMPANIES)
    items = {r["item_id"]: r for r in reader.read("materials").all()}
    codes = {str(i["id"]): i["default_code"] or None for i in expected["items"] if i["detailed_type"] != "service"}
    assert {k: r["item_code"] for k, r in items.items()} == codes
    places = {r["place_id"]: r["name"] for r in reader.read("locations").all()}
    usages = ("internal", "transit", "view")
    assert places == {str(p["id"]): p["complete_name"] for p in expected["locations"] if p["usage"] in usages}
    suppliers = {r["partner_id"]: r["name"] for r in reader.read("partners").all() if r["kind"] == "supplier"}
    assert suppliers == {str(s["id"]): s["name"] for s in expected["suppliers"]}


def test_moves_of_stock_places_are_the_recorded_ones(odoo: Odoo, agent: START) -> None:
    server, connection = odoo
    held = agent("odoo-17", connection, companies=COMPANIES).read("stock_movements")
    kinds = {r["kind"] for r in held.all()}
    assert kinds <= {"receipt", "issue", "transfer", "count", "return"}
    net: dict[tuple[Any, ...], Decimal] = defaultdict(Decimal)
    usage = {p["id"]: p["usage"] for p in server.models["stock.location"]}
    for line in server.models["stock.move.line"]:
        if line["state"] == "done" and line["location_id"] != line["location_dest_id"]:
            for place, sign in ((line["location_id"], -1), (line["location_dest_id"], 1)):
                if usage[place[0]] in ("internal", "transit"):
                    net[str(line["product_id"][0]), str(place[0])] += sign * Decimal(repr(line["quantity"]))
    assert held.sums("item_id", "place_id") == {k: v for k, v in net.items() if v}


@pytest.mark.parametrize("stream", ["materials", "material_units", "demand"])
def test_streams_have_no_problem_rows(odoo: Odoo, agent: START, stream: str) -> None:
    held = agent("odoo-17", odoo[1], companies=COMPANIES).read(stream)
    assert held.problems == []
    assert held.all()
