"""What both ERPs' sources do beyond the conformance suite: whole groups, both sides, exact numbers, odd names."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from connectors.cursor import Cursor, digest
from connectors.sources import Abort, open_source
from tests.connectors.sources.servers import ErpnextServer, OdooServer, serving

TYPES = {"product_id": "many2one", "quantity": "float", "note": "char", "active": "boolean", "write_date": "datetime"}
OLD, NEW = "2026-11-22 08:00:00", "2026-11-22 09:00:00"


def quant(number: int, product: int, quantity: float, at: str, **more: Any) -> dict[str, Any]:
    made = {"id": number, "product_id": [product, f"P{product}"], "quantity": quantity, "note": False, "active": True}
    return made | {"write_date": at} | more


@pytest.fixture
def odoo() -> Iterator[tuple[OdooServer, Any]]:
    rows = [quant(1, 7, 10.1, OLD), quant(2, 7, 90.0, NEW), quant(3, 8, 5.0, OLD), quant(4, 8, 0.3, OLD, active=False)]
    server = OdooServer({"stock.quant": rows}, {"stock.quant": TYPES}, "pw")
    with serving(server) as url:
        source = open_source("odoo", {"url": url, "database": "d", "user": "u", "password": "pw", "companies": [1, 3]})
        yield server, source
        source.close()  # type: ignore[attr-defined]


TABLE = {
    "model": "stock.quant",
    "fields": ["product_id", "quantity", "note", "active", "write_date"],
    "cursor": "write_date",
}


def read(source: Any, since: str | None = None, **more: Any) -> list[tuple[Any, ...]]:
    return [row for page in source.read(TABLE | more, since) for row in page.rows]


def test_odoo_values_keep_their_meaning(odoo: tuple[OdooServer, Any]) -> None:
    server, source = odoo
    assert read(source)[3] == (4, 8, "P8", Decimal("0.3"), None, False, OLD)
    contexts = [options["context"] for _, name, _, options in server.calls if name == "search_read"]
    assert contexts == [{"active_test": False, "allowed_company_ids": [1, 3]}]


def test_odoo_rows_that_add_up_are_read_whole(odoo: tuple[OdooServer, Any]) -> None:
    _, source = odoo
    assert [row[0] for row in read(source, NEW)] == [2]
    assert [row[0] for row in read(source, NEW, whole="product_id")] == [1, 2]
    assert read(source, "2026-11-23 00:00:00", whole="product_id") == []


def test_a_group_passes_the_cursor_whole_or_not_at_all() -> None:
    rows = [("a", 1, OLD), ("a", 2, NEW), ("b", 3, OLD)]
    known = frozenset(map(digest, rows))
    columns = ["group", "n", "at"]
    assert Cursor("at", OLD, known, "group").fresh(columns, rows) == rows[:2]
    assert Cursor("at", OLD, known).fresh(columns, rows) == [rows[1]]
    assert Cursor("at", NEW, known, "group").fresh(columns, rows) == []


def test_odoo_both_sides_of_a_move(odoo: tuple[OdooServer, Any]) -> None:
    assert [(row[0], row[-1]) for row in read(odoo[1], sides=True)][:2] == [(1, -1), (1, 1)]


def test_odoo_that_ignores_the_page_filter_is_no_endless_read(odoo: tuple[OdooServer, Any]) -> None:
    server, source = odoo
    page = {"jsonrpc": "2.0", "id": 1, "result": [quant(5, 7, 1.0, OLD)] * 1000}
    server.fault = lambda model, method: (200, page) if method == "search_read" else None
    with pytest.raises(Abort, match=r"same page of stock\.quant twice"):
        read(source)


def test_erpnext_names_with_anything_in_them_and_child_rows() -> None:
    names = ["STL-45#-D20", "RES/0402/10K", "CBL RVV 2x1.5", "a%20b?c=d", "件·1"]
    server = ErpnextServer({"Item": [{"name": n} for n in names]}, "k:s", forbidden=("Item Unit",))
    for name in names:
        units = [{"uom": "Reel", "conversion_factor": 5000.0}, {"uom": "Nos"}]
        server.documents["Item", name] = {"name": name, "stock_uom": "Nos", "uoms": units}
    table = {
        "doctype": "Item",
        "child": "uoms",
        "fields": ["uom", "conversion_factor"],
        "parent_fields": ["name", "stock_uom"],
    }
    with serving(server) as url:
        source: Any = open_source("erpnext", {"url": url, "key": "k", "secret": "s", "page": 2})
        rows = [row for page in source.read(table, None) for row in page.rows]
        source.close()
    wanted = [(u, f, n, "Nos") for n in sorted(names) for u, f in (("Reel", Decimal("5000.0")), ("Nos", None))]
    assert rows == wanted


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (404, {"exc_type": "DoesNotExistError"}, "check `site`"),
        (417, {"exception": "frappe.exceptions.DataError: Field not permitted in query: nope"}, "nope"),
        (500, {"exception": "pymysql.err.OperationalError: (1054, \"Unknown column 'nope' in 'SELECT'\")"}, "'nope'"),
        (302, {}, "sends elsewhere"),
        (200, {"message": "hello"}, "cannot answer Bin"),
    ],
)
def test_erpnext_errors_say_what_to_do(status: int, body: dict[str, Any], words: str) -> None:
    server = ErpnextServer({"Bin": []}, "k:s")
    server.fault = lambda path: (status, body)
    with serving(server) as url:
        source: Any = open_source("erpnext", {"url": url, "key": "k", "secret": "s"})
        with pytest.raises(Abort, match=words):
            list(source.read({"doctype": "Bin", "fields": ["name"]}, None))
        source.close()
