"""The lake as its last publication: SQL of people on a locked connection that holds only rows they may read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID

import duckdb
import pyarrow as pa
from sqlalchemy import Engine, text

from hub import lake
from hub.database import NOBODY, Tenancy, unit_of_work
from hub.errors import NotFound, Unprocessable
from hub.housekeeping import organisations
from masterdata.lake.models import Build, current
from masterdata.lake.publish import EMPTY
from masterdata.lake.rows import first, write

__all__ = ["asked", "first", "organisations_of", "published", "write"]

_KEYS = text("select key, id from organisation")


@contextmanager
def published(
    engine: Engine, readable: Sequence[UUID] | lake.Everyone, *, locked: bool = False, build_id: UUID | None = None
) -> Iterator[duckdb.DuckDBPyConnection]:
    """The lake's tables as the current build left them, or another one whose snapshots are still there; raises NotFound
    where they are not, or there is no build yet. Marts that are views are there as the build compiled them."""
    with unit_of_work(engine, NOBODY) as session:
        build = session.get(Build, build_id) if build_id else current(session)
        if build is None:
            raise NotFound("There is no published build yet. `hub build` makes one.")
        snapshots = {name: int(snapshot) for name, snapshot in build.snapshots.items()}
        views = build.queries.get("views", [])
    held = {name: snapshot for name, snapshot in snapshots.items() if snapshot != EMPTY}
    with lake.connect(engine, readable, held, sorted(snapshots), locked=locked) as db:
        for name in snapshots.keys() - held.keys():
            db.execute(
                f"create table empty as from {name} limit 0; drop view {name}; create table {name} as from empty"
            )
            db.execute("drop table empty")
        for name, query in views:
            db.execute(f"create schema if not exists {name.partition('.')[0]}; create view {name} as {query}")
        yield db


@contextmanager
def asked(engine: Engine, query: str, keys: Sequence[str] = ()) -> Iterator[pa.RecordBatchReader]:
    """A person's query, its rows as a stream; `keys` of organisations narrow what is there. Raises Unprocessable with
    DuckDB's words."""
    readable = organisations_of(engine, keys)
    with published(engine, readable, locked=True) as db:
        try:
            yield db.sql(query).to_arrow_reader(10_000)
        # In the middle of a stream DuckDB's errors come as Arrow's.
        except (duckdb.Error, pa.ArrowException, OSError, AttributeError) as error:
            raise Unprocessable(str(error).strip() or "The statement gives no rows.") from error


def organisations_of(engine: Engine, keys: Sequence[str]) -> list[UUID] | lake.Everyone:
    """The organisations of some keys, all of them for none. Raises NotFound."""
    if not keys:
        return lake.EVERYONE
    with unit_of_work(engine, Tenancy(tuple(organisations(engine)))) as session:
        known = {row.key: row.id for row in session.execute(_KEYS)}
    strangers = sorted(set(keys) - known.keys())
    if strangers:
        raise NotFound(f"There is no organisation {', '.join(strangers)}.")
    return [known[key] for key in keys]
