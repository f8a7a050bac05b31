"""Held snapshots: how a batch is held, and what a person may do about it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from hub.errors import Conflict, NotFound
from masterdata.intake import feeds, jobs
from masterdata.intake.gate import Verdict
from masterdata.intake.models import Batch
from masterdata.landscape.models import Coverage
from masterdata.landscape.service import write_for

_BEFORE = text("""
    select rows_in from batch
    where organisation_id = :org and system_id = :system and stream = :stream and coverage = :coverage
      and sync = 'full' and state = 'applied' and id <> :batch
    order by observed_at desc limit 1""")

_SUPERSEDE = text("""
    update batch set state = 'rejected', decision = cast(:decision as jsonb)
    where organisation_id = :org and system_id = :system and stream = :stream and coverage = :coverage
      and state = 'held' and id <> :batch and observed_at <= :at""")

# What a newer full read holds of these rows has been judged anew with it.
_OVERTAKEN = text("""
    update quarantine q set state = 'replayed', replay_batch_id = :batch, resolved_at = clock_timestamp()
    from batch b
    where q.organisation_id = :org and q.state = 'open' and q.system_id = :system and q.stream = :stream
      and b.organisation_id = q.organisation_id and b.id = q.batch_id and b.id <> :batch
      and b.coverage = :coverage and b.observed_at < :at""")

_HELD = text("update coverage set held_batch_id = :batch where organisation_id = :org and id = :coverage_id")

_HELD_LEFT = text("""
    update coverage set held_batch_id = (
        select b.id from batch b
        where b.organisation_id = :org and b.system_id = :system and b.stream = 'stock_positions'
          and b.coverage = :coverage and b.state = 'held' order by b.observed_at desc limit 1)
    where organisation_id = :org and id = :coverage_id and held_batch_id is not null""")


def is_released(batch: Batch) -> bool:
    return bool(batch.decision and batch.decision.get("release"))


def rows_before(session: Session, batch: Batch) -> int | None:
    """Rows of the last good full read of the same feed; None where there is none."""
    rows: int | None = session.scalar(_BEFORE, _feed(batch))
    return rows


def hold(session: Session, batch: Batch, coverage: Coverage, verdict: Verdict) -> None:
    """Keep the last good state and wait for a person; an older held snapshot of the same feed is overtaken."""
    batch.state, batch.gate = "held", verdict.as_json()
    session.flush()
    supersede(session, batch, coverage)
    if batch.stream == "stock_positions":
        session.execute(_HELD, _feed(batch) | {"coverage_id": coverage.id})
    feeds.went_wrong(session, batch, verdict.findings[0].en)


def supersede(session: Session, batch: Batch, coverage: Coverage) -> None:
    """A newer full read of the same feed speaks for the coverage now: older held ones, and rows quarantined in older
    ones, are set aside."""
    if batch.sync != "full":
        return
    at = datetime.now(UTC).isoformat()
    said = json.dumps({"release": False, "reason": f"overtaken by batch {batch.id}", "at": at})
    session.flush()
    values = _feed(batch) | {"decision": said, "at": batch.observed_at, "coverage_id": coverage.id}
    session.execute(_SUPERSEDE, values)
    session.execute(_HELD_LEFT, values)
    if batch.state == "applied":
        session.execute(_OVERTAKEN, values)


def release(session: Session, batch_id: UUID, by: UUID, reason: str = "") -> Batch:
    """Let a held snapshot pass; the worker applies it without the gate. Raises NotFound, Conflict."""
    batch = _decidable(session, batch_id, ("held",))
    batch.decision = _decision(by, reason, release=True)
    batch.state = "landed"
    session.flush()
    _clear(session, batch)
    jobs.defer_apply(session, batch)
    return batch


def reject(session: Session, batch_id: UUID, by: UUID, reason: str = "") -> Batch:
    """Set a held or failed batch aside for good; the last good state stays. Raises NotFound, Conflict."""
    batch = _decidable(session, batch_id, ("held", "failed"))
    batch.decision = _decision(by, reason, release=False)
    batch.state = "rejected"
    session.flush()
    _clear(session, batch)
    return batch


def retry(session: Session, batch_id: UUID) -> Batch:
    """Try a failed batch again. Raises NotFound, Conflict."""
    batch = _decidable(session, batch_id, ("failed",))
    batch.state, batch.error = "landed", None
    session.flush()
    jobs.defer_apply(session, batch)
    return batch


def _decidable(session: Session, batch_id: UUID, states: tuple[str, ...]) -> Batch:
    organisation_id = session.scalar(select(Batch.organisation_id).where(Batch.id == batch_id))
    if organisation_id is None:
        raise NotFound(f"There is no batch {batch_id}.")
    write_for(session, organisation_id)
    batch = session.scalars(select(Batch).where(Batch.id == batch_id).with_for_update()).one()
    if batch.state not in states:
        raise Conflict(
            f"Batch {batch_id} is {batch.state}, not {' or '.join(states)}. Someone may have decided already."
        )
    return batch


def _decision(by: UUID, reason: str, *, release: bool) -> dict[str, Any]:
    return {"release": release, "by": str(by), "reason": reason, "at": datetime.now(UTC).isoformat()}


def _clear(session: Session, batch: Batch) -> None:
    query = select(Coverage.id).where(
        Coverage.organisation_id == batch.organisation_id,
        Coverage.system_id == batch.system_id,
        Coverage.name == batch.coverage,
    )
    session.execute(_HELD_LEFT, _feed(batch) | {"coverage_id": session.scalar(query)})


def _feed(batch: Batch) -> dict[str, Any]:
    return {
        "org": batch.organisation_id,
        "system": batch.system_id,
        "stream": batch.stream,
        "coverage": batch.coverage,
        "batch": batch.id,
    }
