"""Whether a log is as it was sealed, and if not, what was done to it: which row or which seal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, select
from sqlalchemy.orm import Session

from hub import vault
from identity.audit.chain import MARKED, event_digest, seal_digest
from identity.audit.models import AuditAnchor, AuditEvent, AuditSeal
from identity.audit.service import Head

STREAMED = 50
# As rows, not as objects: a session keeps those, and would show what it saw before.
EVENT, SEAL = AuditEvent.__table__, AuditSeal.__table__


@dataclass(frozen=True, slots=True)
class Finding:
    """`what` of an event: altered, removed, inserted, reordered; of a seal: seal_altered, seal_unlinked, seal_unmarked,
    seal_missing (all of `seal` to `last`), anchor_unrecorded, head_lost."""

    what: str
    seal: int
    event_id: UUID | None = None
    position: int | None = None
    last: int | None = None

    def __str__(self) -> str:
        where = f"seal {self.seal}" if self.last in (None, self.seal) else f"seals {self.seal} to {self.last}"
        where += f", position {self.position}" if self.position else ""
        return f"{self.what}: {f'event {self.event_id}, ' if self.event_id else ''}{where}"


@dataclass
class Verified:
    """What was looked at. `begins_after` is the seal that retention let go last; unsealed rows are not vouched for."""

    begins_after: int = 0
    seals: int = 0
    rows: int = 0
    unsealed: int = 0
    head: Head | None = None
    findings: list[Finding] = field(default_factory=list)


def verify(session: Session, organisation_id: UUID, kept: tuple[int, bytes] | None = None) -> Verified:
    """One organisation's log, seal by seal; `kept` is number and digest of a head written down elsewhere earlier. The
    session must be able to read the organisation."""
    found = Verified()
    number, digest = _begin(session, organisation_id, found)
    is_kept = kept is None or kept[0] <= number
    own = select(SEAL).where(SEAL.c.organisation_id == organisation_id).order_by(SEAL.c.number)
    for seal in session.execute(own.execution_options(yield_per=STREAMED)):
        if seal.number > number + 1:
            found.findings.append(Finding("seal_missing", number + 1, last=seal.number - 1))
        elif seal.number <= number or seal.previous != digest:
            found.findings.append(Finding("seal_unlinked", seal.number))
        found.findings += _of_seal(session, seal)
        found.seals, found.rows = found.seals + 1, found.rows + len(seal.events)
        number, digest = seal.number, seal.digest
        found.head = Head(number, digest, seal.sealed_at)
        is_kept = is_kept or kept == (number, digest)
    found.findings += _outside(session, organisation_id, found.begins_after, number)
    if kept is not None and not is_kept:
        found.findings.append(Finding("head_lost", kept[0]))
    return found


def _begin(session: Session, organisation_id: UUID, found: Verified) -> tuple[int, bytes]:
    """The anchor, which the log itself must tell of; nothing where retention has not been yet."""
    unsealed = select(func.count()).where(EVENT.c.organisation_id == organisation_id, EVENT.c.seal.is_(None))
    found.unsealed = session.execute(unsealed).scalar_one()
    anchor = session.get(AuditAnchor, organisation_id, populate_existing=True)
    if anchor is None:
        return 0, b""
    found.begins_after = anchor.number
    told = {"seal": anchor.number, "digest": anchor.digest.hex()}
    record = select(EVENT.c.event_id).where(
        EVENT.c.organisation_id == organisation_id,
        EVENT.c.action == "audit_forgotten",
        EVENT.c.actor_kind == "system",
        AuditEvent.detail.contains(told),
    )
    if session.execute(record.limit(1)).one_or_none() is None:
        found.findings.append(Finding("anchor_unrecorded", anchor.number))
    return anchor.number, anchor.digest


def _of_seal(session: Session, seal: Row[Any]) -> Iterator[Finding]:
    made = seal_digest(seal.organisation_id, seal.number, seal.sealed_at, seal.previous, seal.digests)
    if made != seal.digest or len(seal.events) != len(seal.digests):
        yield Finding("seal_altered", seal.number)
    elif not vault.is_mark(MARKED + seal.digest, seal.mark):
        yield Finding("seal_unmarked", seal.number)
    own = select(EVENT).where(EVENT.c.organisation_id == seal.organisation_id, EVENT.c.seal == seal.number)
    rows = {event.event_id: event for event in session.execute(own)}
    for place, (event_id, digest) in enumerate(zip(seal.events, seal.digests, strict=False), start=1):
        event = rows.pop(event_id, None)
        if event is None:
            yield Finding("removed", seal.number, event_id, place)
        elif event_digest(event) != digest:
            yield Finding("altered", seal.number, event_id, place)
        elif event.position != place:
            yield Finding("reordered", seal.number, event_id, place)
    yield from (Finding("inserted", seal.number, event_id, event.position) for event_id, event in rows.items())


def _outside(session: Session, organisation_id: UUID, first: int, last: int) -> Iterator[Finding]:
    """Rows of seals that are not there: cut off after the last one, or put behind the anchor."""
    own = select(EVENT.c.event_id, EVENT.c.seal, EVENT.c.position).where(EVENT.c.organisation_id == organisation_id)
    for row in session.execute(own.where(EVENT.c.seal <= first)):
        yield Finding("inserted", row.seal, row.event_id, row.position)
    beyond = select(func.max(EVENT.c.seal)).where(EVENT.c.organisation_id == organisation_id, EVENT.c.seal > last)
    end: int | None = session.execute(beyond).scalar()
    if end is not None:
        yield Finding("seal_missing", last + 1, last=end)
