"""Jobs of the intake, deferred in the transaction that makes them needed."""

from __future__ import annotations

import json
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from masterdata.intake.models import Batch

APPLY = "masterdata.intake.apply"
# Small batches overtake large ones: a plant's receipts do not wait for another plant's history.
QUICK_ROWS, QUICK = 5_000, 10

_DEFER = text(
    "select procrastinate_defer_jobs_v1(array[row(:queue, :task, :priority, :lock, null, cast(:args as jsonb), null)"
    "::procrastinate_job_to_defer_v1])"
)


def defer(session: Session, task: str, args: dict[str, str], lock: str | None = None, priority: int = 0) -> None:
    """Queue a job that exists if and only if the session's transaction commits."""
    values = {"queue": "default", "task": task, "priority": priority, "lock": lock, "args": json.dumps(args)}
    session.execute(_DEFER, values)


def defer_apply(session: Session, batch: Batch) -> None:
    """Apply a landed batch in the worker; batches of one feed one after another."""
    lock = f"{batch.organisation_id}/{batch.system_id}/{batch.stream}/{batch.coverage}"
    priority = QUICK if batch.rows_in <= QUICK_ROWS else 0
    defer(session, APPLY, _args(batch.organisation_id, batch.id), lock, priority)


def _args(organisation_id: UUID, batch_id: UUID) -> dict[str, str]:
    return {"organisation_id": str(organisation_id), "batch_id": str(batch_id)}
