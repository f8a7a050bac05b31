"""Events: numbered in order of visibility, once each, only to those who may read them, resumable, in time."""

from __future__ import annotations

import asyncio
import statistics
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from hub import outbox
from hub.columns import new_id
from hub.database import Tenancy, unit_of_work
from hub.models import Organisation
from hub.outbox import Broker, Event
from hub.sse import EventStream, last_event_id

GROUP = UUID("00000000-0000-7000-8000-000000000001")


@pytest.fixture
def plant(committed_db: Any) -> UUID:
    made = Organisation(id=new_id(), parent_id=GROUP, key="p", kind="subsidiary", name_zh="厂", name_en="Plant")
    with unit_of_work(committed_db.engine, Tenancy((GROUP, made.id), GROUP)) as session:
        session.add(made)
    return made.id


def write(db: Any, organisation: UUID, *numbers: int) -> None:
    with unit_of_work(db.engine, Tenancy((organisation,), organisation)) as session:
        for number in numbers:
            outbox.emit(session, "counted", organisation, {"n": number})


def live(db: Any, work: Callable[[Broker], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        broker = Broker(db.application_url)
        await broker.start()
        try:
            return await asyncio.wait_for(work(broker), 90)
        finally:
            await broker.stop()

    return asyncio.run(run())


async def listening(*brokers: Broker, count: int) -> None:
    """Until the listeners hear what is written from now on."""
    while any(len(broker._subscribers) < count for broker in brokers):
        await asyncio.sleep(0.01)


async def take(broker: Broker, readable: Any, after: int | None, count: int) -> list[Event]:
    events: list[Event] = []
    stream = broker.subscribe(lambda: readable, after)
    async for event in stream:
        events.append(event)
        if len(events) == count:
            break
    await stream.aclose()  # type: ignore[attr-defined]
    return events


def test_listener_gets_what_it_may_read_in_order_and_nothing_else(committed_db: Any, plant: UUID) -> None:
    async def work(broker: Broker) -> list[list[int]]:
        listeners = [asyncio.create_task(take(broker, who, None, n)) for who, n in ([(GROUP, plant), 4], [(plant,), 2])]
        await listening(broker, count=2)
        await asyncio.to_thread(write, committed_db, GROUP, 1, 2)
        await asyncio.to_thread(write, committed_db, plant, 3, 4)
        got = await asyncio.gather(*listeners)
        assert [event.id for event in got[0]] == sorted({event.id for event in got[0]})
        return [[event.payload["n"] for event in events] for events in got]

    everything, own = live(committed_db, work)
    assert sorted(everything) == [1, 2, 3, 4]
    assert sorted(own) == [3, 4]


def test_listener_resumes_after_the_last_id_it_saw(committed_db: Any, plant: UUID) -> None:
    write(committed_db, plant, *range(1, 1201))

    async def work(broker: Broker) -> tuple[list[Event], list[Event]]:
        everything = await take(broker, (plant,), 0, 1200)
        return everything, await take(broker, (plant,), everything[699].id, 500)

    everything, rest = live(committed_db, work)
    assert rest == everything[700:]
    assert len({event.id for event in everything}) == 1200


def test_listener_ahead_of_the_numbers_hears_what_comes_from_now_on(committed_db: Any, plant: UUID) -> None:
    """As a browser is after a restore."""

    async def work(broker: Broker) -> list[Event]:
        listener = asyncio.create_task(take(broker, (plant,), 1_000_000, 1))
        await listening(broker, count=1)
        await asyncio.to_thread(write, committed_db, plant, 5)
        return await asyncio.wait_for(listener, 30)

    assert [event.payload["n"] for event in live(committed_db, work)] == [5]


def test_uncommitted_events_are_not_seen_and_take_no_number_before_later_ones(committed_db: Any, plant: UUID) -> None:
    async def work(broker: Broker) -> list[int]:
        with Session(committed_db.engine, info={"tenancy": Tenancy((plant,), plant)}) as slow:
            outbox.emit(slow, "counted", plant, {"n": 1})
            await asyncio.to_thread(write, committed_db, plant, 2)
            first = await take(broker, (plant,), 0, 1)
            slow.commit()
        both = await take(broker, (plant,), 0, 2)
        assert both[0] == first[0]
        return [event.payload["n"] for event in both]

    assert live(committed_db, work) == [2, 1]


def test_ids_made_within_one_millisecond_sort_as_they_were_made(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(1_800_000_000_000_000_000, 1_800_000_000_002_000_000, 1_000))
    monkeypatch.setattr("hub.columns.time.time_ns", lambda: next(clock))
    ids = [new_id() for _ in range(2_000)]
    assert ids == sorted(ids)
    assert len(set(ids)) == 2_000
    assert {(one.version, one.variant) for one in ids} == {(7, uuid.RFC_4122)}


def test_two_processes_see_the_same_numbers(committed_db: Any, plant: UUID) -> None:
    async def work(broker: Broker) -> None:
        other = Broker(committed_db.application_url)
        await other.start()
        tasks = [asyncio.create_task(take(one, (plant,), None, 50)) for one in (broker, other)]
        await listening(broker, other, count=1)
        for number in range(50):
            await asyncio.to_thread(write, committed_db, plant, number)
        first, second = await asyncio.gather(*tasks)
        await other.stop()
        assert first == second

    live(committed_db, work)


def test_right_to_read_is_asked_again(committed_db: Any, plant: UUID, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "RECHECK_SECONDS", 0.1)
    answers: list[Any] = [(plant,), (plant,), None]

    async def work(broker: Broker) -> list[Event]:
        return [event async for event in broker.subscribe(lambda: answers.pop(0), 0)]

    assert live(committed_db, work) == []
    assert answers == []


def test_slow_listener_loses_nothing(committed_db: Any, plant: UUID, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "QUEUE_MAX", 5)

    async def work(broker: Broker) -> list[int]:
        got = []
        async for event in broker.subscribe(lambda: (plant,), 0):
            got.append(event.payload["n"])
            if len(got) == 1:
                for number in range(2, 41):
                    await asyncio.to_thread(write, committed_db, plant, number)
                await asyncio.sleep(0.5)
            if len(got) == 40:
                break
        return got

    write(committed_db, plant, 1)
    assert live(committed_db, work) == list(range(1, 41))


def test_what_came_after_an_overflow_waits_for_what_the_table_holds(
    plant: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "QUEUE_MAX", 2)
    subscriber = outbox._Subscriber(frozenset([plant]))
    for number in range(1, 5):
        subscriber.offer([Event(number, plant, "counted", {}, "", "{}")])
    assert asyncio.run(subscriber.next()) is None
    assert subscriber.take_overflow()


def test_relay_survives_a_lost_connection(committed_db: Any, plant: UUID, server: Any) -> None:
    async def work(broker: Broker) -> list[int]:
        with server.connect() as owner:
            owner.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'hub outbox'"
            )
        await asyncio.to_thread(write, committed_db, plant, 7)
        return [event.payload["n"] for event in await take(broker, (plant,), 0, 1)]

    assert live(committed_db, work) == [7]


def test_commit_reaches_fifty_listeners_in_time(committed_db: Any, plant: UUID) -> None:
    async def work(broker: Broker) -> list[float]:
        arrived: list[float] = []

        async def listen() -> None:
            async for event in broker.subscribe(lambda: (plant,)):
                arrived.append(time.time() - event.payload["n"])
                if event.payload["n"] == 0:
                    return

        listeners = [asyncio.create_task(listen()) for _ in range(50)]
        await listening(broker, count=50)
        for _ in range(40):
            await asyncio.to_thread(write, committed_db, plant, time.time())  # type: ignore[arg-type]
            await asyncio.sleep(0.02)
        await asyncio.to_thread(write, committed_db, plant, 0)
        await asyncio.gather(*listeners)
        return [late for late in arrived if late < 1000]

    lateness = live(committed_db, work)
    p95 = statistics.quantiles(lateness, n=20)[-1]
    print(f"p95 {p95 * 1000:.1f} ms of {len(lateness)}")  # noqa: T201
    assert len(lateness) == 2000
    # The bench holds the figure (0.2 s); here a machine busy with other tests must not fail it.
    assert p95 < 1


def test_old_events_are_forgotten(committed_db: Any, plant: UUID) -> None:
    write(committed_db, plant, 1)
    with unit_of_work(committed_db.engine, Tenancy((plant,))) as session:
        session.execute(text("select outbox_number(10)"))
        assert session.execute(text("select outbox_forget(1)")).scalar_one() == 0
        assert session.execute(text("select outbox_forget(0)")).scalar_one() == 1


def test_stream_is_server_sent_events_with_heartbeat() -> None:
    async def events() -> Any:
        yield Event(7, GROUP, "counted", {"n": 1}, "", '{"n":1}')
        await asyncio.sleep(0.15)
        yield Event(9, GROUP, "counted", {"n": 2}, "", '{"n":2}')

    async def read() -> str:
        return "".join([str(part) async for part in EventStream(events(), heartbeat=0.1).body_iterator])

    said = asyncio.run(read())
    assert said == (
        'retry: 2000\n\nid: 7\nevent: counted\ndata: {"n":1}\n\n: alive\n\nid: 9\nevent: counted\ndata: {"n":2}\n\n'
    )


@pytest.mark.parametrize(
    ("header", "number"),
    [("12", 12), (None, None), ("", None), ("-1", None), ("x", None), ("٣", None), ("9" * 30, None)],
)
def test_last_event_id(header: str | None, number: int | None) -> None:
    assert last_event_id(header) == number
