"""The agent at work: pushed events pass at once, feeds keep their timetable, one that fails leaves the others."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from connectors.cli import open_agent
from connectors.mapping import loads
from connectors.runner import Agent
from connectors.sources.push import PushSource
from connectors.spool import StreamState
from connectors.streams import Plan
from tests.connectors.conftest import MAPPING, change
from tests.connectors.fake_hub import FakeHub, Running

PUSH = """\
source: push
zone: UTC
tables:
  events: {columns: [doc, item, qty, _seq, _received_at], cursor: _seq}
streams:
  stock_movements:
    from: events e
    fields: {document: e.doc, line: "'1'", item_id: e.item, place_id: "'W'", unit: "'C62'", status: "'unrestricted'",
             quantity: e.qty, kind: "'receipt'", occurred_at: e._received_at, booked_at: e._received_at}
"""


@contextmanager
def at_work(config: Path) -> Iterator[Agent]:
    agent = open_agent(config)
    agent.start()
    try:
        yield agent
    finally:
        agent.close()


def until(fact: Callable[[], object], seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def test_pushed_events_pass_at_once_and_wait_while_the_hub_is_away(
    config: Path, plant: Path, hub: FakeHub, running: Running
) -> None:
    (plant / "plant.yaml").write_text(PUSH, "utf-8")
    text = config.read_text("utf-8").split("  connection:")[0]
    config.write_text(text + "  connection: {listen: '127.0.0.1:0', secret: s3cret}\n", "utf-8")
    with at_work(config) as agent:
        source = agent.systems[0].source()
        assert isinstance(source, PushSource)
        until(lambda: source.port)

        def push(number: int) -> None:
            event = {"doc": f"D{number}", "item": "A", "qty": number}
            url, secret = f"http://127.0.0.1:{source.port}/events", {"X-Push-Secret": "s3cret"}
            assert httpx.post(url, json=event, headers=secret).status_code == 202

        push(1)
        until(lambda: len(hub.events) == 1)
        hub.faults = [503]
        push(2)
        until(lambda: len(hub.events) == 2)
    got = [line["document"] for body in hub.events.values() for line in body["lines"]]
    assert got == ["D1", "D2"]


def test_a_full_disk_ends_no_thread_and_is_said(config: Path, hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("connectors.spool.Spool.purge", full)
    monkeypatch.setattr("connectors.runner.Agent._keep", full)
    with at_work(config) as agent:
        until(lambda: "No space left" in (agent.systems[0].hub_error or ""))
        until(lambda: [h for h in hub.health if "No space left" in str(h.get("error"))])
        assert all(thread.is_alive() for thread in agent._threads)


def test_a_door_that_lacks_a_variable_says_so_and_opens_once_it_is_there(
    config: Path, plant: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.runner.IDLE_SECONDS", 0.05)
    (plant / "plant.yaml").write_text(PUSH, "utf-8")
    text = config.read_text("utf-8").split("  connection:")[0]
    config.write_text(text + "  connection: {listen: '127.0.0.1:0', secret: '${ENV:DOOR_SECRET}'}\n", "utf-8")
    with at_work(config) as agent:
        plan = agent.systems[0].plans["stock_movements"]
        until(lambda: "DOOR_SECRET" in (plan.health.last_error or ""))
        monkeypatch.setenv("DOOR_SECRET", "s3cret")
        until(lambda: plan.health.last_error is None)


def test_feeds_keep_their_timetable_and_a_broken_one_leaves_the_others(config: Path, plant: Path, hub: FakeHub) -> None:
    change(plant, "alter table stock rename to gone")
    with at_work(config) as agent:
        until(lambda: hub.tables("stock_movements"))
        until(lambda: agent.systems[0].plans["stock_positions"].health.last_error)
        change(plant, "insert into moves values (2, 'A', 'W1', 9, '2026-02-01')")
        until(lambda: [t for _, t in hub.tables("stock_movements") if t["quantity"].to_pylist() == [9]])
        until(lambda: [h for h in hub.health if h["systems"][0]["streams"][0]["last_error"]])
    assert hub.tables("stock_positions") == []


def test_a_plan_reads_whole_first_then_by_its_cursor_then_whole_again() -> None:
    made = loads("p", MAPPING.replace("every: 1s", "every: 5s"), {"organisation": "q", "system": "s"})
    now = datetime(2026, 3, 1, tzinfo=UTC)
    plan = Plan(made, "stock_movements")
    assert plan.next_read(now) == (now, "full")
    plan.succeeded(now, "full", 1)
    assert plan.next_read(now) == (now + timedelta(seconds=5), "incremental")
    later = now + timedelta(days=1)
    plan.last_read = later
    assert plan.next_read(later) == (later, "full")


def test_a_clock_that_was_ahead_stops_no_feed_and_is_said() -> None:
    made = loads("p", MAPPING, {"organisation": "q", "system": "s"})
    now, ahead = datetime(2026, 3, 1, tzinfo=UTC), "2031-03-01T00:00:00+00:00"
    plan = Plan.resume(made, "stock_movements", StreamState(read_at=ahead, full_at=ahead))
    plan.not_before = datetime.fromisoformat(ahead)
    assert plan.next_read(now) == (now, "full")
    plan.succeeded(now, "full", 1)
    assert plan.next_read(now) == (now + timedelta(seconds=1), "incremental")
    assert "clock was once ahead, at 2031-03-01" in plan.health.report("stock_movements")["note"]


def test_a_plan_waits_longer_for_a_person_than_for_a_line() -> None:
    made = loads("p", MAPPING, {"organisation": "q", "system": "s"})
    plan = Plan(made, "stock_movements")
    plan.failed("no rights", retry=False)
    assert plan.not_before and 55 < (plan.not_before - datetime.now(UTC)).total_seconds() <= 60
    plan.failed("the line is down", retry=True)
    assert plan.not_before and (plan.not_before - datetime.now(UTC)).total_seconds() < 3
    assert plan.health.failures == 2
