"""HTTP of the intake: batches and their raw rows, held snapshots, quarantine, events."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request

from hub.paging import Page, PagingDep, cut
from hub.web import Router, gathered
from identity.access import (
    CanReadFeeds,
    CanReadInventory,
    CanReadQuarantine,
    CanReleaseBatches,
    CanWriteBatches,
    CanWriteQuarantine,
    CanWriteUnits,
    SessionDep,
)
from masterdata.intake import decide, events, replay, rows, service, uploads
from masterdata.intake.schemas import (
    Batch,
    BatchDetail,
    BatchState,
    Cause,
    Decision,
    EventAccount,
    EventsIn,
    QuarantinedRow,
    RawRow,
    Replayed,
    RowState,
    UnitIn,
)

router = Router(prefix="/v1", tags=["intake"])

Name = Annotated[str | None, Query(max_length=200)]
RowNo = Annotated[int, Path(ge=0, lt=2**63)]
RowId = Annotated[int, Path(ge=0, lt=2**63)]
# A batch id makes every call repeatable by itself, so no Idempotency-Key is kept beside it.
plain = APIRouter()


@plain.post("/events")
async def post_events(request: Request, given: EventsIn, session: SessionDep, agent: CanWriteBatches) -> EventAccount:
    """Apply up to 512 lines at once; the answer is durable, and the same for a repeated batch id."""
    call = await events.prepare(session, agent, given)
    return await asyncio.wrap_future(_writer(request).apply(call))


def _writer(request: Request) -> events.Writer:
    """The process's one."""
    state = request.app.state
    if not hasattr(state, "events_writer"):
        state.events_writer = events.Writer(state.new_session)
    writer: events.Writer = state.events_writer
    return writer


router.include_router(plain)
router.include_router(uploads.router)


@router.get("/batches")
def list_batches(
    session: SessionDep,
    _: CanReadFeeds,
    paging: PagingDep,
    system: Name = None,
    stream: Name = None,
    state: BatchState | None = None,
) -> Page[Batch]:
    """Batches, newest first."""
    key = paging.key((datetime, UUID))
    filters = {"system": system, "stream": stream, "state": state}
    found = service.list_batches(session, filters, None if key is None else (key[0], key[1]), paging.limit + 1)
    items, following = cut(found, paging.limit, lambda b: (b.announced_at, b.id))
    return Page(items=list(items), next=following)


@router.get("/batches/{batch_id}")
def get_batch(batch_id: UUID, session: SessionDep, _: CanReadFeeds) -> BatchDetail:
    """One batch, with the gate's findings and a person's decision."""
    return service.get_batch(session, batch_id)


@router.get("/batches/{batch_id}/rows/{row_no}")
def get_row(batch_id: UUID, row_no: RowNo, session: SessionDep, _: CanReadInventory) -> RawRow:
    """A row as the legacy system gave it."""
    return rows.get_row(session, batch_id, row_no)


@router.post("/batches/{batch_id}/release")
def release_batch(batch_id: UUID, given: Decision, session: SessionDep, by: CanReleaseBatches) -> BatchDetail:
    """Let a held snapshot pass; it is applied in the background."""
    decide.release(session, batch_id, by.id, given.reason)
    return service.get_batch(session, batch_id)


@router.post("/batches/{batch_id}/reject")
def reject_batch(batch_id: UUID, given: Decision, session: SessionDep, by: CanReleaseBatches) -> BatchDetail:
    """Set a held or failed batch aside; the last good state stays."""
    decide.reject(session, batch_id, by.id, given.reason)
    return service.get_batch(session, batch_id)


@router.post("/batches/{batch_id}/retry")
def retry_batch(batch_id: UUID, session: SessionDep, _: CanReleaseBatches) -> BatchDetail:
    """Try a failed batch again."""
    decide.retry(session, batch_id)
    return service.get_batch(session, batch_id)


@dataclass(frozen=True)
class RowFilters:
    """Which quarantined rows to list."""

    state: RowState | None = "open"
    system: Name = None
    stream: Name = None
    reason: Name = None
    batch: UUID | None = None


@router.get("/quarantine")
def list_quarantine(
    session: SessionDep,
    _: CanReadQuarantine,
    paging: PagingDep,
    filters: Annotated[RowFilters, gathered(RowFilters)],
) -> Page[QuarantinedRow]:
    """Quarantined rows, newest first."""
    key = paging.key((int,))
    found = service.list_quarantine(session, asdict(filters), key[0] if key else None, paging.limit + 1)
    items, following = cut(found, paging.limit, lambda row: (row.id,))
    return Page(items=list(items), next=following)


@router.get("/quarantine/causes")
def list_causes(session: SessionDep, _: CanReadQuarantine) -> list[Cause]:
    """Open rows by what must be repaired."""
    return service.list_causes(session)


@router.get("/quarantine/{row_id}")
def get_quarantined(row_id: RowId, session: SessionDep, _: CanReadQuarantine) -> QuarantinedRow:
    """One quarantined row: raw, mapped, and what is wrong with it."""
    return service.get_quarantined(session, row_id)


@router.post("/quarantine/{row_id}/dismiss")
def dismiss_row(row_id: RowId, given: Decision, session: SessionDep, by: CanWriteQuarantine) -> QuarantinedRow:
    """Set a row aside for good."""
    replay.dismiss(session, row_id, by.id, given.reason)
    return service.get_quarantined(session, row_id)


@router.post("/quarantine/{row_id}/replay", status_code=202)
def replay_row(row_id: RowId, session: SessionDep, _: CanWriteQuarantine) -> Replayed:
    """Try the row again, and all open rows with its cause. What the agent could not read it must send again: 409."""
    return Replayed(replay.replay_row(session, row_id))


@router.post("/systems/{key}/units", status_code=202)
def add_unit(
    key: Annotated[str, Path(max_length=80)], given: UnitIn, session: SessionDep, by: CanWriteUnits
) -> Replayed:
    """Say what a system's own unit code means; rows that waited for it are replayed."""
    return Replayed(replay.add_unit(session, key, given, by.id))
