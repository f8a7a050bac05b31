"""Landed bodies as one relation `delivered` of DuckDB: files are read where they lie, small bodies from memory, lines
of event calls from their JSON. Rows keep their numbers; the raw row stays behind."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import BinaryIO

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from connectors.contract import ENVELOPE, Stream
from hub.lake.files import literal

_MAGIC = b"PAR1"


def deliver(db: duckdb.DuckDBPyConnection, stream: Stream, bodies: Sequence[tuple[str, BinaryIO]]) -> None:
    """Make view `delivered` (batch_id, _row and the stream's fields) of these batches' open bodies. What does not fit a
    field's type is null."""
    names = ["_row", *(f.name for f in stream.fields)]
    files: list[tuple[str, str]] = []
    tables, lines = [], []
    for batch_id, body in bodies:
        if body.read(len(_MAGIC)) != _MAGIC:
            body.seek(0)
            lines.append((batch_id, body.read().decode()))
        elif isinstance(body, io.BytesIO):
            body.seek(0)
            table = pq.read_table(body, columns=names)
            tables.append(table.append_column("batch_id", pa.array([batch_id] * table.num_rows, pa.string())))
        else:
            files.append((batch_id, body.name))
    parts = [*_files(db, files, names), *_tables(db, stream, tables), *_lines(db, stream, lines)]
    db.execute(f"create or replace temp view delivered as {' union all by name '.join(parts)}")


def _files(db: duckdb.DuckDBPyConnection, files: Sequence[tuple[str, str]], names: Sequence[str]) -> list[str]:
    if not files:
        return []
    db.execute("create or replace temp table body_file (batch_id varchar, path varchar)")
    db.executemany("insert into body_file values (?, ?)", files)
    listed = ", ".join(literal(path) for path in sorted({path for _, path in files}))
    columns = ", ".join(f"r.{name}" for name in names)
    return [
        f"select f.batch_id, {columns} from read_parquet([{listed}], filename = 'path') r"
        " join body_file f on f.path = r.path"
    ]


def _tables(db: duckdb.DuckDBPyConnection, stream: Stream, tables: Sequence[pa.Table]) -> list[str]:
    schema = stream.arrow_schema
    kept = [field for field in schema if field.name not in ENVELOPE or field.name == "_row"]
    empty = pa.schema([*kept, ("batch_id", pa.string())]).empty_table()
    db.register("body_table", pa.concat_tables([empty, *tables]))
    return ["select * from body_table"]


def _lines(db: duckdb.DuckDBPyConnection, stream: Stream, lines: Sequence[tuple[str, str]]) -> list[str]:
    if not lines:
        return []
    db.register("body_text", pa.table({"batch_id": [b for b, _ in lines], "body": [t for _, t in lines]}))
    shape = ", ".join(f'"{f.name}": "VARCHAR"' for f in stream.fields)
    fields = ", ".join(f"try_cast(line.{f.name} as {f.type}) as {f.name}" for f in stream.fields)
    return [
        f"select batch_id, n - 1 as _row, {fields} from ("
        f"select batch_id, unnest(read) as line, generate_subscripts(read, 1) as n from ("
        f"select batch_id, from_json(body, '[{{{shape}}}]') as read from body_text))"
    ]
