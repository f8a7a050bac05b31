"""Single events: applied at once in the API, without a gate, the answer as durable as the facts. Calls that arrive
while a transaction runs are committed together by the next one (group commit): the first to get the lock does the
work of all of its feed that wait, in its own request's transaction."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Iterable, Sequence
from uuid import UUID

import psycopg
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from hub.database import Tenancy, set_tenancy
from hub.errors import Conflict, HubError, Unavailable, Unprocessable
from identity.principal import Principal
from masterdata.intake import upload
from masterdata.intake.event_batches import Call, apply_group
from masterdata.intake.schemas import EventAccount, EventsIn
from masterdata.intake.writing import driver
from masterdata.ledger import recording

# Lines one transaction takes on; more wait for the next.
GROUP_LINES = 4_096


_waiting: deque[Call] = deque()
_leader = threading.Lock()


def accept(session: Session, agent: Principal, given: EventsIn) -> EventAccount:
    """Apply the lines and answer once they are durable. The same batch id again gets the same answer; raises Conflict
    where it named other lines."""
    to = upload.delivery(session, agent, given.system, given.organisation)
    upload.check_clock(given.observed_at, given.system)
    body = _body(given)
    call = Call(given, to, agent.id, body)
    _waiting.append(call)
    with _leader:
        if call.answer is None:
            _commit(session, _take(call))
    if isinstance(call.answer, Exception):
        raise call.answer
    if call.answer is None:
        raise Unavailable("The events were not taken. Send them again.")
    return call.answer


def _body(given: EventsIn) -> bytes:
    try:
        return json.dumps(given.lines, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError as error:
        raise Unprocessable("A line holds half of a surrogate pair, which is no character.") from error


def _take(own: Call) -> list[Call]:
    """Our own call and those of its feed that wait, up to a transaction's worth. One feed alone: a second system's
    lock, waited for while identity's is held, could deadlock with a worker."""
    taken, lines = [own], len(own.given.lines)
    _waiting.remove(own)
    for call in list(_waiting):
        if call.feed == own.feed and lines < GROUP_LINES:
            _waiting.remove(call)
            taken.append(call)
            lines += len(call.given.lines)
    return taken


def _commit(session: Session, calls: list[Call]) -> None:
    answers: dict[Call, EventAccount | Exception] = {}
    try:
        answers = _answered(session, calls)
        applied = {c.recording_id for c, a in answers.items() if c.recording_id and isinstance(a, EventAccount)}
        for recording_id in sorted(applied):
            recording.close(driver(session), recording_id)
        session.commit()
    except (DBAPIError, psycopg.Error, HubError) as error:
        answers = dict.fromkeys(calls, error)
        raise
    finally:
        for call in calls:
            call.answer = answers.get(call) or Unavailable("The events were not taken. Send them again.")


def _answered(session: Session, group: list[Call]) -> dict[Call, EventAccount | Exception]:
    """The group's answers; where it fails as a whole, each call for itself, so that one cannot spoil the others."""
    organisation_id = group[0].to.organisation_id
    set_tenancy(session, Tenancy((organisation_id,), organisation_id))
    try:
        with session.begin_nested():
            return dict(zip(group, _applied(session, group), strict=True))
    except (DBAPIError, psycopg.Error, HubError) as error:
        if len(group) == 1:
            return {group[0]: error}
    return {call: answer for one in group for call, answer in _answered(session, [one]).items()}


def _applied(session: Session, group: Sequence[Call]) -> Iterable[EventAccount]:
    """Apply the calls not seen before; a call that comes twice in the group is applied once."""
    known = _known(session, [c.given.batch_id for c in group])
    fresh: dict[UUID, Call] = {}
    for call in group:
        same = fresh.get(call.given.batch_id)
        told = known.get(call.given.batch_id, (same.sha256, None) if same else None)
        if told and told[0] != call.sha256:
            raise Conflict(
                f"Batch {call.given.batch_id} is known with other lines. Every batch needs an id of its own."
            )
        if told is None:
            fresh[call.given.batch_id] = call
    accounts = {a.batch_id: a for _, a in known.values()}
    accounts |= {a.batch_id: a for a in apply_group(session, list(fresh.values()))} if fresh else {}
    return [accounts[call.given.batch_id] for call in group]


_KNOWN = text(
    "select id, sha256, state, rows_in, applied, unchanged, duplicate, quarantined from batch where id = any (:ids)"
)


def _known(session: Session, ids: list[UUID]) -> dict[UUID, tuple[str, EventAccount]]:
    return {
        r.id: (r.sha256, EventAccount(r.id, r.rows_in, r.applied, r.unchanged, r.duplicate, r.quarantined))
        for r in session.execute(_KNOWN, {"ids": ids})
    }
