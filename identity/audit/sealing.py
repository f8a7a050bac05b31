"""Jobs of the worker: each minute what was written is sealed, per organisation; each night old seals are let go."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy import ARRAY, Engine, LargeBinary, Uuid, bindparam, select, text
from sqlalchemy.orm import Session

from hub import vault
from hub.database import Tenancy, unit_of_work
from hub.housekeeping import organisations
from hub.settings import settings
from identity.audit.chain import MARKED, event_digest, seal_digest
from identity.audit.models import AuditEvent
from identity.audit.service import SYSTEM, head_of, record

SEAL: Final = "identity.audit.seal"
FORGET: Final = "identity.audit.forget"
ROWS_MAX = 5_000

_UNSEALED = text("""
    select o.id from unnest(cast(:organisations as uuid[])) as o(id)
    where exists (select from audit_event e where e.organisation_id = o.id and e.seal is null)""")
_TURN = text("select pg_advisory_xact_lock(hashtextextended('audit_seal:' || :organisation, 0)), clock_timestamp()")
_CLOSE = text(
    "select audit_close(:organisation, :number, :at, :events, :digests, :previous, :digest, :mark)"
).bindparams(
    bindparam("organisation", type_=Uuid),
    bindparam("events", type_=ARRAY(Uuid)),
    bindparam("digests", type_=ARRAY(LargeBinary)),
)

log = structlog.get_logger(__name__)


def seal(engine: Engine) -> None:
    """Seals whatever is committed and not sealed yet; a row that is committed later joins a later seal."""
    everyone = organisations(engine)
    with unit_of_work(engine, Tenancy(everyone)) as session:
        waiting = session.scalars(_UNSEALED, {"organisations": list(everyone)}).all()
    for organisation_id in waiting:
        while seal_next(engine, organisation_id) == ROWS_MAX:
            pass


def seal_next(engine: Engine, organisation_id: UUID) -> int:
    """One seal over at most ROWS_MAX rows in the order of their ids; answers how many. Of several sealers one is at
    work on an organisation, and the next one sees what it left."""
    with unit_of_work(engine, Tenancy((organisation_id,), organisation_id)) as session:
        at: datetime = session.execute(_TURN, {"organisation": str(organisation_id)}).one()[1]
        own = select(AuditEvent).where(AuditEvent.organisation_id == organisation_id, AuditEvent.seal.is_(None))
        events = session.scalars(own.order_by(AuditEvent.event_id).limit(ROWS_MAX)).all()
        if events:
            _close(session, organisation_id, at, {event.event_id: event_digest(event) for event in events})
    return len(events)


def _close(session: Session, organisation_id: UUID, at: datetime, digests: dict[UUID, bytes]) -> None:
    head = head_of(session, organisation_id)
    number, previous = (head.number + 1, head.digest) if head else (1, b"")
    digest = seal_digest(organisation_id, number, at, previous, list(digests.values()))
    values = {"organisation": organisation_id, "number": number, "at": at, "previous": previous, "digest": digest}
    lists = {"events": list(digests), "digests": list(digests.values())}
    session.execute(_CLOSE, values | lists | {"mark": vault.mark(MARKED + digest)})
    # The process's log lies outside the database: a chain cut short there still has its head here.
    log.info("audit_sealed", organisation=str(organisation_id), number=number, rows=len(digests), digest=digest.hex())


def forget(engine: Engine) -> None:
    """Lets go whole seals older than HUB_AUDIT_DAYS, and records in the log that goes on where it begins now."""
    for organisation_id in organisations(engine):
        with unit_of_work(engine, Tenancy((organisation_id,), organisation_id)) as session:
            old = text("select * from audit_forget(:organisation, :days)")
            gone = session.execute(old, {"organisation": organisation_id, "days": settings().audit_days}).one_or_none()
            if gone is not None:
                through = {"seal": gone.number, "digest": gone.digest.hex(), "events": gone.events}
                record(session, "audit_forgotten", organisations=[organisation_id], actor=SYSTEM, **through)
