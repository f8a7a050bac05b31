"""One file as a table of text cells: encoding, separator, header and sheet found where the mapping does not say them.
Every cell is text or None; what cannot be read is named by file, row and column."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from itertools import chain, islice
from pathlib import Path
from typing import Any

from python_calamine import CalamineError, CalamineWorkbook

from connectors.sources.base import Abort, Skipped
from connectors.sources.checks import required
from connectors.sources.encodings import find_encoding

PAGE_ROWS = 50_000
HEADER_WITHIN = 40
SEPARATORS = "\t,;|"
WORKBOOKS = {".xlsx": "zip", ".xlsm": "zip", ".xlsb": "zip", ".ods": "zip", ".xls": "ole"}

Cells = Sequence[str | None]
Part = tuple[list[str], list[tuple[str | None, ...]], list[Skipped]]


def is_text(path: Path) -> bool:
    return path.suffix.lower() not in WORKBOOKS


def read_table(path: Path, table: Mapping[str, Any]) -> Iterator[Part]:
    """Parts of up to 50,000 rows: column names, rows, and the rows that do not fit them."""
    try:
        if not is_text(path):
            yield from _below_header(path, _workbook_rows(path, table), table)
        elif table.get("widths"):
            yield from _fixed(path, table)
        else:
            yield from _below_header(path, _separated_rows(path, table), table)
    except OSError as error:
        raise Abort(f"{path.name} cannot be read: {error.strerror or error}.") from None


def _separated_rows(path: Path, table: Mapping[str, Any]) -> Iterator[Cells]:
    encoding = str(table.get("encoding") or find_encoding(path))
    row = 0
    try:
        with path.open(encoding=encoding, newline="") as file:
            head = "".join(islice(file, HEADER_WITHIN))
            separator = str(table.get("separator") or _find_separator(head))
            for cells in csv.reader(chain(io.StringIO(head, newline=""), file), delimiter=separator):
                row += 1
                yield cells
    except UnicodeDecodeError as error:
        bad = error.object[error.start : error.start + 4].hex(" ")
        raise Abort(
            f"{path.name}, after row {row}: the bytes {bad} are not {encoding}; set `encoding` in the mapping."
        ) from None
    except LookupError:
        raise Abort(f"{path.name}: there is no encoding {encoding!r}.") from None
    except csv.Error as error:
        raise Abort(f"{path.name}, row {row + 1}: {error}.") from None


def _find_separator(head: str) -> str:
    """The separator that cuts most rows into the same number of cells, more cells winning."""

    def fit(separator: str) -> tuple[int, int]:
        widths = [len(cells) for cells in csv.reader(io.StringIO(head, newline=""), delimiter=separator) if any(cells)]
        widest = max(widths, default=0)
        return (sum(1 for w in widths if w == widest) if widest > 1 else 0, widest)

    return max(SEPARATORS, key=fit)


def _below_header(path: Path, rows: Iterator[Cells], table: Mapping[str, Any]) -> Iterator[Part]:
    wanted = [str(c) for c in table.get("columns", ())]
    head = [list(cells) for cells in islice(rows, int(table.get("header") or HEADER_WITHIN))]
    if not head and table.get("optional"):
        return
    at = int(table["header"]) - 1 if table.get("header") else find_header(head, wanted)
    if at >= len(head):
        raise Abort(f"{path.name} has {len(head)} rows and no header{' with ' + ', '.join(wanted) if wanted else ''}.")
    columns = _names(head[at])
    body = enumerate(chain(head[at + 1 :], rows), at + 2)
    while part := list(islice(body, PAGE_ROWS)):
        fitting, skipped = _sorted(path, part, columns)
        yield columns, fitting, skipped
    if at == len(head) - 1:
        yield columns, [], []


def _sorted(
    path: Path, part: Iterable[tuple[int, Cells]], columns: list[str]
) -> tuple[list[tuple[str | None, ...]], list[Skipped]]:
    fitting: list[tuple[str | None, ...]] = []
    skipped: list[Skipped] = []
    for row, cells in part:
        values = [cell or None for cell in cells]
        surplus = values[len(columns) :]
        if not any(values):
            continue
        if any(surplus) or (len(values) == 1 < len(columns)):
            raw = {(columns[i] if i < len(columns) else f"cell {i + 1}"): v for i, v in enumerate(values)}
            reason = f"{len(values)} cells where the header has {len(columns)}"
            skipped.append(Skipped(f"{path.name}, row {row}", raw, reason))
        else:
            fitting.append(tuple((values + [None] * len(columns))[: len(columns)]))
    return fitting, skipped


def find_header(head: Sequence[Cells], wanted: Sequence[str]) -> int:
    """The first row that holds all wanted names; without wishes the first of the fullest rows. Exports often begin
    with a title and a date. len(head) where there is none."""
    if wanted:
        return next((i for i, cells in enumerate(head) if set(wanted) <= set(_names(cells))), _fullest(head))
    return _fullest(head)


def _fullest(head: Sequence[Cells]) -> int:
    filled = [sum(1 for c in cells if c and c.strip()) for cells in head]
    most = max(filled, default=0)
    return filled.index(most) if most else len(head)


def _names(cells: Cells) -> list[str]:
    names = [(cell or "").strip().lstrip("\ufeff") for cell in cells]
    while names and not names[-1]:
        names.pop()
    seen: dict[str, int] = {}
    unique = []
    for place, name in enumerate(_repaired(names), 1):
        plain = name or f"column {place}"
        seen[plain] = seen.get(plain, 0) + 1
        unique.append(plain if seen[plain] == 1 else f"{plain} {seen[plain]}")
    return unique


def _repaired(names: list[str]) -> list[str]:
    """UTF-8 names that an export read as GBK and wrote again (商品 became 鍟嗗搧). Only where every name that is
    not ASCII turns back: a single one may do so by chance."""
    try:
        return [n if n.isascii() else n.encode("gb18030").decode("utf-8") for n in names]
    except (UnicodeEncodeError, UnicodeDecodeError):
        return names


def _workbook_rows(path: Path, table: Mapping[str, Any]) -> Iterator[Cells]:
    try:
        book = CalamineWorkbook.from_path(str(path))
        wanted = [str(c) for c in table.get("columns", ())]
        sheet = str(table["sheet"]) if table.get("sheet") else _find_sheet(book, wanted)
        if sheet is None and table.get("optional"):
            return
        if sheet not in book.sheet_names:
            sought = f"no sheet {sheet!r}" if sheet else f"no sheet with the columns {', '.join(wanted)}"
            raise Abort(f"{path.name} has {sought}; its sheets: {', '.join(book.sheet_names)}.")
        for cells in book.get_sheet_by_name(sheet).to_python(skip_empty_area=False):
            yield [_cell(value) for value in cells]
    except (CalamineError, ValueError) as error:
        raise Abort(f"{path.name} is no readable workbook: {error}.") from None


def _find_sheet(book: CalamineWorkbook, wanted: list[str]) -> str | None:
    """The first sheet that has the wanted header; without wishes the first that holds anything."""
    filled = []
    for name in book.sheet_names:
        head = [
            [_cell(v) for v in r]
            for r in book.get_sheet_by_name(name).to_python(skip_empty_area=False, nrows=HEADER_WITHIN)
        ]
        if wanted and any(set(wanted) <= set(_names(cells)) for cells in head):
            return name
        if any(any(cells) for cells in head):
            filled.append(name)
    return None if wanted else next(iter(filled), book.sheet_names[0])


def _cell(value: Any) -> str | None:
    """Workbooks hold numbers as binary floats: their shortest decimal is what the person typed."""
    if value is None or value == "":
        return None
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else format(Decimal(repr(value)), "f")
    if isinstance(value, datetime | date):
        return value.isoformat()
    return str(value)


def _fixed(path: Path, table: Mapping[str, Any]) -> Iterator[Part]:
    """Positions count bytes, as the systems that write such files do; in UTF-8 and UTF-16 they count characters."""
    encoding = str(table.get("encoding") or find_encoding(path))
    widths = {str(name): (int(a) - 1, int(b)) for name, (a, b) in required(table, "widths", "the table").items()}
    lines = enumerate(_lines(path, encoding), 1)
    for _ in islice(lines, int(table.get("header") or 0)):
        pass
    while part := list(islice(lines, PAGE_ROWS)):
        rows: list[tuple[str | None, ...]] = []
        skipped: list[Skipped] = []
        for row, line in part:
            if line.strip():
                cells, problem = _pieces(line, widths, encoding, f"{path.name}, row {row}")
                if problem:
                    skipped.append(Skipped(f"{path.name}, row {row}", dict(zip(widths, cells, strict=True)), problem))
                else:
                    rows.append(cells)
        yield list(widths), rows, skipped


def _lines(path: Path, encoding: str) -> Iterator[bytes]:
    """Lines without their ends; Unicode ones as UTF-32, so that four bytes are one character."""
    if not encoding.lower().startswith("utf"):
        with path.open("rb") as file:
            yield from (line.rstrip(b"\r\n") for line in file)
    else:
        with path.open(encoding=encoding) as text:
            yield from (line.rstrip("\r\n").encode("utf-32-le") for line in text)


def _pieces(
    line: bytes, widths: Mapping[str, tuple[int, int]], encoding: str, where: str
) -> tuple[tuple[str | None, ...], str | None]:
    size, codec = (4, "utf-32-le") if encoding.lower().startswith("utf") else (1, encoding)
    cells = []
    for name, (start, end) in widths.items():
        piece = line[start * size : end * size]
        try:
            cells.append(piece.decode(codec).strip() or None)
        except UnicodeDecodeError:
            bad = piece.hex(" ")
            raise Abort(
                f"{where}, column {name}: the bytes {bad} are not {encoding}; check `widths` and `encoding`."
            ) from None
    short = len(line) <= size * max(start for start, _ in widths.values())
    return tuple(cells), "the line is too short" if short else None
