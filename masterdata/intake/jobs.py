"""When a batch is applied: its job is deferred in the transaction that lands or releases it."""

from __future__ import annotations

from sqlalchemy.orm import Session

from hub.jobs import defer
from masterdata.intake.models import Batch

APPLY = "masterdata.intake.apply"
# Small batches overtake large ones: a plant's receipts do not wait for another plant's history.
QUICK_ROWS, QUICK = 5_000, 10


def defer_apply(session: Session, batch: Batch) -> None:
    """Apply a landed batch in the worker; batches of one feed run one after another."""
    lock = f"{batch.organisation_id}/{batch.system_id}/{batch.stream}/{batch.coverage}"
    priority = QUICK if batch.rows_in <= QUICK_ROWS else 0
    organisation, batch_id = str(batch.organisation_id), str(batch.id)
    defer(session, APPLY, lock=lock, priority=priority, organisation_id=organisation, batch_id=batch_id)
