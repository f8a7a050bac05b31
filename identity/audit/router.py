"""HTTP: an organisation's audit log, by page or as a file, and the head of its chain."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import Query, Request
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime
from sqlalchemy.orm import Session

from hub.errors import NotFound
from hub.models import Organisation
from hub.paging import Page, PagingDep, cut
from hub.web import Router, SessionDep, gathered
from identity.access import CanReadAudit
from identity.audit import export, service
from identity.audit.models import AuditEvent
from identity.audit.schemas import EventOut, HeadOut
from identity.principal import Principal

router = Router(prefix="/v1/audit", tags=["audit"])


@dataclass(frozen=True)
class Filters:
    """Whose log (default: of the organisation you act for), and what narrows it."""

    organisation_id: UUID | None = None
    action: Annotated[str, Query(max_length=80, pattern="^[a-z0-9_]*$")] = ""
    actor: UUID | None = None
    since: Annotated[AwareDatetime | None, Query(alias="from")] = None
    until: Annotated[AwareDatetime | None, Query(alias="to")] = None

    def wanted(self, session: Session, me: Principal) -> tuple[Organisation, service.Wanted]:
        own = service.organisation_of(session, self.organisation_id or me.organisation_id)
        return own, service.Wanted(own.id, self.action, self.actor, self.since, self.until)


FiltersDep = Annotated[Filters, gathered(Filters)]


@router.get("")
def list_audit_events(session: SessionDep, me: CanReadAudit, filters: FiltersDep, page: PagingDep) -> Page[EventOut]:
    """Events that concern an organisation, newest first."""
    after = page.key((UUID,))
    wanted = filters.wanted(session, me)[1]
    rows = service.list_events(session, wanted, after[0] if after else None, page.limit + 1)
    events, following = cut(rows, page.limit, lambda e: (e.event_id,))
    return Page(items=shown(session, events), next=following)


@router.get("/head")
def get_audit_head(session: SessionDep, me: CanReadAudit, organisation_id: UUID | None = None) -> HeadOut:
    """The newest seal of an organisation's log. Keep it elsewhere: `hub audit verify` holds the log to it later."""
    own = service.organisation_of(session, organisation_id or me.organisation_id)
    head = service.head_of(session, own.id)
    if head is None:
        raise NotFound("Nothing of this log is sealed yet. The first seal follows the first event within a minute.")
    return HeadOut(organisation=own.key, number=head.number, digest=head.digest.hex(), sealed_at=head.sealed_at)


@router.get(
    "/export",
    response_class=StreamingResponse,
    responses={200: {"content": {media: {} for media in export.MEDIA.values()}}},
)
def export_audit(
    request: Request, session: SessionDep, me: CanReadAudit, filters: FiltersDep, format: export.Format = "jsonl"
) -> StreamingResponse:
    """Everything under these filters, oldest first, as JSON lines or CEF; the export itself is recorded."""
    own, wanted = filters.wanted(session, me)
    service.note(
        session,
        "audit_exported",
        organisations=[own.id],
        object_kind="organisation",
        object_id=own.id,
        format=format,
        since=wanted.since,
        until=wanted.until,
    )
    headers = {"content-disposition": f'attachment; filename="audit-{own.key}.{format}"'}
    lines = _lines(request, me, wanted, format)
    return StreamingResponse(lines, media_type=export.MEDIA[format], headers=headers)


def _lines(request: Request, me: Principal, wanted: service.Wanted, format: export.Format) -> Iterator[str]:
    """The request's session ends before its answer is sent; the file is read on one of its own."""
    session: Session = request.app.state.new_session()
    with session:
        session.info["tenancy"] = me.tenancy
        with session.begin():
            yield from export.lines(service.stream(session, wanted), format)


def shown(session: Session, events: Sequence[AuditEvent]) -> list[EventOut]:
    names = service.names_of(session, events)
    return [
        EventOut.model_validate(event).model_copy(
            update={"actor_name": names.get(str(event.actor)), "object_name": names.get(event.object_id)}
        )
        for event in events
    ]
