"""Events: written with the change they tell of, numbered in the order of visibility by one relay, read once per
process and handed to every subscriber who may read their organisation. Kept 7 days, so a listener may resume."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg
import structlog
from psycopg import sql
from sqlalchemy.orm import Session

from hub import metrics
from hub.columns import new_id
from hub.models import Outbox
from hub.trace import traceparent

log = structlog.get_logger("hub.outbox")

RELAY_LOCK = 7_240_002
PAGE = 500
QUEUE_MAX = 2_000
# What a listener loses, its stream loses well within five seconds.
RECHECK_SECONDS = 3.0
# Notifications wake the relay; this look catches what a lost connection may have swallowed.
LOOK_SECONDS = 1.0
COLUMNS = "seq, organisation_id, topic, payload, traceparent"

# Which organisations a listener may read now; None: no longer any, the stream ends.
Readable = Callable[[], Collection[UUID] | None]


@dataclass(frozen=True, slots=True)
class Event:
    """`id` grows in the order in which events became visible; `data` is the payload as JSON."""

    id: int
    organisation_id: UUID
    topic: str
    payload: Mapping[str, Any]
    traceparent: str
    data: str


def emit(session: Session, topic: str, organisation_id: UUID, payload: Mapping[str, Any]) -> None:
    """Tell of a change in its own transaction. Above 1,000 changed keys the caller sends one summary instead."""
    session.add(
        Outbox(
            id=new_id(),
            organisation_id=organisation_id,
            topic=topic,
            payload=dict(payload),
            traceparent=traceparent(),
        )
    )
    session.flush()


class Broker:
    """One per process: follows the outbox of the database at `url` and feeds the subscribers."""

    def __init__(self, url: str = "") -> None:
        self._url = url
        self._subscribers: set[_Subscriber] = set()
        self._last = 0
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._last = await self._newest()
        self._task = asyncio.create_task(self._run(), name="outbox relay")

    async def stop(self) -> None:
        for subscriber in list(self._subscribers):
            subscriber.close()
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def subscribe(self, readable: Readable, after_id: int | None = None) -> AsyncIterator[Event]:
        """Events of the readable organisations after `after_id` (None, or a number not given yet, as after a restore:
        from now on), each once, in order, until the caller stops or `readable` answers None. `readable` is asked again
        every 3 s, in a thread."""
        if after_id is not None and after_id > self._last and after_id > await self._newest():
            after_id = None
        subscriber = _Subscriber(await _ask(readable))
        self._subscribers.add(subscriber)
        metrics.SUBSCRIBERS.inc()
        last = self._last if after_id is None else after_id
        checker = asyncio.create_task(_recheck(subscriber, readable))
        try:
            while not subscriber.closed:
                if subscriber.take_overflow() or after_id is not None:
                    after_id = None
                    async for event in self._stored(subscriber, last):
                        last = event.id
                        yield event
                live = await subscriber.next()
                if live is not None and live.id > last:
                    last = live.id
                    yield live
        finally:
            checker.cancel()
            self._subscribers.discard(subscriber)
            metrics.SUBSCRIBERS.dec()

    async def _stored(self, subscriber: _Subscriber, after: int) -> AsyncIterator[Event]:
        """What the table holds, page by page; a connection is held for one page only."""
        while not subscriber.closed:
            events = await self._page(after, sorted(subscriber.readable))
            for event in events:
                if event.organisation_id in subscriber.readable:
                    yield event
            if len(events) < PAGE:
                return
            after = events[-1].id

    async def _page(self, after: int, readable: Sequence[UUID]) -> list[Event]:
        async with await self._connect() as connection, connection.transaction():
            await _bind(connection, readable)
            return await _read(connection, after)

    async def _newest(self) -> int:
        """The last number given, by whichever process."""
        async with await self._connect() as connection:
            row = await (await connection.execute("select last_value, is_called from outbox_seq")).fetchone()
        return row[0] if row and row[1] else 0

    async def _connect(self) -> psycopg.AsyncConnection[Any]:
        return await psycopg.AsyncConnection.connect(self._url, autocommit=True, application_name="hub outbox")

    async def _run(self) -> None:
        """Follow for ever; a database that is away is awaited."""
        while True:
            try:
                async with await self._connect() as connection:
                    await self._follow(connection)
            except psycopg.Error as error:
                log.warning("outbox_relay_interrupted", error=str(error))
                await asyncio.sleep(LOOK_SECONDS)

    async def _follow(self, connection: psycopg.AsyncConnection[Any]) -> None:
        await connection.execute("listen outbox")
        await connection.execute("listen outbox_numbered")
        leads = False
        while True:
            leads = leads or await _try_lead(connection)
            if leads:
                while await _number(connection):
                    pass
            await self._catch_up(connection)
            async for _ in connection.notifies(timeout=LOOK_SECONDS, stop_after=1):
                pass

    async def _catch_up(self, connection: psycopg.AsyncConnection[Any]) -> None:
        events: list[Event] = []
        while not events or len(events) == PAGE:
            async with connection.transaction():
                row = await (await connection.execute("select all_organisations()")).fetchone()
                await _bind(connection, row[0] if row else ())
                events = await _read(connection, self._last)
            if not events:
                return
            self._last = events[-1].id
            metrics.EVENTS.inc(len(events))
            for subscriber in self._subscribers:
                subscriber.offer(events)


class _Subscriber:
    def __init__(self, readable: frozenset[UUID] | None) -> None:
        self.readable: frozenset[UUID] = readable or frozenset()
        self.closed = readable is None
        self._waiting: deque[Event] = deque()
        self._wake = asyncio.Event()
        self._overflow = False

    def offer(self, events: Sequence[Event]) -> None:
        mine = [event for event in events if event.organisation_id in self.readable]
        if not mine:
            return
        if len(self._waiting) + len(mine) > QUEUE_MAX:
            # Too slow for memory: it goes on from the table, at its own pace.
            self._waiting.clear()
            self._overflow = True
        else:
            self._waiting.extend(mine)
        self._wake.set()

    def take_overflow(self) -> bool:
        overflow, self._overflow = self._overflow, False
        return overflow

    async def next(self) -> Event | None:
        """The next event; None when there is something else to do: an overflow or the end."""
        while not self._waiting or self._overflow:
            if self.closed or self._overflow:
                return None
            self._wake.clear()
            await self._wake.wait()
        event = self._waiting.popleft()
        return event if event.organisation_id in self.readable else None

    def close(self) -> None:
        self.closed = True
        self._waiting.clear()
        self._wake.set()


async def _ask(readable: Readable) -> frozenset[UUID] | None:
    answer = await asyncio.to_thread(readable)
    return None if answer is None else frozenset(answer)


async def _recheck(subscriber: _Subscriber, readable: Readable) -> None:
    while True:
        await asyncio.sleep(RECHECK_SECONDS)
        try:
            now = await _ask(readable)
        # Who cannot be asked whether they may still read must not read on.
        except Exception:
            log.warning("outbox_recheck_failed", exc_info=True)
            now = None
        if now is None:
            subscriber.close()
            return
        subscriber.readable = now


async def _bind(connection: psycopg.AsyncConnection[Any], readable: Sequence[UUID]) -> None:
    await connection.execute("select set_config('hub.orgs', %s, true)", ["{" + ",".join(map(str, readable)) + "}"])


async def _read(connection: psycopg.AsyncConnection[Any], after: int) -> list[Event]:
    query = sql.SQL("select {} from outbox where seq > %s order by seq limit {}").format(sql.SQL(COLUMNS), PAGE)
    rows = await (await connection.execute(query, [after])).fetchall()
    return [
        Event(
            seq, organisation_id, topic, payload, trace, json.dumps(payload, ensure_ascii=False, separators=(",", ":"))
        )
        for seq, organisation_id, topic, payload, trace in rows
    ]


async def _try_lead(connection: psycopg.AsyncConnection[Any]) -> bool:
    row = await (await connection.execute("select pg_try_advisory_lock(%s)", [RELAY_LOCK])).fetchone()
    return bool(row and row[0])


async def _number(connection: psycopg.AsyncConnection[Any]) -> bool:
    """Number what is committed; True when there may be more. Other processes are told."""
    row = await (
        await connection.execute(
            "with n as (select seq from outbox_number(%s)) select count(*), "
            "case when count(*) > 0 then pg_notify('outbox_numbered', max(seq)::text)::text end from n",
            [PAGE],
        )
    ).fetchone()
    return bool(row and row[0] == PAGE)
