"""What the ledger must know of a batch, and the account it gives of its rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg

from connectors.contract import EVENT_LINES_MAX, Counts, Sync


@dataclass(frozen=True, slots=True)
class BatchRef:
    """One batch of one organisation, system and coverage. `observed_at` is the source's clock at the start of the
    read, `recording_id` what `recording.begin` gave this transaction, `traceparent` where it comes from."""

    id: UUID
    organisation_id: UUID
    system_id: UUID
    coverage_id: int
    observed_at: datetime
    sync: Sync
    counts: Counts
    recording_id: int
    clock: str = "source"
    traceparent: str = ""

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


# A plan that trusts statistics of a tenant just filled reads all its rows once per row. So a few staged rows are always
# looked up and many always hashed; between them it depends on whether the planner knows the tenant to be large.
FEW = EVENT_LINES_MAX  # a call of events
MANY = {"stage_position": 500, "stage_movement": 10_000}
LARGE = 15
_PLANNER = ("enable_seqscan", "enable_hashjoin", "enable_mergejoin", "enable_nestloop", "work_mem")
_SET = "set local enable_seqscan = {0}; set local enable_hashjoin = {0}; set local enable_mergejoin = {0}; "
_LOOK_UP = _SET.format("off") + "set local enable_nestloop = on"
_WHOLE = _SET.format("on") + "set local enable_nestloop = off; set local work_mem = '256MB'"


def plan_for(connection: psycopg.Connection, stage: str, organisation_id: UUID) -> int:
    """Fit the planner to what was staged, for this transaction; how many rows there are."""
    row = connection.execute(f"select count(*) from {stage}").fetchone()
    rows = int(row[0]) if row else 0
    analyze(connection, f"{stage} (hash)", rows)
    few = rows <= FEW or (rows <= MANY[stage] and is_small_part(connection, organisation_id, rows))
    connection.execute(_LOOK_UP if few else _WHOLE)
    return rows


def renew_statistics(connection: psycopg.Connection, table: str, organisation_id: UUID, written: int) -> None:
    """After a load that grew an organisation's `table` beyond what the planner knows: the next one must not be planned
    for an empty tenant. Autovacuum would come too late."""
    if written > _rows_known(connection, table, organisation_id):
        connection.execute("select ledger_analyze()")


def is_small_part(connection: psycopg.Connection, organisation_id: UUID, positions: int) -> bool:
    """Whether looking up so many of an organisation's positions costs less than reading all."""
    return _rows_known(connection, "position", organisation_id) > LARGE * positions


def _rows_known(connection: psycopg.Connection, table: str, organisation_id: UUID) -> int:
    """How many rows of a table the planner believes an organisation to have."""
    query = f"explain (format json) select from {table} where organisation_id = %s"
    row = connection.execute(query, [organisation_id]).fetchone()
    return int(row[0][0]["Plan"]["Plan Rows"]) if row else 0


def analyze(connection: psycopg.Connection, table: str, rows: int) -> None:
    """Let the planner know of a temporary table just filled; of a few rows, looked up in any case, it need not."""
    if rows > FEW:
        connection.execute(f"analyze {table}")


@contextmanager
def hashed(connection: psycopg.Connection) -> Iterator[None]:
    """Read tables whole and hash them for a few statements, whatever the rest of the transaction does."""
    with _planned(connection, _WHOLE):
        yield


@contextmanager
def looked_up(connection: psycopg.Connection) -> Iterator[None]:
    """Look rows up by index for a few statements, whatever the rest of the transaction does."""
    with _planned(connection, _LOOK_UP):
        yield


@contextmanager
def _planned(connection: psycopg.Connection, how: str) -> Iterator[None]:
    shown = ", ".join(f"current_setting('{name}')" for name in _PLANNER)
    row = connection.execute(f"select {shown}").fetchone()
    connection.execute(how)
    yield
    sets = ", ".join(f"set_config('{name}', %s, true)" for name in _PLANNER)
    connection.execute(f"select {sets}", row)


def lock(connection: psycopg.Connection, organisation_id: UUID, system_id: UUID) -> None:
    """One writer per organisation and system, until the transaction ends: a snapshot and the movements beside it see
    each other whole."""
    connection.execute(
        "select pg_advisory_xact_lock(hashtextextended('ledger' || %s::text || %s::text, 0))",
        [organisation_id, system_id],
    )
