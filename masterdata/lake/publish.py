"""The marts of a build become what readers see: tables of the lake first, each whole, then in one transaction the rows
PostgreSQL serves and the pointer to the build. A reader sees one build or the other."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb
import psycopg
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from hub import lake
from hub.database import NOBODY, Tenancy, set_tenancy, unit_of_work
from hub.errors import Conflict
from hub.lake.files import literal
from hub.lake.tables import TableSpec
from hub.settings import settings
from masterdata.intake.writing import driver
from masterdata.lake import marts, pins
from masterdata.lake.models import Build

SERVED: Mapping[str, str] = {
    "mart_month": """
        select t.organisation_id, t.month, t.closing_value, t.mean_value, t.issued_value, t.days,
               coalesce(d.duplicate_value, 0) as duplicate_value, coalesce(d.shared_materials, 0) as shared_materials,
               coalesce(d.materials, 0) as materials
        from gold.inventory_turnover t
        left join gold.duplicate_share d on d.organisation_id = t.organisation_id and d.month = t.month""",
    "mart_feed": """
        select organisation_id, coverage_id, stream, system_id, batches, first_at, last_at, rows_in, quarantined,
               interval_seconds, delay_p50_seconds, delay_p95_seconds, completeness, sla_seconds, breaks
        from gold.feed_reliability""",
    "mart_material": """
        select c.organisation_id, c.material_id, c.unit, c.golden_id, c.on_hand, c.value, c.days_of_cover, c.excess,
               c.excess_value, c.last_moved_on, c.dormant_value, coalesce(a.ages, '[0, 0, 0, 0, 0]') as ages
        from gold.stock_cover c
        left join (
            select material_id, unit, to_json([
                coalesce(sum(quantity) filter (where age_days < 90), 0),
                coalesce(sum(quantity) filter (where age_days >= 90 and age_days < 180), 0),
                coalesce(sum(quantity) filter (where age_days >= 180 and age_days < 365), 0),
                coalesce(sum(quantity) filter (where age_days >= 365), 0),
                coalesce(sum(quantity) filter (where age_days is null), 0)])::varchar as ages
            from gold.inventory_ageing group by material_id, unit) a
          on a.material_id = c.material_id and a.unit = c.unit""",
}
KEYS: Mapping[str, str] = {
    "mart_month": "month",
    "mart_feed": "coverage_id, stream",
    "mart_material": "material_id, unit",
}
# Most rows are what they were: only the others are written.
_GONE = """
    delete from {table} where organisation_id = %(organisation)s and ({key}) in (
        select {key} from (
            select * from {table} where organisation_id = %(organisation)s
            except select * from served_{table} where organisation_id = %(organisation)s) changed)"""
_FRESH = """
    insert into {table} select * from served_{table} where organisation_id = %(organisation)s
    except select * from {table} where organisation_id = %(organisation)s"""


# In the place of a snapshot: the table has never held a row.
EMPTY = 0
BLOCK = 1 << 20
_STEP_DOWN = text("update build set is_current = false where is_current")


class Superseded(Conflict):
    """Another build has begun: what lies in the folder of builds, and the lake's tables, are its own."""


def tables(db: duckdb.DuckDBPyConnection) -> list[TableSpec]:
    """What a build's file gives to the lake: every mart, and the inputs that questions of the past need."""
    return [*marts.specs().values(), *pins.specs(db)]


def to_lake(
    engine: Engine, db: duckdb.DuckDBPyConnection, build_id: UUID, standing: Mapping[str, int]
) -> dict[str, int]:
    """Replace every table but those `standing`, which hold the same rows already; the snapshots that hold this
    build."""
    specs = tables(db)
    for spec in specs:
        if spec.name not in standing:
            with unit_of_work(engine, NOBODY) as session:
                running(session, build_id)
            lake.ensure(engine, spec)
            with marts.rows(db, spec) as rows:
                lake.overwrite(engine, spec, rows, build_id, in_order=True)
    held = {**lake.snapshots(engine), **standing}
    return {spec.name: held.get(spec.name, EMPTY) for spec in specs}


def to_readers(
    engine: Engine,
    db: duckdb.DuckDBPyConnection,
    build_id: UUID,
    everyone: Sequence[UUID],
    said: Mapping[str, Any],
    *,
    also: Callable[[Session], object],
) -> None:
    """Replace what PostgreSQL serves, make the build the current one and do `also`, all in one transaction; `said` are
    the build's last columns."""
    with unit_of_work(engine, Tenancy(tuple(everyone))) as session:
        connection = driver(session)
        for table, query in SERVED.items():
            stage(db, connection, table, query)
        for organisation_id in everyone:
            set_tenancy(session, Tenancy(tuple(everyone), organisation_id))
            for table, key in KEYS.items():
                values = {"organisation": organisation_id}
                connection.execute(_GONE.format(table=table, key=key), values)
                connection.execute(_FRESH.format(table=table), values)
        kept = running(session, build_id)
        session.execute(_STEP_DOWN)
        for name, value in said.items():
            setattr(kept, name, value)
        kept.is_current, kept.state, kept.ended_at = True, "published", datetime.now(UTC)
        also(session)


def running(session: Session, build_id: UUID) -> Build:
    """The build's row, locked; raises Superseded where another has begun since: its lock went with its connection."""
    row = session.get_one(Build, build_id, with_for_update=True)
    if row.state != "running":
        raise Superseded("Another build has begun meanwhile.")
    return row


def stage(db: duckdb.DuckDBPyConnection, connection: psycopg.Connection, table: str, query: str) -> None:
    """A query's rows in a temporary table `served_…` like the table, by way of a file: COPY knows no row security."""
    connection.execute(f"create temp table served_{table} (like {table}) on commit drop")
    columns = ", ".join(column[0] for column in db.execute(f"select * from ({query}) limit 0").description or ())
    with tempfile.TemporaryDirectory(dir=settings().home) as folder:
        path = Path(folder) / table
        db.execute(f"copy ({query}) to {literal(str(path))} (format csv, header false, nullstr '', force_quote *)")
        with (
            path.open("rb") as file,
            connection.cursor().copy(f"copy served_{table} ({columns}) from stdin (format csv)") as copy,
        ):
            while block := file.read(BLOCK):
                copy.write(block)
