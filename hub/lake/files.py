"""Answers of the lake that were written to a file of their own, read through the same fence as its tables. Nothing of
Iceberg here: a process that serves people reads them with DuckDB alone, one question at a time."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb

from hub.errors import NotFound, Unavailable
from hub.lake.tables import ORGANISATION, SPILL
from hub.settings import settings

MEMORY = "256MB"
TURN_SECONDS = 10.0
# For rows that go back to the lake: else a UUID leaves DuckDB as text.
AS_THEY_ARE = "set arrow_lossless_conversion = true"
_turn = threading.Lock()


@contextmanager
def connect_file(path: Path, readable: Sequence[UUID]) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection with one view, `answer`: the rows of a Parquet file that belong to the `readable` organisations, and
    `file_row_number`, their order. Raises NotFound where the file is gone, Unavailable after 10 s of others' turns."""
    if not path.exists():
        raise NotFound("The file of this answer is gone. Ask for it again.")
    if not _turn.acquire(timeout=TURN_SECONDS):
        raise Unavailable("Other questions to the lake are being answered. Try again in a moment.")
    try:
        with database(MEMORY, threads=1) as db:
            file = f"read_parquet({literal(str(path))}, file_row_number = true)"
            db.execute(f"create view answer as select * from {file}{fence(readable)}")
            yield db
    finally:
        _turn.release()


@contextmanager
def database(memory: str, threads: int = 2) -> Iterator[duckdb.DuckDBPyConnection]:
    """An empty database in memory, in UTC; beyond `memory` it spills to HUB_HOME/tmp."""
    home = settings().home / "tmp"
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="lake-", dir=home) as folder:
        config: dict[str, Any] = {
            "memory_limit": memory,
            "temp_directory": folder,
            "max_temp_directory_size": SPILL,
            "threads": threads,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "python_enable_replacements": False,
        }
        with duckdb.connect(config=config) as db:
            db.execute("set TimeZone = 'UTC'")
            yield db


def fence(only: Sequence[UUID | str] | None) -> str:
    """The condition that holds rows to some organisations; None: all rows, an empty one: none."""
    if only is None:
        return ""
    listed = ", ".join(literal(str(UUID(str(one)))) for one in only)
    return f" where {ORGANISATION} in ({listed})" if listed else " where false"


def literal(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
