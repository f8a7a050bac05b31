"""The agent's door for pushing systems: nothing is lost once answered 202, nothing is taken otherwise."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from connectors.sources import Abort, open_source

SECRET = "s3cret-push"
MOVES = {"match": {"event": ["receipt"]}, "columns": ["event", "n"], "cursor": "_seq"}
COUNTS = {"match": {"event": ["count"]}, "columns": ["event", "n"], "cursor": "_seq"}


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Any]:
    made: Any = open_source("push", {"listen": "127.0.0.1:0", "secret": SECRET}, state=tmp_path)
    made.start()
    yield made
    made.close()


def post(source: Any, body: str | bytes, secret: str = SECRET) -> httpx.Response:
    return httpx.post(f"http://127.0.0.1:{source.port}/events", content=body, headers={"X-Push-Secret": secret})


def event(kind: str, n: int) -> str:
    return json.dumps({"event": kind, "n": n})


def rows(source: Any, table: dict[str, Any], since: str | None = None) -> list[tuple[Any, ...]]:
    return [row[:3] for page in source.read(table, since) for row in page.rows]


@pytest.mark.parametrize(
    ("body", "secret", "status", "words"),
    [
        (event("receipt", 1), "wrong", 401, "X-Push-Secret"),
        (event("receipt", 1) + "\n{broken", SECRET, 400, "Line 2 is no JSON in UTF-8; nothing of this call"),
        ("[1, 2]", SECRET, 400, "Line 1 is no JSON object"),
        (b"\xff\xfe", SECRET, 400, "Line 1"),
        ("\n\n", SECRET, 400, "No event"),
        ('{"n": "' + "x" * (9 << 20) + '"}', SECRET, 413, "send the lines in parts"),
    ],
)
def test_what_is_refused_leaves_nothing(source: Any, body: Any, secret: str, status: int, words: str) -> None:
    answer = post(source, body, secret)
    assert (answer.status_code, words in answer.json()["error"]) == (status, True)
    assert SECRET not in answer.text
    assert rows(source, MOVES) == [] and not source.arrived.is_set()


def test_events_outlive_the_agent_and_go_once_their_table_has_passed(source: Any, tmp_path: Path) -> None:
    lines = "\n".join([event("receipt", 1), event("count", 2), event("receipt", 3)])
    assert post(source, lines).status_code == 202
    source.close()
    again: Any = open_source("push", {"listen": "127.0.0.1:0", "secret": SECRET}, state=tmp_path)
    assert rows(again, MOVES) == [("receipt", Decimal(1), 1), ("receipt", Decimal(3), 3)]
    assert rows(again, MOVES, "3") == [("receipt", Decimal(3), 3)]
    assert rows(again, COUNTS) == [("count", Decimal(2), 2)]
    assert rows(again, MOVES) == [("receipt", Decimal(3), 3)]
    again.close()


def test_numbers_keep_their_digits(source: Any) -> None:
    post(source, '{"event": "receipt", "n": 0.10000000000000000001}')
    assert rows(source, MOVES)[0][1] == Decimal("0.10000000000000000001")


def test_arrival_wakes_the_one_who_waits(source: Any) -> None:
    woken = threading.Event()
    threading.Thread(target=lambda: source.arrived.wait(5) and woken.set(), daemon=True).start()
    post(source, event("receipt", 1))
    assert woken.wait(1)


def test_many_senders_at_once_lose_nothing(source: Any) -> None:
    def send(k: int) -> None:
        for n in range(10):
            assert post(source, event("receipt", k * 100 + n)).status_code == 202

    senders = [threading.Thread(target=send, args=(k,)) for k in range(4)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    got = rows(source, MOVES)
    assert sorted(int(n) for _, n, _ in got) == sorted(k * 100 + n for k in range(4) for n in range(10))
    assert [seq for *_, seq in got] == list(range(1, 41))


def test_a_taken_address_is_said(source: Any, tmp_path: Path) -> None:
    other: Any = open_source("push", {"listen": f"127.0.0.1:{source.port}", "secret": SECRET}, state=tmp_path / "other")
    with pytest.raises(Abort, match=f"{source.port} is taken"):
        other.start()
    other.close()
