"""Pages of the intake: held snapshots with their decision, quarantine by cause with its repair, batches, raw rows."""

from __future__ import annotations

import json
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Form, Path, Query, Request, Response
from fastapi.responses import RedirectResponse

from identity.access import (
    CanReadFeeds,
    CanReadInventory,
    CanReadQuarantine,
    CanReleaseBatches,
    CanWriteQuarantine,
    CanWriteUnits,
    SessionDep,
)
from masterdata.directory import directory
from masterdata.golden.pages import shown
from masterdata.intake import decide, gate, replay, rows, service
from masterdata.intake.schemas import Finding, UnitIn
from masterdata.words import sentence

router = APIRouter(include_in_schema=False)

Reason = Annotated[str, Form(max_length=500)]
RowNo = Annotated[int, Path(ge=0, lt=2**63)]
Name = Annotated[str | None, Query(max_length=200)]


@router.get("/held")
def held_page(request: Request, session: SessionDep, me: CanReadQuarantine) -> Response:
    held, causes = service.list_held(session), service.list_causes(session)
    failed = service.list_batches(session, {"state": "failed"}, limit=20)
    names = directory(session, me)
    return shown(
        request, session, me, "held.html", held=held, causes=causes, failed=failed, known_units=names.units.values()
    )


@router.get("/batches/{batch_id}")
def batch_page(request: Request, session: SessionDep, me: CanReadFeeds, batch_id: UUID) -> Response:
    """One batch; a held one with its decision."""
    detail = service.get_batch(session, batch_id)
    last = _last_good(session, detail.batch)
    return shown(
        request, session, me, "batch.html", detail=detail, batch=detail.batch, checks=_checks(detail), last=last
    )


def _last_good(session: SessionDep, batch: Any) -> Any:
    before = service.list_batches(
        session, {"system": batch.system, "stream": batch.stream, "state": "applied"}, limit=200
    )
    same = (b for b in before if b.coverage == batch.coverage and b.sync == batch.sync and b.id != batch.id)
    return next(same, None)


def _checks(detail: Any) -> list[tuple[str, float, float, Finding | None]]:
    """Every expectation with what was measured and its limit; a failed one with its finding."""
    failed = {finding.name: finding for finding in detail.findings}
    return [
        (name, measured, limit.bound, failed.get(name))
        for name, limit in gate.LIMITS.items()
        if (measured := detail.figures.get(limit.figure)) is not None and limit.bound is not None
    ]


@router.post("/batches/{batch_id}/release")
def release(session: SessionDep, me: CanReleaseBatches, batch_id: UUID, reason: Reason = "") -> Response:
    decide.release(session, batch_id, me.id, reason)
    return RedirectResponse(f"/batches/{batch_id}", 303)


@router.post("/batches/{batch_id}/reject")
def reject(session: SessionDep, me: CanReleaseBatches, batch_id: UUID, reason: Reason = "") -> Response:
    decide.reject(session, batch_id, me.id, reason)
    return RedirectResponse(f"/batches/{batch_id}", 303)


@router.post("/batches/{batch_id}/retry")
def retry(session: SessionDep, _: CanReleaseBatches, batch_id: UUID) -> Response:
    decide.retry(session, batch_id)
    return RedirectResponse(f"/batches/{batch_id}", 303)


@router.get("/batches/{batch_id}/rows/{row_no}")
def row_page(request: Request, session: SessionDep, me: CanReadInventory, batch_id: UUID, row_no: RowNo) -> Response:
    """The row as the legacy system gave it, beside the record the mapping made of it."""
    row, batch = rows.get_row(session, batch_id, row_no), service.get_batch(session, batch_id).batch
    return shown(request, session, me, "row.html", row=row, batch=batch, raw=_fields(row.raw))


def _fields(raw: str | None) -> list[tuple[str, Any]] | None:
    """The raw row by its legacy columns, where it is one; else None and the text is shown as it is."""
    try:
        parsed = json.loads(raw or "")
    except ValueError:
        return None
    return list(parsed.items()) if isinstance(parsed, dict) else None


@router.get("/quarantine")
def quarantine_page(
    request: Request, session: SessionDep, me: CanReadQuarantine, *, system: Name = None, reason: Name = None,
    value: Name = None, batch: UUID | None = None, before: Annotated[int | None, Query(ge=0, lt=2**63)] = None,
) -> Response:  # fmt: skip
    filters = {"state": "open", "system": system, "reason": reason, "value": value, "batch": batch}
    found = service.list_quarantine(session, filters, before, limit=51)
    return shown(
        request, session, me, "quarantine.html", found=found[:50], following=found[49].id if len(found) > 50 else None,
        filters={k: v for k, v in filters.items() if v and k != "state"},
    )  # fmt: skip


@router.get("/quarantine/{row_id}")
def quarantined_page(request: Request, session: SessionDep, me: CanReadQuarantine, row_id: RowNo) -> Response:
    row = service.get_quarantined(session, row_id)
    said = sentence(row.reason, row.field, row.value, row.detail)
    return shown(request, session, me, "quarantined.html", row=row, raw=_fields(row.raw), said=said)


@router.post("/quarantine/{row_id}/dismiss")
def dismiss(session: SessionDep, me: CanWriteQuarantine, row_id: RowNo, reason: Reason = "") -> Response:
    replay.dismiss(session, row_id, me.id, reason)
    return RedirectResponse(f"/quarantine/{row_id}", 303)


@router.post("/quarantine/{row_id}/replay")
def replay_row(session: SessionDep, _: CanWriteQuarantine, row_id: RowNo) -> Response:
    replay.replay_row(session, row_id)
    return RedirectResponse("/held", 303)


@router.post("/quarantine/units")
def repair_unit(
    session: SessionDep, me: CanWriteUnits, *, system: Annotated[str, Form(max_length=80)],
    code: Annotated[str, Form(max_length=80)], unit: Annotated[str, Form(max_length=8)],
    organisation_id: Annotated[UUID | None, Form()] = None,
) -> Response:  # fmt: skip
    """Say what a system's unit code means; the rows that waited for it replay."""
    replay.add_unit(session, system, UnitIn(organisation_id=organisation_id, code=code, unit=unit), me.id)
    return RedirectResponse("/held", 303)
