"""The golden list as CSV and XLSX, page by page: memory does not grow with the list. Instants are ISO 8601, codes stay
text; CSV starts with a byte order mark, so that Excel reads it as UTF-8."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import UUID

import xlsxwriter
from sqlalchemy import text
from sqlalchemy.orm import Session

from masterdata.golden.inventory import list_rows
from masterdata.golden.schemas import InventoryQuery

# The first page is short: the file begins at once, and one that nobody waits for costs little.
FIRST, PAGE = 200, 2_000
CHUNK = 1 << 16
BOM = "\ufeff"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

HEADER = (
    "number", "name_zh", "name_en", "class_code", "identity_rule", "identity_confidence", "codes", "holders", "unit",
    "on_hand", "available", "reserved", "in_transit", "quality", "blocked", "consigned", "apart", "value", "currency",
    "value_apart", "source_at", "age_seconds", "sla_seconds", "state", "material_path",
)  # fmt: skip
NUMERIC = frozenset(
    HEADER.index(name)
    for name in (
        "codes", "on_hand", "available", "reserved", "in_transit", "quality", "blocked", "consigned", "value",
        "age_seconds", "sla_seconds",
    )
)  # fmt: skip
_HOLDING = text("""
    select o.id from organisation o
    where (cardinality(cast(:keys as text[])) = 0 or o.key = any(cast(:keys as text[])))
      and exists (select from holding h where h.organisation_id = o.id)""")
OPTIONS = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}


def organisations_in(session: Session, keys: Sequence[str] = ()) -> Sequence[UUID]:
    """Whose stock a list holds: of these organisations, or of all the caller may read."""
    return session.scalars(_HOLDING, {"keys": list(keys)}).all()


def rows_of(session: Session, query: InventoryQuery) -> Iterator[tuple[str, ...]]:
    """Header first, then every row of the list; `query.limit` and `query.after` do not matter."""
    yield HEADER
    following: str | None = None
    while True:
        limit = PAGE if following else FIRST
        rows, following = list_rows(session, replace(query, limit=limit, after=following))
        for row in rows:
            yield _cells(json.loads(row, parse_float=str))
        if following is None:
            return


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    """Of a row as the list's JSON has it; its decimals stay the digits they are."""
    stock, value, age = row["stock"], row["value"], row["age"]
    cells = (
        row["number"], row["name_zh"], row["name_en"], row["class_code"], row["identity"]["rule"],
        row["identity"]["confidence"], row["codes"], " ".join(cell["organisation"] for cell in row["holders"]),
        stock["unit"], stock["on_hand"], stock["available"], stock["reserved"], stock["in_transit"], stock["quality"],
        stock["blocked"], stock["consigned"],
        "; ".join(f"{apart['on_hand']} {apart['unit']}" for apart in row["apart"]), value["amount"], value["currency"],
        "; ".join(f"{apart['amount']} {apart['currency']}" for apart in value["apart"]),
        age["source_at"], age["age_seconds"], age["sla_seconds"], age["state"], f"/materials/{row['number']}",
    )  # fmt: skip
    return tuple("" if cell is None else str(cell) for cell in cells)


def csv_of(session: Session, query: InventoryQuery) -> Iterator[str]:
    """Lines of the CSV, the header at once. A text that a spreadsheet would take for a formula gets an apostrophe."""
    yield BOM + ",".join(HEADER) + "\r\n"
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    for row in islice(rows_of(session, query), 1, None):
        writer.writerow([cell if index in NUMERIC else _harmless(cell) for index, cell in enumerate(row)])
        if buffer.tell() > CHUNK:
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue()


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell


def xlsx_of(session: Session, query: InventoryQuery) -> Iterator[bytes]:
    """The workbook's bytes; it is written to a temporary file row by row and removed when all was sent."""
    with tempfile.TemporaryDirectory(prefix="hub-export-") as folder:
        path = Path(folder) / "inventory.xlsx"
        with xlsxwriter.Workbook(path, OPTIONS) as book:
            sheet = book.add_worksheet("inventory")
            sheet.freeze_panes(1, 1)
            for line, row in enumerate(rows_of(session, query)):
                for index, cell in enumerate(row):
                    if line and cell and index in NUMERIC:
                        sheet.write_number(line, index, float(cell))
                    else:
                        sheet.write_string(line, index, cell)
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                yield chunk
