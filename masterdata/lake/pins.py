"""What a build stands on, copied out of PostgreSQL in one REPEATABLE READ transaction: the batches applied by then, the
master data, links, factors, costs and rates, and the live golden view it will be compared with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from uuid import UUID

import duckdb
import psycopg
import pyarrow as pa
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from hub.database import Tenancy, unit_of_work
from hub.lake.files import literal
from hub.lake.tables import ORGANISATION, TableSpec
from masterdata.intake.writing import driver
from masterdata.lake.bronze import TABLES

# Named as dbt's sources are.
INPUTS: Mapping[str, str] = {
    "batches": """
        select b.id as batch_id, b.organisation_id, b.system_id, c.id as coverage_id, b.stream, b.sync, b.counts,
               b.observed_at, r.recorded_at, b.recording_id, b.clock, b.landed_at, b.applied_at, b.rows_in,
               b.quarantined, b.origin_id is not null as is_replay
        from batch b join recording r on r.id = b.recording_id
        join coverage c on c.organisation_id = b.organisation_id and c.system_id = b.system_id and c.name = b.coverage
        where b.state = 'applied'""",
    "coverages": "select organisation_id, id as coverage_id, system_id, name, sla_seconds, read_through from coverage",
    "systems": "select id as system_id, organisation_id, key, kind, name_zh, name_en, zone from source_system",
    "places": """
        select organisation_id, system_id, place_id, id as place_no, name, parent_id, kind, is_active from place""",
    "source_materials": """
        select organisation_id, id as material_id, system_id, item_id, item_code, name, name_zh, name_en, class_code,
               base_unit, is_active, is_deleted from source_material""",
    "golden_materials": "select id as golden_id, number, unit, name_zh, name_en from golden_material",
    "links": """
        select organisation_id, id as link_id, material_id, golden_id, rule, confidence, valid_from, recorded_at
        from link""",
    "units": "select code, dimension, numerator, denominator, decimals from unit",
    "source_units": "select organisation_id, system_id, code, unit from source_unit",
    "material_units": """
        select organisation_id, material_id, unit, valid_from, recorded_at, numerator, denominator
        from material_unit""",
    "unit_costs": """
        select organisation_id, material_id, valid_from, recorded_at, cost, currency from unit_cost""",
    "exchange_rates": "select currency, rate_on, recorded_at, rate from exchange_rate",
    "purchase_orders": """
        select p.organisation_id, p.system_id, p.document, p.line, p.material_id, p.state,
               p.fields ->> 'partner_id' as partner_id, p.fields ->> 'unit' as unit,
               cast(p.fields ->> 'quantity' as numeric(38,9)) as quantity, p.fields ->> 'base_unit' as base_unit,
               cast(p.fields ->> 'base_quantity' as numeric(38,9)) as base_quantity,
               cast(p.fields ->> 'price' as numeric(38,9)) as price, p.fields ->> 'currency' as currency,
               cast(p.fields ->> 'ordered_on' as date) as ordered_on, p.is_gone
        from purchase_order_line p""",
}
LIVE: Mapping[str, str] = {
    "positions": """
        select p.organisation_id, p.hash as position_key, p.id as position_id, p.material_id,
               p.place_id as place_no, p.coverage_id, p.lot, p.owner, p.status, p.unit, p.quantity, p.reserved,
               p.batch_id, p.row_no from position p""",
    "holdings": """
        select h.organisation_id, h.material_id, h.coverage_id, h.unit, h.golden_id, h.is_apart, h.on_hand,
               h.available, h.reserved, h.in_transit, h.quality, h.blocked, h.consigned, h.value, h.currency
        from holding h""",
}
# Where bronze keeps each batch: known once it does, and never changed.
PLACED = "select organisation_id, batch_id, sequence, chain_no, base_no from bronze_batch where is_written"
# What questions of the past and the marts that are views need beside bronze.
KEPT = (
    "pinned.batches", "pinned.placed", "pinned.source_materials", "pinned.golden_materials", "pinned.links",
    "pinned.units", "pinned.source_units", "pinned.material_units", "pinned.unit_costs", "pinned.exchange_rates",
    "silver.int_movement_versions", "silver.int_materials", "silver.int_factors",
)  # fmt: skip
_MISSING = """
    select count(*) from pinned.batches b
    where list_contains($streams, b.stream) and b.batch_id not in (select batch_id from pinned.placed)"""
_ARROW = {
    "BOOLEAN": pa.bool_(),
    "BIGINT": pa.int64(),
    "INTEGER": pa.int32(),
    "DOUBLE": pa.float64(),
    "HUGEINT": pa.decimal128(38, 0),
    "DATE": pa.date32(),
    "DECIMAL(38,9)": pa.decimal128(38, 9),
    "TIMESTAMP WITH TIME ZONE": pa.timestamp("us", "UTC"),
    "UUID": pa.uuid(),
}
_KNOWN = text("select coalesce(max(recorded_at), clock_timestamp()) from recording")
_TYPES = {
    16: "BOOLEAN",
    20: "BIGINT",
    21: "INTEGER",
    23: "INTEGER",
    700: "DOUBLE",
    701: "DOUBLE",
    1082: "DATE",
    1184: "TIMESTAMPTZ",
    1700: "DECIMAL(38,9)",
    2950: "UUID",
}


def pin(engine: Engine, everyone: Sequence[UUID], db: duckdb.DuckDBPyConnection, folder: Path) -> datetime:
    """Fill schemas `pinned` and `live` of a build's file with one state of the database; the instant its newest fact
    became known."""
    reading = engine.execution_options(isolation_level="REPEATABLE READ")
    with Session(reading, info={"tenancy": Tenancy(tuple(everyone))}) as session, session.begin():
        known_at: datetime = session.execute(_KNOWN).scalar_one()
        for schema, queries in (("pinned", INPUTS), ("live", LIVE)):
            db.execute(f"create schema if not exists {schema}")
            for name, query in queries.items():
                _copy(driver(session), db, folder / name, (f"{schema}.{name}", query))
    return known_at


def place(engine: Engine, everyone: Sequence[UUID], db: duckdb.DuckDBPyConnection, folder: Path) -> int:
    """Add `pinned.placed`: where bronze keeps the batches; how many of the pinned ones it does not."""
    with unit_of_work(engine, Tenancy(tuple(everyone))) as session:
        _copy(driver(session), db, folder / "placed", ("pinned.placed", PLACED))
    ((missing,),) = db.execute(_MISSING, {"streams": list(TABLES)}).fetchall()
    return int(missing)


def specs(db: duckdb.DuckDBPyConnection) -> list[TableSpec]:
    """The inputs that the lake keeps, as tables of it: what has no organisation is everyone's."""
    return [_spec(db, name) for name in KEPT]


def _spec(db: duckdb.DuckDBPyConnection, name: str) -> TableSpec:
    described = db.execute(f"describe {name}").fetchall()
    kinds = {column: _ARROW.get(kind, pa.string()) for column, kind, *_ in described}
    schema = pa.schema(kinds | ({ORGANISATION: pa.string()} if ORGANISATION in kinds else {}))
    return TableSpec(name, schema, is_shared=ORGANISATION not in schema.names)


def _copy(connection: psycopg.Connection, db: duckdb.DuckDBPyConnection, path: Path, what: tuple[str, str]) -> None:
    """One query's rows as a table, by way of a file; instants in UTC."""
    table, query = what
    cursor = connection.execute(f"select * from ({query}) described limit 0")
    columns = {c.name: _TYPES.get(c.type_code, "VARCHAR") for c in cursor.description or ()}
    with path.open("wb") as file, connection.cursor().copy(f"copy ({query}) to stdout (format csv)") as copied:
        for block in copied:
            file.write(block)
    typed = ", ".join(f"'{name}': '{kind}'" for name, kind in columns.items())
    db.execute(
        f"create table {table} as select * from read_csv({literal(str(path))}, header = false, auto_detect = false,"
        f" delim = ',', quote = '\"', escape = '\"', nullstr = '', allow_quoted_nulls = false, columns = {{{typed}}})"
    )
    path.unlink()
