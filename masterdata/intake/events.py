"""Single events: applied at once in the API, without a gate, the answer as durable as the facts. Calls that arrive
while a transaction of their feed runs are committed together by the next one (group commit)."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from uuid import UUID

import psycopg
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from hub.cache import Asked
from hub.database import Tenancy, set_tenancy
from hub.errors import Conflict, HubError, Unprocessable
from identity.principal import Principal
from masterdata.intake import upload
from masterdata.intake.event_batches import Call, apply_group
from masterdata.intake.schemas import EventAccount, EventsIn
from masterdata.intake.writing import driver
from masterdata.ledger import recording
from masterdata.ledger.batch import lock

# Lines one transaction takes on; more wait for the next.
GROUP_LINES = 4_096
FEEDS_AT_ONCE = 4


_deliveries: Asked[upload.Delivery] = Asked(2)


async def prepare(session: Session, agent: Principal, given: EventsIn) -> Call:
    """The call, held to the agent's grant and the clock."""
    known = (agent.id, given.system, given.organisation)
    to = await _deliveries.get(known, lambda: run_in_threadpool(_delivery, session, agent, given))
    upload.check_clock(given.observed_at, given.system)
    return Call(given, to, agent.id, _body(given))


def _delivery(session: Session, agent: Principal, given: EventsIn) -> upload.Delivery:
    """Ends the transaction, so that no connection waits with the call."""
    to = upload.delivery(session, agent, given.system, given.organisation)
    session.commit()
    return to


class Writer:
    """Applies calls as they come: those of one feed in one transaction after another, up to four feeds side by side. A
    transaction holds calls of one feed alone: a second system's lock could deadlock with a worker."""

    def __init__(self, new_session: Callable[[], Session]) -> None:
        self._new_session = new_session
        self._waiting: dict[tuple[str, ...], deque[Call]] = {}
        self._guard = threading.Lock()
        self._threads = ThreadPoolExecutor(FEEDS_AT_ONCE, "events")

    def apply(self, call: Call) -> Future[EventAccount]:
        """The answer, once it is durable. The same batch id again gets the same answer; fails with Conflict where it
        named other lines."""
        with self._guard:
            waiting = self._waiting.get(call.feed)
            if waiting is None:
                # The thread waits at the guard; where none can be had, nobody is left waiting for it.
                self._threads.submit(self._work, call.feed)
                self._waiting[call.feed] = deque([call])
            else:
                waiting.append(call)
        return call.answer

    def _work(self, feed: tuple[str, ...]) -> None:
        while to := self._next(feed):
            self._commit(feed, to)

    def _next(self, feed: tuple[str, ...]) -> upload.Delivery | None:
        """Whose lock the feed's next transaction needs; None: the feed is done for now."""
        with self._guard:
            waiting = self._waiting[feed]
            if waiting:
                return waiting[0].to
            del self._waiting[feed]
            return None

    def _take(self, feed: tuple[str, ...]) -> list[Call]:
        """A transaction's worth of the feed's calls."""
        taken: list[Call] = []
        lines = 0
        with self._guard:
            waiting = self._waiting[feed]
            while waiting and (not taken or lines + len(waiting[0].given.lines) <= GROUP_LINES):
                taken.append(waiting.popleft())
                lines += len(taken[-1].given.lines)
        return taken

    def _commit(self, feed: tuple[str, ...], to: upload.Delivery) -> None:
        """The calls are taken once the lock is held: whoever came while another transaction ran goes along."""
        calls: list[Call] = []
        answers: dict[Call, EventAccount | Exception]
        try:
            with self._new_session() as session:
                set_tenancy(session, Tenancy((to.organisation_id,), to.organisation_id))
                lock(driver(session), to.organisation_id, to.system_id)
                calls = self._take(feed)
                answers = _answered(session, calls)
                applied = {c.recording_id for c, a in answers.items() if c.recording_id and isinstance(a, EventAccount)}
                for recording_id in sorted(applied):
                    recording.close(driver(session), recording_id)
                session.commit()
        except Exception as error:  # noqa: BLE001 - whatever it is, every caller is told
            calls = calls or self._take(feed)
            answers = dict.fromkeys(calls, error)
        for call in calls:
            answer = answers[call]
            if not call.answer.set_running_or_notify_cancel():
                continue
            if isinstance(answer, Exception):
                call.answer.set_exception(answer)
            else:
                call.answer.set_result(answer)


def _body(given: EventsIn) -> bytes:
    try:
        return json.dumps(given.lines, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError as error:
        raise Unprocessable("A line holds half of a surrogate pair, which is no character.") from error


def _answered(session: Session, group: list[Call]) -> dict[Call, EventAccount | Exception]:
    """The group's answers; where it fails as a whole, each call for itself, so that one cannot spoil the others."""
    try:
        with session.begin_nested():
            return dict(zip(group, _applied(session, group), strict=True))
    except (DBAPIError, psycopg.Error, HubError) as error:
        if len(group) == 1:
            return {group[0]: error}
    return {call: answer for one in group for call, answer in _answered(session, [one]).items()}


def _applied(session: Session, group: Sequence[Call]) -> Iterable[EventAccount]:
    """Apply the calls not seen before; a call that comes twice, to this process or to two, is applied once."""
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
