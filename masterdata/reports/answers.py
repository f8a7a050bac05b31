"""Rows of an answer as one reader may see them: page by page, or all of them as a file. DuckDB is loaded at the first
question; every question goes through the fence of `hub.lake.connect_file`."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal
from uuid import UUID

import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import text
from sqlalchemy.orm import Session

from hub import lake, paging
from hub.errors import Unprocessable
from hub.formats import exact
from hub.settings import settings
from masterdata.lake.rows import put

if TYPE_CHECKING:
    import duckdb

Form = Literal["parquet", "csv"]
BATCH_ROWS = 20_000
SEARCHED_MAX = 2_000
BOM = b"\xef\xbb\xbf"
# What compares with others' stock: told to who sees all of that exactly, by the policies in force now.
COMPARING = frozenset({"free_at_sisters", "best_sister", "duplicate_value", "shared_materials"})
_IS_OPEN = text("select disclosure_is_open()")
_FORMULA = r"^[=+\-@\t\r]"
_ORGANISATIONS = text("select cast(id as text) as id, key from organisation")
_NAMES = text("select number, name_zh, name_en from golden_material where number = any(:numbers)")
# A number that was merged into another since stands in older answers.
_FOUND = text(f"""
    select id, number from golden_material
    where (cast(:text as text) = '' or coalesce(merged_into_id, id) in (
              select golden_id from search_find(:text, {SEARCHED_MAX})))
      and (cast(:number as text) = '' or number = :number)
      and (cast(:classes as text[]) = '{{}}' or class_code = any(:classes))""")
_MEMBERS = text("select id from source_material where golden_id = any(:goldens)")


@dataclass(frozen=True, slots=True)
class Narrow:
    """What narrows an answer: words as search takes them, a golden number, classes, keys of organisations."""

    text: str = ""
    number: str = ""
    classes: tuple[str, ...] = ()
    organisations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Condition:
    """SQL over `answer` and its parameters."""

    sql: str
    values: dict[str, Any]


def list_rows(
    session: Session, path: Path, narrow: Narrow, after: str | None, limit: int
) -> tuple[list[dict[str, Any]], str | None]:
    """A page of an answer's rows in its order, and the cursor behind it. The key is a row's place among those of this
    reader under these filters: an answer never changes."""
    begin = paging.decode(after, (int,))[0] if after else 0
    with lake.connect_file(path, readable(session)) as db:
        narrowed = condition(session, db, narrow)
        cut = f"order by file_row_number limit {limit + 1} offset {max(begin, 0)}"
        query = f"{_rows(session, db)} where {narrowed.sql} {cut}"
        found = db.sql(query, params=narrowed.values).to_arrow_table()
        rows = [row for batch in named(session, found.to_reader()) for row in batch.to_pylist()]
    page = [{name: plain(value) for name, value in row.items()} for row in rows[:limit]]
    return page, paging.encode((begin + limit,)) if len(rows) > limit else None


def file_of(session: Session, path: Path, form: Form) -> IO[bytes]:
    """The reader's rows as a file without a name, written before it is read, so that nobody waits for a slow reader."""
    with lake.connect_file(path, readable(session)) as db:
        # Whoever reads it to its end closes it.
        file = tempfile.TemporaryFile(prefix="report-", dir=settings().home / "tmp")  # noqa: SIM115
        file.write(BOM if form == "csv" else b"")
        rows = named(session, db.sql(f"{_rows(session, db)} order by file_row_number").to_arrow_reader(BATCH_ROWS))
        put(harmless(rows) if form == "csv" else rows, file, form)
    return file


def _rows(session: Session, db: duckdb.DuckDBPyConnection) -> str:
    """The answer's columns; those that compare are empty where others do not disclose to this reader."""
    columns = {row[0]: row[1] for row in db.execute("describe answer").fetchall()}
    closed = sorted(COMPARING & columns.keys())
    if not closed or session.execute(_IS_OPEN).scalar_one():
        return "select * exclude (file_row_number) from answer"
    empty = ", ".join(f"cast(null as {columns[name]}) as {name}" for name in closed)
    return f"select * exclude (file_row_number) replace ({empty}) from answer"


def readable(session: Session) -> Sequence[UUID]:
    """The organisations that the session's caller may read."""
    found: Sequence[UUID] = session.info["tenancy"].readable
    return found


def condition(session: Session, db: duckdb.DuckDBPyConnection, narrow: Narrow) -> Condition:
    """Raises Unprocessable where an answer that knows no materials is asked for some."""
    parts, values = ["true"], dict[str, Any]()
    if narrow.organisations:
        parts.append("organisation_id in (select unnest($organisations))")
        keys = {row.key: row.id for row in session.execute(_ORGANISATIONS)}
        values["organisations"] = [keys[key] for key in narrow.organisations if key in keys] or [""]
    if narrow.text or narrow.number or narrow.classes:
        asked = {"text": narrow.text, "number": narrow.number, "classes": list(narrow.classes)}
        goldens = session.execute(_FOUND, asked).all()
        column, values["found"] = _members(session, db, goldens)
        parts.append(f"{column} in (select unnest($found))")
    return Condition(" and ".join(parts), values)


def _members(session: Session, db: duckdb.DuckDBPyConnection, goldens: Sequence[Any]) -> tuple[str, list[Any]]:
    """How the answer names materials, and the names of these."""
    columns = {row[0] for row in db.execute("describe answer").fetchall()}
    if "number" in columns:
        return "number", [golden.number for golden in goldens] or [""]
    ids = [golden.id for golden in goldens]
    if "golden_id" in columns:
        return "golden_id", ids or [-1]
    if "material_id" in columns:
        return "material_id", list(session.scalars(_MEMBERS, {"goldens": ids})) or [-1]
    raise Unprocessable("This report does not tell materials apart. Leave out q and number.")


def named(session: Session, found: pa.RecordBatchReader) -> pa.RecordBatchReader:
    """The rows with the key of their organisation, and, where they name golden materials, what these are called now."""
    keys: dict[str, str] = {row.id: row.key for row in session.execute(_ORGANISATIONS)}
    names = found.schema.names
    fields = [(name, found.schema.field(name).type) for name in names if name != "organisation_id"]
    head = [("organisation_id", pa.string()), ("organisation", pa.string())]
    tail = [("name_zh", pa.string()), ("name_en", pa.string())] if "number" in names else []
    schema = pa.schema([*head, *fields, *tail])

    def batches() -> Iterator[pa.RecordBatch]:
        for batch in found:
            ids = batch["organisation_id"].to_pylist()
            columns = {"organisation_id": ids, "organisation": [keys.get(one) for one in ids]}
            if tail:
                columns |= _names(session, batch["number"].to_pylist())
            arrays = [pa.array(columns[n], kind) if n in columns else batch[n] for n, kind in [*head, *fields, *tail]]
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)

    return pa.RecordBatchReader.from_batches(schema, batches())


def _names(session: Session, numbers: list[str]) -> dict[str, list[Any]]:
    known = {row.number: row for row in session.execute(_NAMES, {"numbers": sorted(set(numbers))})}
    rows = [known.get(number) for number in numbers]
    return {name: [row and getattr(row, name) for row in rows] for name in ("name_zh", "name_en")}


def harmless(found: pa.RecordBatchReader) -> pa.RecordBatchReader:
    """Texts that a spreadsheet would take for formulas get an apostrophe."""
    is_text = [pa.types.is_string(field.type) for field in found.schema]

    def batches() -> Iterator[pa.RecordBatch]:
        for batch in found:
            columns = [_safe(column) if safe else column for column, safe in zip(batch, is_text, strict=True)]
            yield pa.RecordBatch.from_arrays(columns, schema=found.schema)

    return pa.RecordBatchReader.from_batches(found.schema, batches())


def _safe(column: pa.Array) -> pa.Array:
    marked = pc.binary_join_element_wise("'", column, "")
    return pc.if_else(pc.fill_null(pc.match_substring_regex(column, _FORMULA), False), marked, column)


def plain(value: Any) -> Any:
    """As JSON carries it: decimals as text, instants and days in ISO 8601."""
    if isinstance(value, Decimal):
        return exact(value)
    return value.isoformat() if isinstance(value, datetime | date) else value
