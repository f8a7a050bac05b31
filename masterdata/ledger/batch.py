"""What the ledger must know of a batch, and the account it gives of its rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg

from connectors.contract import Counts, Sync


@dataclass(frozen=True, slots=True)
class BatchRef:
    """One batch of one organisation, system and coverage. `observed_at` is the source's clock at the start of the
    read, `recording_id` what `recording.begin` gave this transaction."""

    id: UUID
    organisation_id: UUID
    system_id: UUID
    coverage_id: int
    observed_at: datetime
    sync: Sync
    counts: Counts
    recording_id: int
    clock: str = "source"

    @property
    def parameters(self) -> dict[str, Any]:
        """The named parameters every statement of the ledger draws from."""
        return {
            "batch": self.id,
            "org": self.organisation_id,
            "system": self.system_id,
            "coverage": self.coverage_id,
            "at": self.observed_at,
            "recording": self.recording_id,
            "clock": self.clock,
        }


@dataclass(frozen=True, slots=True)
class Account:
    """What became of the rows handed over; they add up to the rows staged."""

    applied: int = 0
    unchanged: int = 0
    duplicate: int = 0


# From so many rows on a nested loop is never right, but without statistics of a table just filled it looks cheap.
BULK_ROWS = 10_000


def plan_for(connection: psycopg.Connection, stage: str) -> int:
    """Analyse what was staged and fit the planner to its size, for this transaction; how many rows there are."""
    connection.execute(f"analyze {stage}")
    row = connection.execute(f"select count(*) from {stage}").fetchone()
    rows = int(row[0]) if row else 0
    if rows > BULK_ROWS:
        connection.execute("set local enable_nestloop = off; set local work_mem = '256MB'")
    return rows


@contextmanager
def hashed(connection: psycopg.Connection) -> Iterator[None]:
    """Joins without nested loops: in a database just filled, statistics still call tables empty that are not."""
    (before,) = connection.execute("select current_setting('enable_nestloop')").fetchone() or ("on",)
    connection.execute("set local enable_nestloop = off")
    yield
    connection.execute("select set_config('enable_nestloop', %s, true)", [before])


def lock(connection: psycopg.Connection, batch: BatchRef) -> None:
    """One writer per organisation and system: a snapshot and the movements beside it see each other whole."""
    connection.execute(
        "select pg_advisory_xact_lock(hashtextextended('ledger' || %(org)s::text || %(system)s::text, 0))",
        batch.parameters,
    )
