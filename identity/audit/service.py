"""What any code calls: record a change, note a read or a refusal, forget a person; and reading the log."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, Protocol
from uuid import UUID

import structlog
from sqlalchemy import Select, select, text
from sqlalchemy.orm import Session

from hub.columns import new_id
from hub.errors import NotFound
from hub.models import Organisation
from hub.trace import address, trace_id
from identity.audit import notes
from identity.audit.instants import first_id, instant_of
from identity.audit.models import AuditAnchor, AuditEvent, AuditSeal, AuditSubject
from identity.models import Agent, Person

STREAMED = 1_000

log = structlog.get_logger(__name__)


class Actor(Protocol):
    """Who does it; a Principal is one. `organisation_id` is the one acted for."""

    @property
    def kind(self) -> str: ...
    @property
    def id(self) -> UUID | None: ...
    @property
    def organisation_id(self) -> UUID | None: ...


@dataclass(frozen=True, slots=True)
class Someone:
    """An actor where there is no Principal (yet)."""

    kind: str
    id: UUID | None = None
    organisation_id: UUID | None = None


SYSTEM, ANYONE = Someone("system"), Someone("anonymous")


def record(
    session: Session,
    action: str,
    *,
    organisations: Iterable[UUID | None] = (),
    actor: Actor | None = None,
    object_kind: str = "",
    object_id: object = "",
    **detail: Any,
) -> None:
    """A change, in the transaction that makes it: in the log of the organisation the actor acts for and of every one in
    `organisations` (none at all: the group's), and as a line in the process's log. The actor is the request's caller
    unless given. An object of kind "person" is a person's id; no other personal data may stand in `detail`."""
    event = _event(session, action, organisations, actor, object_kind, object_id, detail)
    log.info(action, by=event["actor"], **({object_kind: str(object_id)} if object_kind else {}) | detail)
    notes.insert(session, [event])


def note(
    session: Session,
    action: str,
    *,
    organisations: Iterable[UUID | None] = (),
    actor: Actor | None = None,
    object_kind: str = "",
    object_id: object = "",
    **detail: Any,
) -> None:
    """As `record`, for what changes nothing or is undone: a read, an export, a refusal. It does not wait: the process
    writes it within a second in a transaction of its own; at once where there is no such writer or its queue is full.
    A process that is killed loses at most that second."""
    event = _event(session, action, organisations, actor, object_kind, object_id, detail)
    writer: notes.Notes | None = session.info.get(notes.INFO)
    if writer is None or not writer.put(event):
        notes.write(session.get_bind(), [event])


def _event(  # noqa: PLR0917 - what `record` and `note` were given, passed on as one
    session: Session,
    action: str,
    organisations: Iterable[UUID | None],
    actor: Actor | None,
    object_kind: str,
    object_id: object,
    detail: Mapping[str, Any],
) -> dict[str, Any]:
    who: Actor = actor or session.info.get("caller") or SYSTEM
    event_id = new_id()
    return {
        "event_id": str(event_id),
        "at": instant_of(event_id).isoformat(),
        "organisations": sorted({str(o) for o in (who.organisation_id, *organisations) if o is not None}),
        "action": action,
        "actor_kind": who.kind,
        "actor": str(who.id) if who.id else None,
        "acting_for": str(who.organisation_id) if who.organisation_id else None,
        "object_kind": object_kind,
        "object_id": _plain("" if object_id is None else str(object_id)),
        "detail": _plain(detail),
        "request_id": str(structlog.contextvars.get_contextvars().get("request_id", "")),
        "trace_id": trace_id(),
        "network": _network(address()),
    }


def _plain(value: Any) -> Any:
    """What PostgreSQL keeps as it is and every reader writes alike: no fractions, no NUL, no half surrogates."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, Mapping):
        return {_plain(str(name)): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted(_plain(str(item)) for item in value)
    said = value.isoformat() if isinstance(value, datetime) else str(value)
    return said.encode("utf-8", "replace").decode().replace("\0", "\ufffd")


def _network(given: str) -> str:
    """The address without its last part, which would name one machine: /24 of IPv4, /48 of IPv6."""
    try:
        found = ipaddress.ip_address(given)
    except ValueError:
        return ""
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped:
        found = found.ipv4_mapped
    return str(ipaddress.ip_network((found, 24 if found.version == 4 else 48), strict=False))


def home_of(session: Session, person_id: UUID) -> UUID:
    """Of somebody the session may see, as everybody may see themselves."""
    return session.get_one(Person, person_id).organisation_id


def own_account(session: Session, person_id: UUID, *others: UUID) -> dict[str, Any]:
    """For `record` and `note`: what people do with their own accounts, in the log of their home, too. The session is
    bound to the person."""
    home = home_of(session, person_id)
    caller: Actor | None = session.info.get("caller")
    is_caller = caller is not None and caller.id == person_id
    actor = caller if is_caller else Someone("person", person_id, home)
    return {"actor": actor, "organisations": [home, *others], "object_kind": "person", "object_id": person_id}


def unproven(session: Session, person_id: UUID) -> dict[str, Any]:
    """For `record` and `note`: what somebody does who has yet to prove to be the person, in the log of the person's
    home. The session is bound to the person."""
    return own_account(session, person_id) | {"actor": ANYONE}


def forget_person(session: Session, person_id: UUID) -> bool:
    """Nobody can tell any more who the person's pseudonym was; the log and its chain stay as they are. False where it
    was forgotten before."""
    gone: bool = session.execute(text("select audit_forget_person(:id)"), {"id": person_id}).scalar_one()
    return gone


@dataclass(frozen=True, slots=True)
class Wanted:
    """What narrows a log; `actor` is a pseudonym or an agent's id, `since` counts and `until` does not."""

    organisation_id: UUID
    action: str = ""
    actor: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None


class Head(NamedTuple):
    """Where a chain ends. Kept elsewhere it shows that nothing was cut off since."""

    number: int
    digest: bytes
    sealed_at: datetime


def organisation_of(session: Session, organisation_id: UUID | None) -> Organisation:
    """Whose log it is; raises NotFound for an organisation the caller may not read."""
    found = session.get(Organisation, organisation_id) if organisation_id else None
    if found is None:
        raise NotFound(f"There is no organisation {organisation_id} whose log you may read.")
    return found


def list_events(session: Session, wanted: Wanted, after: UUID | None = None, limit: int = 50) -> Sequence[AuditEvent]:
    """Newest first, before the event `after`."""
    found = _narrowed(select(AuditEvent), wanted).order_by(AuditEvent.event_id.desc()).limit(limit)
    return session.scalars(found if after is None else found.where(AuditEvent.event_id < after)).all()


def names_of(session: Session, events: Sequence[AuditEvent]) -> dict[str, str]:
    """Of pseudonyms and agents among actors and objects, as far as the caller may see them and they are known."""
    ids = {e.actor for e in events if e.actor}
    ids |= {UUID(e.object_id) for e in events if e.object_kind in ("person", "agent") and e.object_id}
    people = select(AuditSubject.pseudonym, Person.name).join(Person, Person.id == AuditSubject.person_id)
    agents = select(Agent.id, Agent.name).where(Agent.id.in_(ids))
    found = [*session.execute(people.where(AuditSubject.pseudonym.in_(ids))), *session.execute(agents)]
    return {str(row[0]): row[1] for row in found}


def head_of(session: Session, organisation_id: UUID) -> Head | None:
    """The last seal, or the anchor where retention let all of them go."""
    for table in (AuditSeal, AuditAnchor):
        own = select(table.number, table.digest, table.sealed_at).where(table.organisation_id == organisation_id)
        found = session.execute(own.order_by(table.number.desc()).limit(1)).one_or_none()
        if found is not None:
            return Head(*found)
    return None


def _narrowed(found: Select[AuditEvent], wanted: Wanted) -> Select[AuditEvent]:
    found = found.where(AuditEvent.organisation_id == wanted.organisation_id)
    if wanted.action:
        found = found.where(AuditEvent.action == wanted.action)
    if wanted.actor is not None:
        found = found.where(AuditEvent.actor == wanted.actor)
    if wanted.since is not None:
        found = found.where(AuditEvent.event_id >= first_id(wanted.since))
    if wanted.until is not None:
        found = found.where(AuditEvent.event_id < first_id(wanted.until))
    return found


def stream(session: Session, wanted: Wanted) -> Iterator[AuditEvent]:
    """Oldest first, read as they are taken."""
    found = _narrowed(select(AuditEvent), wanted).order_by(AuditEvent.event_id)
    yield from session.scalars(found.execution_options(yield_per=STREAMED))
