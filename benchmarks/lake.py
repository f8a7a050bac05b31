"""A group's stock as landed batches, applied by the product's own intake: positions, movements and materials of many
plants, made in DuckDB with a fixed pattern."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb
import pyarrow.parquet as pq
from sqlalchemy import Engine

from benchmarks.harness import Deployment
from connectors.contract import ROW_GROUP_ROWS, streams
from hub.columns import new_id
from hub.database import Tenancy, unit_of_work
from masterdata.intake import apply, landing
from masterdata.intake.models import Batch

_ITEMS = """
select i as _row, 'I' || i as item_id, 'C' || i as item_code, '物料 ' || (i * 7 + {n}) % {materials} as name,
       case when i % 3 = 0 then 'KGM' else 'C62' end as base_unit,
       cast(1 + i % 97 as decimal(38,9)) as unit_cost, case when {n} % 3 = 0 then 'EUR' else 'CNY' end as currency,
       'Tessen' as brand, 'TS-' || (i * 7 + {n}) % {materials} as mpn, true as active
from range(0, {items}) t(i)"""
_POSITIONS = """
select i as _row, 'I' || i % {items} as item_id, 'W' || i // {items} as place_id,
       case when i % 11 = 0 then 'quality' else 'unrestricted' end as status,
       case when i % {items} % 3 = 0 then 'KGM' else 'C62' end as unit,
       cast(i % 997 + {shift} as decimal(38,9)) as quantity
from range(0, {positions}) t(i) where {keep}"""
_MOVEMENTS = """
select i as _row, 'D' || i as document, '1' as line, 'I' || i * 31 % {positions} % {items} as item_id,
       'W' || i * 31 % {positions} // {items} as place_id,
       case when i * 31 % {positions} % 11 = 0 then 'quality' else 'unrestricted' end as status,
       case when i * 31 % {positions} % {items} % 3 = 0 then 'KGM' else 'C62' end as unit,
       cast(case when i % 4 = 0 then 25 else -7 end as decimal(38,9)) as quantity,
       case when i % 4 = 0 then 'receipt' else 'issue' end as kind,
       timestamptz '{now}' - interval 1 second * (i * 7919 % {span}) as occurred_at,
       timestamptz '{now}' - interval 1 second * (i * 7919 % {span}) as booked_at
from range(0, {movements}) t(i)"""


@dataclass(frozen=True, slots=True)
class Plants:
    """Of each plant; `days` is how far its movements reach back."""

    items: int
    positions: int
    movements: int
    days: int = 730


@dataclass(frozen=True)
class Landing:
    """Where a plant's batches go."""

    engine: Engine
    organisation_id: UUID
    system_id: UUID
    folder: Path

    def land(self, stream: str, query: str, observed_at: datetime, **header: Any) -> None:
        """Write a body, land it and apply it."""
        path = self.folder / new_id().hex
        with duckdb.connect(config={"threads": 2}) as db:
            db.execute("set TimeZone = 'UTC'")
            _write(db, stream, query, path)
        rows, size = pq.ParquetFile(path).metadata.num_rows, path.stat().st_size
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        told = {"coverage": "all", "sync": "full", "counts": "balance", "clock": "source"} | header
        batch = Batch(
            id=new_id(), organisation_id=self.organisation_id, system_id=self.system_id, stream=stream, sha256=sha256,
            size=size, rows_in=rows, pending=rows, state="landed", landed_at=datetime.now(UTC), observed_at=observed_at,
            header={}, traceparent="", **told,
        )  # fmt: skip
        with unit_of_work(self.engine, Tenancy((self.organisation_id,), self.organisation_id)) as session:
            landing.keep_file(session, self.organisation_id, sha256, path)
            session.add(batch)
        state = apply.apply_batch(self.engine, self.organisation_id, batch.id)
        if state != "applied":
            raise RuntimeError(f"{stream} of {self.organisation_id} is {state}: {batch.error}")


def _write(db: duckdb.DuckDBPyConnection, stream: str, query: str, path: Path) -> None:
    """The query's rows with every field of the stream."""
    schema = streams()[stream].arrow_schema
    made = {d[0] for d in db.execute(f"select * from ({query}) limit 0").description or ()}
    columns = ", ".join(f.name if f.name in made else f"null as {f.name}" for f in schema)
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for batch in db.sql(f"select {columns} from ({query})").to_arrow_reader(ROW_GROUP_ROWS * 16):
            writer.write_batch(batch.cast(schema), row_group_size=ROW_GROUP_ROWS)


def fill(hub: Deployment, engine: Engine, plants: Plants, now: datetime) -> None:
    """Every plant's materials, movements and a full snapshot, two plants at a time."""
    with hub.owner() as owner:
        owner.execute("insert into exchange_rate (currency, rate_on, rate) values ('EUR', current_date - 1, 7.71)")
        systems = owner.execute("select organisation_id, id from source_system order by key").fetchall()
    folder = hub.folder / "bodies"
    folder.mkdir(exist_ok=True)
    with ThreadPoolExecutor(int(os.environ.get("HUB_BENCH_LOADERS", "2"))) as loaders:
        list(
            loaders.map(
                lambda n: _plant(Landing(engine, systems[n][0], systems[n][1], folder), plants, n, now),
                range(len(systems)),
            )
        )
    with hub.owner() as owner:
        owner.execute("vacuum analyze")


def _plant(to: Landing, plants: Plants, number: int, now: datetime) -> None:
    """Half of the plants count by balance, half by balance and movements."""
    given = {
        "n": number, "items": plants.items, "positions": plants.positions, "movements": plants.movements,
        "materials": plants.items * 3, "now": now.isoformat(), "span": plants.days * 86_400, "shift": 0, "keep": "true",
    }  # fmt: skip
    counts = "balance+movements" if number % 2 else "balance"
    to.land("materials", _ITEMS.format(**given), now - timedelta(days=1))
    to.land("stock_positions", _POSITIONS.format(**given), now - timedelta(hours=6))
    if plants.movements:
        to.land("stock_movements", _MOVEMENTS.format(**given), now, sync="incremental", counts=counts)
    changed = given | {"shift": 3, "keep": "i % 20 = 0"}
    to.land("stock_positions", _POSITIONS.format(**changed), now - timedelta(hours=1), sync="incremental")


def changed(hub: Deployment, engine: Engine, plants: Plants, now: datetime) -> None:
    """Late data of one plant, older than what is there, and a corrected rate."""
    with hub.owner() as owner:
        owner.execute("insert into exchange_rate (currency, rate_on, rate) values ('EUR', current_date - 1, 8.5)")
        row = owner.execute("select organisation_id, id from source_system order by key limit 1").fetchone()
    given = {"n": 0, "items": plants.items, "positions": plants.positions, "shift": 50, "keep": "i % 10 = 0"}
    assert row is not None  # noqa: S101 - the plants were just filled
    to = Landing(engine, row[0], row[1], hub.folder / "bodies")
    to.land("stock_positions", _POSITIONS.format(**given), now - timedelta(hours=3), sync="incremental")
