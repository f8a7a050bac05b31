"""The way into bronze: applied batches claimed for a commit, read from their landed bodies, appended once. A writer
killed at any instant is carried on by the next: what it claimed stays claimed under the same token."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb
import structlog
from sqlalchemy import Engine, Row, insert, text
from sqlalchemy.orm import Session

from connectors.contract import streams
from hub import lake
from hub.columns import new_id
from hub.database import Tenancy, set_tenancy, unit_of_work
from hub.housekeeping import organisations
from hub.lake.files import AS_THEY_ARE
from hub.lake.tables import SPILL
from hub.settings import settings
from masterdata.intake import landing
from masterdata.lake import bodies, bronze
from masterdata.lake.models import BronzeBatch

log = structlog.get_logger("lake")

# One commit's worth; more wait for the next.
ROUND_BATCHES, ROUND_ROWS = 2_000, 2_000_000
MEMORY, THREADS = "512MB", 2

_PENDING = text("""
    select b.id, b.organisation_id, c.id as coverage_id, b.rows_in,
           b.stream = 'stock_positions' and b.sync = 'full' as is_snapshot
    from batch b join recording r on r.id = b.recording_id
    join coverage c on c.organisation_id = b.organisation_id and c.system_id = b.system_id and c.name = b.coverage
    where b.state = 'applied' and b.stream = any(:streams) and r.recorded_at <= :until
      and not exists (select from bronze_batch z where z.organisation_id = b.organisation_id and z.batch_id = b.id)
    order by r.recorded_at, b.announced_at, b.id limit :most""")

# The newest snapshot of each chain, and whether its body can still be read.
_CHAINS = text("""
    select distinct on (z.organisation_id, z.coverage_id) z.organisation_id, z.coverage_id, z.chain_no, z.base_no,
           exists (select from landing l where l.organisation_id = b.organisation_id and l.sha256 = b.sha256) as is_kept
    from bronze_batch z join batch b on b.organisation_id = z.organisation_id and b.id = z.batch_id
    where z.chain_no is not null order by z.organisation_id, z.coverage_id, z.chain_no desc""")

_CLAIMED = """
    select z.organisation_id, z.batch_id, z.coverage_id, z.chain_no, z.base_no, b.system_id, b.stream, b.sync, b.sha256
    from bronze_batch z join batch b on b.organisation_id = z.organisation_id and b.id = z.batch_id"""
_OF_TOKEN = text(f"{_CLAIMED} where z.token = :token order by z.coverage_id, z.chain_no, z.sequence")
_FORERUNNER = text(f"{_CLAIMED} where z.coverage_id = :coverage and z.chain_no = :chain")
_OPEN = text("select distinct token from bronze_batch where not is_written")
_WRITTEN = text("update bronze_batch set is_written = true where organisation_id = :org and token = :token")
# By PostgreSQL's clock, as all that is recorded.
_KNOWN = text("select max(recorded_at) from recording")
_BAD = text("select batch_id, row_no, position_hash from quarantine where batch_id = any(:ids)")


def append_pending(engine: Engine) -> int:
    """Append every batch of stock applied by now that bronze does not hold yet; how many. One process at a time."""
    appended = 0
    for spec in bronze.TABLES.values():
        lake.ensure(engine, spec)
    with _alone(engine):
        everyone = organisations(engine)
        with unit_of_work(engine, Tenancy(tuple(everyone))) as session:
            known_at: datetime | None = session.execute(_KNOWN).scalar_one()
        for token in _tokens(engine, everyone):
            appended += _write(engine, everyone, token)
        while fresh := _claim(engine, everyone, known_at):
            appended += _write(engine, everyone, fresh)
    return appended


@contextmanager
def _alone(engine: Engine) -> Iterator[None]:
    with engine.connect() as connection:
        connection.execute(text("select pg_advisory_lock(hashtextextended('bronze', 0))"))
        connection.commit()
        try:
            yield
        finally:
            connection.execute(text("select pg_advisory_unlock(hashtextextended('bronze', 0))"))
            connection.commit()


def _tokens(engine: Engine, everyone: Sequence[UUID]) -> list[UUID]:
    """What a writer before this one had claimed and not finished."""
    with unit_of_work(engine, Tenancy(tuple(everyone))) as session:
        return list(session.scalars(_OPEN))


def _claim(engine: Engine, everyone: Sequence[UUID], until: datetime | None) -> UUID | None:
    """Take the next round of batches known by then under a new token; None where there is none left."""
    with unit_of_work(engine, Tenancy(tuple(everyone))) as session:
        values = {"streams": list(bronze.TABLES), "most": ROUND_BATCHES, "until": until}
        pending = list(_round(session.execute(_PENDING, values).all()))
        if not pending:
            return None
        token = new_id()
        chains = {(c.organisation_id, c.coverage_id): c for c in session.execute(_CHAINS)}
        last = {key: (c.chain_no, c.base_no if c.is_kept else None) for key, c in chains.items()}
        rows = [_claimed(row, token, last) for row in pending]
        for organisation_id, own in groupby(sorted(rows, key=_organisation), key=_organisation):
            set_tenancy(session, Tenancy(tuple(everyone), organisation_id))
            session.connection().execute(insert(BronzeBatch), list(own))
        return token


def _organisation(row: dict[str, Any]) -> UUID:
    organisation_id: UUID = row["organisation_id"]
    return organisation_id


def _round(pending: Sequence[Row[Any]]) -> Iterator[Row[Any]]:
    rows = 0
    for batch in pending:
        if rows and rows + batch.rows_in > ROUND_ROWS:
            return
        rows += batch.rows_in
        yield batch


def _claimed(row: Row[Any], token: UUID, last: dict[tuple[UUID, int], tuple[int, int | None]]) -> dict[str, Any]:
    """The batch's row; a snapshot takes the next number of its chain, and is a base if no forerunner can be read."""
    chain = base = None
    if row.is_snapshot:
        before, base = last.get((row.organisation_id, row.coverage_id), (0, None))
        chain = before + 1
        base = base or chain
        last[row.organisation_id, row.coverage_id] = (chain, base)
    return {
        "organisation_id": row.organisation_id,
        "batch_id": row.id,
        "coverage_id": row.coverage_id,
        "chain_no": chain,
        "base_no": base,
        "token": token,
        "is_written": False,
    }


def _write(engine: Engine, everyone: Sequence[UUID], token: UUID) -> int:
    """Read the batches of a token and append them; repeated with the same token nothing is written twice."""
    with tempfile.TemporaryDirectory(dir=_temporary()) as folder, duckdb.connect(config=_config(folder)) as db:
        bronze.begin(db)
        db.execute(AS_THEY_ARE)
        with unit_of_work(engine, Tenancy(tuple(everyone))) as session:
            claimed = session.execute(_OF_TOKEN, {"token": token}).all()
            _Round(session, db).read(claimed)
        tables = {bronze.OBSERVATION: "observation", bronze.MOVEMENT: "movement"}
        readers = {
            spec: db.cursor().sql(f"from {name} order by organisation_id, coverage_id, position_key").to_arrow_table()
            for spec, name in tables.items()
        }
        lake.append(engine, {spec: table for spec, table in readers.items() if table.num_rows}, token, in_order=True)
    for organisation_id in sorted({row.organisation_id for row in claimed}):
        with unit_of_work(engine, Tenancy((organisation_id,), organisation_id)) as session:
            session.execute(_WRITTEN, {"org": organisation_id, "token": token})
    log.info("batches_appended", batches=len(claimed), rows=sum(t.num_rows for t in readers.values()))
    return len(claimed)


@dataclass(frozen=True)
class _Round:
    """The batches of one token on their way into the tables of `bronze.begin`."""

    session: Session
    db: duckdb.DuckDBPyConnection

    def read(self, claimed: Sequence[Row[Any]]) -> None:
        self._know(claimed)
        listed = [row for row in claimed if row.stream == "stock_positions" and row.chain_no is None]
        moved = [row for row in claimed if row.stream == "stock_movements"]
        with self._delivered("stock_positions", listed) as some:
            if some:
                bronze.take_listed(self.db)
        with self._delivered("stock_movements", moved) as some:
            if some:
                bronze.take_movements(self.db)
        snapshots = [row for row in claimed if row.chain_no is not None]
        for _, chain in groupby(snapshots, key=lambda row: row.coverage_id):
            self._chain(list(chain))

    def _chain(self, chain: Sequence[Row[Any]]) -> None:
        """Snapshots of one coverage in their order, the first against the one before it."""
        for row in chain:
            if row.chain_no == row.base_no:
                bronze.forget_past(self.db)
            elif row is chain[0]:
                self._forerunner(row)
            with self._delivered("stock_positions", [row]):
                bronze.take_snapshot(self.db, str(row.batch_id), row.chain_no)

    def _forerunner(self, row: Row[Any]) -> None:
        values = {"coverage": row.coverage_id, "chain": row.chain_no - 1}
        before = self.session.execute(_FORERUNNER, values).one()
        self._know([before])
        with self._delivered("stock_positions", [before]):
            bronze.know_snapshot(self.db, str(before.batch_id))

    def _know(self, claimed: Sequence[Row[Any]]) -> None:
        """What the round must know of batches: whose they are, which rows were set aside."""
        for row in claimed:
            values = (row.batch_id, row.organisation_id, row.system_id, row.coverage_id, row.sync)
            self.db.execute(
                "insert into batch values (?, ?, ?, ?, ?, ?, ?)",
                [*map(str, values[:3]), *values[3:], row.chain_no, row.base_no],
            )
        bad = self.session.execute(_BAD, {"ids": [row.batch_id for row in claimed]})
        for q in bad:
            key = q.position_hash and q.position_hash.hex
            self.db.execute("insert into bad values (?, ?, ?)", [str(q.batch_id), q.row_no, key])

    @contextmanager
    def _delivered(self, stream: str, rows: Sequence[Row[Any]]) -> Iterator[bool]:
        """View `delivered` of some batches while the block runs; False where there are none."""
        with ExitStack() as stack:
            opened = [
                (
                    str(r.batch_id),
                    stack.enter_context(landing.open_body(landing.find(self.session, r.organisation_id, r.sha256))),
                )
                for r in rows
            ]
            if opened:
                bodies.deliver(self.db, streams()[stream], opened)
            yield bool(opened)


def _temporary() -> Path:
    folder = settings().home / "tmp"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _config(folder: str) -> dict[str, Any]:
    return {
        "memory_limit": MEMORY,
        "threads": THREADS,
        "temp_directory": folder,
        "max_temp_directory_size": SPILL,
        "preserve_insertion_order": False,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }
