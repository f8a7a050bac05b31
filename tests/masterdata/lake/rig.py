"""Histories of a plant as an agent would tell them, landed and applied; the lake's answer to each, model by model on
the file of a build, without dbt's own run."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb
import hypothesis
import psycopg
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from hub import lake
from hub.columns import new_id
from hub.database import Tenancy
from hub.housekeeping import organisations
from masterdata.intake import event_batches, events, replay
from masterdata.intake.schemas import UnitIn
from masterdata.lake import append, build, pins
from masterdata.ledger import asof, recording
from tests.masterdata.intake.test_events import call
from tests.masterdata.plant import T0, Plant, move, stock

# A key is an item at a place, and every place lies in one coverage.
COVERAGES = ("north", "south")
CRATE = "箱"
_FACTS = text("""
    select string_agg(quote_ident(table_name), ', ') from information_schema.columns
    where table_schema = 'public' and column_name = 'organisation_id'
      and table_name not in ('agent', 'agent_grant', 'source_system', 'principal_role')""")
FAULTY = {"no quantity": {"quantity": None}, "crates": {"unit": CRATE}}


@dataclass(frozen=True)
class Row:
    """One row of a count; `fault` is why it is set aside."""

    item: str
    quantity: int
    reserved: int | None = None
    fault: str = ""


@dataclass(frozen=True)
class Count:
    """A read of balances at minute `at`: `full` or `incremental` by file, `event` by file, `call`s of events."""

    at: int
    coverage: int
    how: str
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Line:
    """One version of a movement line; no document: known by its content alone."""

    document: str
    item: str
    quantity: int
    booked: int
    modified: int | None = None
    voided: bool = False


@dataclass(frozen=True)
class Moves:
    """Movements by file (`incremental`), or each line by a call of its own, all committed together (`call`)."""

    coverage: int
    how: str
    counts: str
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Append:
    """Bronze takes what was applied by now."""


@dataclass(frozen=True)
class Explain:
    """A steward says what a crate is; rows that waited for it come again."""


Step = Count | Moves | Append | Explain


def tries(usual: int) -> hypothesis.settings:
    """How many examples, `usual` of them or HUB_TEST_EXAMPLES; each takes seconds, so only who asks for many has a
    failing one made smaller."""
    asked = os.environ.get("HUB_TEST_EXAMPLES")
    phases = [hypothesis.Phase.generate, *([hypothesis.Phase.shrink] if asked else [])]
    return hypothesis.settings(
        max_examples=int(asked or usual), phases=phases, suppress_health_check=list(hypothesis.HealthCheck)
    )


def instant(minute: float) -> datetime:
    return T0 + timedelta(minutes=minute)


@dataclass(repr=False)
class Rig:
    """A plant whose steps are taken, and compared with what the lake makes of them."""

    plant: Plant
    models: Models
    folder: Path
    owner: Engine
    batches: list[UUID] = field(default_factory=list)

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        """Hypothesis would print all of it."""
        printer.text("rig")

    def take(self, *steps: Step) -> None:
        for step in steps:
            match step:
                case Count():
                    self._count(step)
                case Moves():
                    self._move(step)
                case Append():
                    append.append_pending(self.plant.engine)
                case Explain():
                    self._explain()

    def _count(self, step: Count) -> None:
        place = f"W{step.coverage}"
        rows = [
            stock(r.item, r.quantity, place, reserved=r.reserved and Decimal(r.reserved)) | FAULTY.get(r.fault, {})
            for r in step.rows
        ]
        header = {"coverage": COVERAGES[step.coverage], "observed_at": instant(step.at)}
        if step.how == "call":
            if rows:
                self._call("stock_positions", [rows], **header)
        else:
            self._file("stock_positions", rows, sync=step.how, **header)

    def _move(self, step: Moves) -> None:
        rows = [
            move(
                line.item,
                line.quantity,
                "1",
                instant(line.booked),
                place_id=f"W{step.coverage}",
                document=line.document,
                modified_at=None if line.modified is None else instant(line.modified),
                voided=line.voided,
            )
            for line in step.lines
        ]
        newest = max(line.booked for line in step.lines)
        header = {"coverage": COVERAGES[step.coverage], "counts": step.counts, "observed_at": instant(newest)}
        if step.how == "call":
            self._call("stock_movements", [[row] for row in rows], **header)
        else:
            self._file("stock_movements", rows, sync="incremental", **header)

    def _file(self, stream: str, rows: list[dict[str, Any]], **header: Any) -> None:
        """Past the gate: a steward has released it."""
        batch_id = self.plant.land(stream, rows, **header)
        with self.plant.session() as session:
            session.execute(text("update batch set decision = '{\"release\": true}' where id = :id"), {"id": batch_id})
        assert self.plant.apply(batch_id) == "applied"
        self.batches.append(batch_id)

    def _call(self, stream: str, groups: list[list[dict[str, Any]]], **header: Any) -> None:
        """Calls of one feed, applied in one transaction."""
        given = [call(stream, rows, **header) for rows in groups]
        with Session(self.plant.engine, info={"tenancy": Tenancy((self.plant.id,), self.plant.id)}) as session:
            calls = [asyncio.run(events.prepare(session, self.plant.agent, one)) for one in given]
            event_batches.apply_group(session, calls)
            recording.close(_driver(session), calls[0].recording_id or 0)
            session.commit()
        self.batches += [one.batch_id for one in given]

    def _explain(self) -> None:
        with self.plant.session() as session:
            replay.add_unit(session, "u8", UnitIn(code=CRATE, unit="C62"), new_id())
        for made in replay.replay(self.plant.engine, self.plant.id, self.plant.system_id, "unknown_unit", CRATE):
            self.plant.apply(made)
            self.batches.append(made)

    def clear(self) -> None:
        """Forget all facts; the plant stays, and so do the lake's rows: of batches nobody pins."""
        with self.owner.begin() as connection:
            tables = connection.execute(_FACTS).scalar_one()
            connection.execute(text(f"truncate {tables} cascade"))
        self.batches.clear()

    # What the two roads say

    @contextmanager
    def lake(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """The file of a build up to its models."""
        engine = self.plant.engine
        folder = self.folder / new_id().hex
        folder.mkdir()
        run = build._Run(engine, new_id(), folder, lambda *_: None, organisations(engine))
        with run.opened() as db:
            pins.pin(engine, run.everyone, db, folder)
        append.append_pending(engine)
        with run.opened() as db:
            build.load(engine, db)
            pins.place(engine, run.everyone, db, folder)
            self.models.make(db)
            yield db

    def live(self) -> dict[str, tuple[Decimal, Decimal | None]]:
        rows = self.plant.all("select hash, quantity, reserved from position")
        return {str(r["hash"]): (r["quantity"], r["reserved"]) for r in rows}

    def past(self, at: datetime, known: datetime) -> dict[str, Decimal]:
        """The ledger's answer, by natural key."""
        with self.plant.session() as session:
            materials = list(session.scalars(text("select id from source_material")))
            found = asof.positions(_driver(session), [self.plant.id], materials, at, known)
            hashes = {row.id: row.hash for row in session.execute(text("select id, hash::text as hash from position"))}
        return {hashes[p.position_id]: p.quantity for p in found if p.quantity}

    def recorded(self) -> list[datetime]:
        rows = self.plant.all("select recorded_at from recording order by id")
        return [datetime(2026, 1, 1, tzinfo=UTC), *(r["recorded_at"] for r in rows)]

    def held(self) -> list[tuple[str, ...]]:
        """Rows of bronze as they are now: batch, row and key."""
        names = ["bronze.stock_observation", "bronze.stock_movement"]
        with lake.connect(self.plant.engine, lake.EVERYONE, tables=names) as db:
            both = " union all ".join(f"select batch_id::varchar, row_no, position_key from {name}" for name in names)
            return db.execute(f"select * from ({both}) order by all").fetchall()


def _driver(session: Session) -> psycopg.Connection:
    raw = session.connection().connection.driver_connection
    assert isinstance(raw, psycopg.Connection)
    return raw


@dataclass(repr=False)
class Models:
    """Models of the dbt project as compiled SQL, in an order in which they can be made, and `as_of`: positions at
    $as_of as known at $known_at."""

    sql: dict[str, tuple[str, str]]
    as_of: str

    @classmethod
    def of(cls, nodes: list[Any], wanted: set[str] | None, as_of: str) -> Models:
        known = {node.unique_id: node for node in nodes if node.resource_type == "model"}
        needs = {name: [d for d in node.depends_on.nodes if d in known] for name, node in known.items()}
        order = list(TopologicalSorter(needs).static_order())
        kept: set[str] = set()
        for name in reversed(order):
            if wanted is None or known[name].name in wanted or any(name in needs[one] for one in kept):
                kept.add(name)
        made = [known[name] for name in order if name in kept]
        kinds = {node.name: "view" if node.config.materialized == "view" else "table" for node in made}
        return cls({node.relation_name: (kinds[node.name], node.compiled_code) for node in made}, as_of)

    def make(self, db: duckdb.DuckDBPyConnection) -> None:
        for schema in ("staging", "silver", "gold"):
            db.execute(f"create schema if not exists {schema}")
        for relation, (kind, sql) in self.sql.items():
            db.execute(f"create {kind} {relation} as {sql}")
