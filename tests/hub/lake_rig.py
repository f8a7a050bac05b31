"""What tests of the lake share: one table, rows for it, what lies on disk; a writer process to kill."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa
from sqlalchemy import Engine

from hub import lake
from hub.database import make_engine
from hub.lake import catalog, upkeep, write
from hub.settings import settings

A, B = UUID(int=1), UUID(int=2)
SPEC = lake.TableSpec(
    "bronze.thing",
    pa.schema(
        [
            ("organisation_id", pa.string()),
            ("id", pa.int64()),
            ("seen_at", pa.timestamp("us", "UTC")),
            ("quantity", pa.decimal128(38, 9)),
        ]
    ),
    partition=("organisation_id",),
    sort=("id",),
)
# What SQL of others might try, from a file and a folder past the fence.
ESCAPES = [
    "from read_parquet('{file}')",
    "from '{file}'",
    "from parquet_metadata('{file}')",
    "from read_text('/etc/hostname')",
    "from glob('/*')",
    "copy (select 1) to '{folder}/out.csv'",
    "copy bronze.thing from '{file}'",
    "attach '{folder}/x.db'",
    "export database '{folder}/all'",
    "install httpfs",
    "load httpfs",
    "set threads = 3",
    "set enable_external_access = true",
    "reset lock_configuration",
    "set memory_limit = '64GB'",
    "set allowed_paths = ['{file}']",
    "pragma enable_profiling",
    "from outside",
    "from python_arrow_scan(1)",
]
START = datetime(2026, 1, 1, tzinfo=UTC)


def rows(ids: Iterable[int]) -> pa.Table:
    """Even ids are A's, odd ones B's."""
    wanted = list(ids)
    values = [
        [str(B if one % 2 else A) for one in wanted],
        wanted,
        [START + timedelta(seconds=one) for one in wanted],
        [Decimal(one) + Decimal("0.000000001") for one in wanted],
    ]
    return pa.table(dict(zip(SPEC.schema.names, values, strict=True)), schema=SPEC.schema)


def files_on_disk(engine: Engine, name: str) -> set[str]:
    table = catalog.Catalog(engine).table(name)
    return set(upkeep.files_under(table.io, table.location()))


def names_on_disk(engine: Engine, name: str) -> list[str]:
    """Files the table's metadata names."""
    table = catalog.Catalog(engine).table(name)
    return sorted({location.removeprefix("file://") for location in upkeep.named_files(table)})


def use(home: str) -> None:
    """The lake of another process's test."""
    settings().home = Path(home)


def write_tokens(url: str, home: str, tokens: Sequence[UUID], size: int) -> None:
    """In a process of its own: append for each token the rows of its own number, `size` of them."""
    use(home)
    engine = make_engine(url, pool_size=1)
    for token in tokens:
        lake.append(engine, {SPEC: rows(range(token.int * size, (token.int + 1) * size))}, token)


def keep_house(url: str, home: str) -> None:
    """In a process of its own: compact, expire and remove until killed."""
    use(home)
    upkeep.FEW_FILES = 2
    engine = make_engine(url, pool_size=1)
    while True:
        lake.compact(engine, SPEC)
        lake.expire(engine, SPEC, set(), datetime.now(UTC))
        lake.remove_orphans(engine, SPEC)


def die_at(url: str, home: str, instant: str, token: UUID) -> None:
    """Append, and be killed at a named instant of the commit."""
    use(home)
    where: dict[str, tuple[Any, str]] = {
        "files written": (write, "replace_files"),
        "metadata written": (catalog.Catalog, "point"),
        "pointer moved": (catalog.Catalog, "remember"),
        "committed": (catalog.Catalog, "_delete_old_metadata"),
    }
    setattr(*where[instant], lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL))
    lake.append(make_engine(url, pool_size=1), {SPEC: rows(range(5))}, token)
