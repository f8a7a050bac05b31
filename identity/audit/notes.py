"""How events reach the table: within the caller's transaction, or through the process's queue, which nobody waits for
and which drops nothing: what finds it full is written at once."""

from __future__ import annotations

import json
import queue
import threading
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

import structlog
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.orm import Session

Event = Mapping[str, Any]

# Under this name a session of the application carries its process's writer.
INFO: Final = "notes"
QUEUE_MAX, BATCH = 10_000, 1_000
# How long the first of a batch waits for others; the whole way takes less than a second.
LINGER_SECONDS = 0.25
AGAIN_SECONDS, GIVE_UP_SECONDS = 0.5, 15.0

_RECORD = text("select audit_record(cast(:events as jsonb))")
_BIND = text("select set_config('hub.person', :id, true)")

log = structlog.get_logger(__name__)


def insert(session: Session, events: Sequence[Event]) -> None:
    """Into the caller's transaction, which must be bound to the events' actor."""
    session.execute(_RECORD, {"events": json.dumps(events)})


def write(bind: Engine | Connection, events: Sequence[Event]) -> None:
    """In a transaction of its own, bound to one actor after another."""
    by_actor: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        by_actor[event["actor"] or ""].append(event)
    with Session(bind, join_transaction_mode="create_savepoint") as session, session.begin():
        for actor, theirs in by_actor.items():
            session.execute(_BIND, {"id": actor})
            insert(session, theirs)


class Notes:
    """One per process: a thread that writes what is put, in batches. A database that is away is waited for."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._queue: queue.Queue[Event | None] = queue.Queue(QUEUE_MAX)
        self._guard = threading.Lock()
        self._stopped_at: float | None = None
        self._thread = threading.Thread(target=self._run, name="audit notes", daemon=True)
        self._thread.start()

    def put(self, event: Event) -> bool:
        """False: the queue is full, or the process ends; the caller writes for itself."""
        with self._guard:
            if self._stopped_at is not None:
                return False
            try:
                self._queue.put_nowait(event)
            except queue.Full:
                return False
        return True

    def stop(self) -> None:
        """Returns when all that was put is written, or after 15 s of a database that is away: then it is in the log."""
        with self._guard:
            # Nothing comes after the end.
            self._stopped_at = time.monotonic()
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        is_open = True
        while is_open:
            batch, is_open = self._gather()
            self._write(batch)

    def _gather(self) -> tuple[list[Event], bool]:
        """The next batch, and whether more may come."""
        batch: list[Event] = []
        ends: float | None = None
        while len(batch) < BATCH:
            try:
                event = self._queue.get(timeout=None if ends is None else max(ends - time.monotonic(), 0))
            except queue.Empty:
                break
            if event is None:
                return batch, False
            batch.append(event)
            ends = ends or time.monotonic() + LINGER_SECONDS
        return batch, True

    def _write(self, batch: Sequence[Event]) -> None:
        while batch:
            try:
                return write(self._engine, batch)
            except (OperationalError, InterfaceError) as error:
                if self._stopped_at is not None and time.monotonic() > self._stopped_at + GIVE_UP_SECONDS:
                    return _lose(batch, error)
                time.sleep(AGAIN_SECONDS)
            except SQLAlchemyError as error:
                if len(batch) == 1:
                    return _lose(batch, error)
                for event in batch:
                    self._write([event])
                return None
        return None


def _lose(batch: Sequence[Event], error: SQLAlchemyError) -> None:
    """Not without a trace: the process's log is all that is left."""
    for event in batch:
        log.error("audit_note_not_written", event_of_audit=dict(event), error=str(error.args[0]) if error.args else "")
