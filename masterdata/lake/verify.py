"""Whether readers are still given what the current build published: its tables in the lake against their sums at that
time, and the rows PostgreSQL serves against the marts in the lake."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import duckdb
from psycopg.rows import dict_row
from sqlalchemy import Engine

from hub.database import NOBODY, Tenancy, unit_of_work
from hub.errors import HubError
from hub.housekeeping import organisations
from hub.lake.read import EVERYONE, connect
from hub.lake.tables import ORGANISATION
from masterdata.intake.writing import driver
from masterdata.lake import publish, reading
from masterdata.lake.models import current

# Rows shown of a table.
SHOWN = 20
# What a table raises that is not there as it was written.
UNREADABLE = (HubError, duckdb.Error, OSError)


@dataclass(frozen=True, slots=True)
class Damage:
    """A table that does not hold what was published: `row` is one that should not be there, or is missed; none where
    no other state of the table says which."""

    table: str
    row: dict[str, Any]


def sums(db: duckdb.DuckDBPyConnection, tables: Iterable[str]) -> dict[str, str]:
    """Sum and number of each table's rows, whatever their order. DuckDB's hash is its version's own:
    sums of two versions are not compared."""
    return {table: _sum(db, table) for table in tables}


def _sum(db: duckdb.DuckDBPyConnection, table: str) -> str:
    columns = sorted(column for column, *_ in db.execute(f"describe {table}").fetchall())
    row = ", ".join(f"cast({c} as varchar)" if c == ORGANISATION else c for c in columns)
    ((found, rows),) = db.execute(f"select sum(cast(hash({row}) as hugeint)), count(*) from {table}").fetchall()
    return f"{duckdb.__version__}/{found or 0}/{rows}"


def verify(engine: Engine, fresh: duckdb.DuckDBPyConnection) -> list[Damage]:
    """What is damaged in the current publication; `fresh` is a build's file, against which a damaged table's rows are
    named. Nothing where nothing was published."""
    with unit_of_work(engine, NOBODY) as session:
        build = current(session)
        sums, snapshots = (build.figures.get("sums", {}), build.snapshots) if build else ({}, {})
    if not sums:
        return []
    try:
        with reading.published(engine, EVERYONE) as db:
            ours = f"{duckdb.__version__}/"
            held = [(table, known) for table, known in sums.items() if known.startswith(ours)]
            found = [one for table, known in held for one in _damaged(db, fresh, table, known)]
            return [*found, *_served(engine, db)]
    except UNREADABLE:
        return list(_unreadable(engine, snapshots))


def _unreadable(engine: Engine, snapshots: Mapping[str, int]) -> Iterator[Damage]:
    """Tables of a publication whose files are gone or spoilt."""
    for table, snapshot in snapshots.items():
        try:
            with connect(engine, EVERYONE, {} if snapshot == publish.EMPTY else {table: snapshot}, [table]) as db:
                _sum(db, table)
        except UNREADABLE as error:
            yield Damage(table, {"error": str(error)[:500]})


def _damaged(
    db: duckdb.DuckDBPyConnection, fresh: duckdb.DuckDBPyConnection, table: str, known: str
) -> Iterator[Damage]:
    try:
        if _sum(db, table) == known:
            return
        fresh.register("published", db.sql(f"from {table}").to_arrow_table())
    except duckdb.Error as error:
        yield Damage(table, {"error": str(error)[:500]})
        return
    described = fresh.execute(f"describe {table}").fetchall()
    now = ", ".join(f"cast({c} as varchar)" if kind == "UUID" else c for c, kind, *_ in described)
    was = ", ".join(c for c, *_ in described)
    changed = fresh.execute(f"select {was} from published except select {now} from {table} limit {SHOWN}")
    names = [column[0] for column in changed.description or ()]
    rows = [dict(zip(names, map(str, row), strict=True)) for row in changed.fetchall()]
    fresh.unregister("published")
    yield from (Damage(table, row) for row in rows or [{}])


def _served(engine: Engine, db: duckdb.DuckDBPyConnection) -> Iterator[Damage]:
    """Rows of PostgreSQL that are not the lake's; the lake's own where PostgreSQL has none."""
    everyone = tuple(organisations(engine))
    with unit_of_work(engine, Tenancy(everyone)) as session:
        connection = driver(session)
        for table, query in publish.SERVED.items():
            publish.stage(db, connection, table, query)
            with connection.cursor(row_factory=dict_row) as cursor:
                for one, other in ((table, f"served_{table}"), (f"served_{table}", table)):
                    cursor.execute(f"select * from {one} except select * from {other} limit {SHOWN}")
                    rows = cursor.fetchall()
                    yield from (Damage(table, {k: str(v) for k, v in row.items()}) for row in rows)
                    if rows:
                        break
