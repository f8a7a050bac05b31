"""Recorded purchase orders as the hub must hold them: (organisation, order, line) → what stands on it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, NamedTuple

from tests.legacy.conftest import recorded

Order = tuple[str, str, str]
ODOO = {"draft": "draft", "sent": "draft", "to approve": "draft", "cancel": "cancelled", "done": "closed"}
ADVENTUREWORKS = {1: "draft", 2: "open", 3: "cancelled", 4: "closed"}
# How the mappings write the units of the recorded orders; what has no code of its own stays as the source says it.
UNITS = {"件": "C62", "打": "DZN", "t": "TNE", "kg": "KGM", "m": "MTR", "小时": "HUR"}
ERPNEXT_UNITS = {"Tonne": "TNE", "Meter": "MTR", "Nos": "C62", "Kg": "KGM", "Reel": "XRL"}
JSHERP_UNITS = {"吨": "TNE", "箱": "XCT", "台": "C62"}


class Line(NamedTuple):
    """Quantities in the order's unit and in the material's. `price` is of one order unit."""

    item: str
    unit: str | None
    quantity: Decimal
    base_quantity: Decimal
    received: Decimal | None
    base_received: Decimal | None
    price: Decimal | None
    state: str


def odoo(name: str, companies: dict[int, str]) -> dict[Order, Line]:
    told = recorded(f"odoo17/{name}.json.gz")
    company = {order["id"]: companies[order["company_id"][0]] for order in told["purchase_orders"]}
    return {(company[r["order_id"][0]], r["order_id"][1], str(r["id"])): _odoo(r) for r in told["purchase_order_lines"]}


def _odoo(row: dict[str, Any]) -> Line:
    ordered, base, received = (row[f] for f in ("product_qty", "product_uom_qty", "qty_received"))
    confirmed = "closed" if received >= ordered else "open"
    unit = UNITS.get(row["product_uom"][1], row["product_uom"][1])
    state = ODOO.get(row["state"], confirmed)
    item, price = str(row["product_id"][0]), row["price_unit"]
    return Line(item, unit, ordered, base, received, received * base / ordered, price, state)


def erpnext(companies: dict[str, str]) -> dict[tuple[str, str], Line]:
    """By order and item: the recording names no line."""
    told = recorded("erpnext15/expected_before.json.gz")
    heads = {o["name"]: o for o in told["purchase_orders"]}
    return {
        (companies[heads[r["parent"]]["company"]] + " " + r["parent"], r["item_code"]): _erpnext(r, heads[r["parent"]])
        for r in told["purchase_order_lines"]
    }


def _erpnext(row: dict[str, Any], head: dict[str, Any]) -> Line:
    names = ("qty", "stock_qty", "received_qty", "rate", "conversion_factor")
    ordered, base, received, price, factor = (Decimal(row[f]) for f in names)
    closed = "closed" if head["status"] in ("Closed", "Completed") else "open"
    state = {0: "draft", 2: "cancelled"}.get(head["docstatus"], closed)
    unit = ERPNEXT_UNITS[row["uom"]]
    return Line(row["item_code"], unit, ordered, base, received, received * factor, price, state)


def jsherp(tenants: dict[int, str]) -> dict[Order, Line]:
    """What is received there stands on the receipts, not on the recorded lines."""
    states = {"0": "draft", "9": "draft", "1": "open", "3": "open", "2": "closed"}
    return {
        (tenants[r["tenant"]], r["number"], str(r["line_id"])): Line(
            str(r["item_id"]), JSHERP_UNITS[r["unit"]], r["qty"], r["qty_basic"], None, None, r["unit_price"],
            "cancelled" if r["delete_flag"] != "0" else states[r["status"]],
        )
        for r in recorded("jsherp/expected_jsherp.json.gz")["purchase_order_lines"]
    }  # fmt: skip


def adventureworks_open() -> dict[tuple[str, str], tuple[str, Decimal, Decimal, str]]:
    """(order, line) → item, ordered, received and due day, of what is not ended."""
    return {
        (str(r["purchaseorderid"]), str(r["purchaseorderdetailid"])): (
            str(r["productid"]), Decimal(r["orderqty"]), Decimal(r["receivedqty"]), r["duedate"][:10],
        )
        for r in recorded("expected_adventureworks_northwind.json.gz")["adventureworks"]["open_po_lines"]
    }  # fmt: skip


def adventureworks_states() -> dict[str, int]:
    """How many orders stand in each state."""
    told = recorded("expected_adventureworks_northwind.json.gz")["adventureworks"]["po_by_status"]
    return {ADVENTUREWORKS[r["status"]]: r["n"] for r in told}
