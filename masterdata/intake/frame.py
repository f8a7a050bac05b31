"""A batch's rows as tables of an in-process DuckDB, bounded in memory: judged by the contract, rows of one key summed,
and handed to PostgreSQL as CSV. Python never holds the rows."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

import duckdb
import psycopg
import pyarrow.parquet as pq

from connectors.contract import Stream
from hub.settings import settings
from masterdata.intake import checks

MEMORY, THREADS = "320MB", 2
_BLOCK = 1024 * 1024


@dataclass(frozen=True)
class Frame:
    """One batch loaded: view `delivered`, tables `judged` (with `fault` and, for stock, `hash`; without raw rows) and
    `bad`."""

    connection: duckdb.DuckDBPyConnection
    stream: Stream
    folder: Path

    def number(self, query: str) -> int:
        row = self.connection.execute(query).fetchone()
        return int(row[0]) if row and row[0] is not None else 0

    def run(self, *statements: str) -> None:
        for statement in statements:
            self.connection.execute(statement)

    def copy(self, query: str, target: psycopg.Connection, table: str) -> None:
        """Copy a query's rows into a table of PostgreSQL, through a pipe, so that both work at once; `table` may name
        columns."""
        path = self.folder / "rows"
        os.mkfifo(path)
        # An end of our own for writing, held until the query has ended: the pipe is never at its end before.
        reader, held = os.open(path, os.O_RDONLY | os.O_NONBLOCK), os.open(path, os.O_WRONLY)
        os.set_blocking(reader, True)
        path_sql = f"'{path}' (format csv, header false, use_tmp_file false)"
        with ThreadPoolExecutor(1) as other, os.fdopen(reader, "rb") as rows:
            written = other.submit(self._write, f"copy ({query}) to {path_sql}", held)
            try:
                with target.cursor().copy(f"copy {table} from stdin (format csv)") as copy:
                    while block := rows.read(_BLOCK):
                        copy.write(block)
                    written.result()
            except BaseException:
                # A query that finds no reader would wait for one without end: it is read until it lets go.
                self.connection.interrupt()
                while rows.read(_BLOCK):
                    pass
                raise
            finally:
                path.unlink()

    def _write(self, statement: str, held: int) -> None:
        try:
            self.connection.execute(statement)
        finally:
            os.close(held)


@contextmanager
def load(body: BinaryIO, stream: Stream, *, units: Sequence[str], key: str, latest: datetime) -> Iterator[Frame]:
    """Open a Parquet body. `units` are the codes known for its system, `key` an SQL expression of the position's hash
    over the contract's columns (lot and owner never null), `latest` the latest time a row may bear."""
    home = settings().home / "tmp"
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home) as folder, duckdb.connect(config=_config(folder)) as connection:
        frame = Frame(connection, stream, Path(folder))
        connection.execute("set TimeZone = 'UTC'")
        _deliver(connection, body)
        _macros(connection, units, latest)
        _judge(frame, key)
        yield frame


def _config(folder: str) -> dict[str, Any]:
    return {
        "memory_limit": MEMORY,
        "threads": THREADS,
        "temp_directory": folder,
        "preserve_insertion_order": False,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }


def _deliver(connection: duckdb.DuckDBPyConnection, body: BinaryIO) -> None:
    name = getattr(body, "name", None)
    if isinstance(name, str):
        connection.execute(f"create view delivered as select * from read_parquet('{name}')")
    else:
        connection.register("body", pq.read_table(body))
        connection.execute("create view delivered as select * from body")


def _macros(connection: duckdb.DuckDBPyConnection, units: Sequence[str], latest: datetime) -> None:
    connection.execute("create temp table units (code varchar)")
    connection.execute("insert into units select unnest(?)", [list(units) or [""]])
    connection.execute("create macro known_unit(given) as given in (select code from units)")
    connection.execute(f"create macro latest() as timestamptz '{latest.isoformat()}'")


def _judge(frame: Frame, key: str) -> None:
    stream = frame.stream
    present = {f.name for f in stream.fields}
    parts = ", ".join(f"coalesce({c}, '') as {c}" for c in ("lot", "owner") if c in present)
    replaced = f"* replace ({parts})" if parts else "*"
    hashed = f", {key} as hash" if stream.name in ("stock_positions", "stock_movements") else ""
    # Kept, for its hashes are read three times and more; the raw rows stay in the body.
    frame.run(
        f"create temp table judged as select * exclude (_raw){hashed}, {checks.fault_sql(stream)} as fault "
        f"from (select {replaced} from delivered)",
        f"create temp table bad as select _row, fault, {checks.readable_key_sql(stream)} as is_readable"
        f"{', hash' if hashed else ', null::uuid as hash'} from judged where fault is not null",
    )


def add_bad(frame: Frame, rows: str) -> None:
    """Turn further rows bad; `rows` selects _row, fault, is_readable, hash."""
    frame.run(f"insert into bad {rows}")


def quarantined_sql(frame: Frame) -> str:
    """Bad rows as the quarantine keeps them."""
    stream = frame.stream
    inner = f"""
        select d._row, split_part(b.fault, '|', 1) as reason, nullif(split_part(b.fault, '|', 2), '') as field,
               {checks.clean(checks.value_sql(stream).replace("fault", "b.fault"))} as value,
               {checks.record_sql(stream)} as record, {checks.clean("d._raw")} as raw,
               case when b.is_readable then b.hash end as hash
        from delivered d join bad b on b._row = d._row"""
    return f"select _row, reason, field, value, {checks.sentence_sql()} as detail, record, raw, hash from ({inner})"
