"""From a source's event to 50 subscribers: one line is posted as the agent posts it, and each of 50 open streams of
GET /v1/inventory/changes takes the time at which it hears of it."""

from __future__ import annotations

import asyncio
import json
import os
import time
from datetime import UTC, datetime
from typing import Any

import httpx

from benchmarks.harness import Deployment, deployment, milliseconds
from benchmarks.wire import Wire, post_json
from hub.columns import new_id

SUBSCRIBERS = 50
EVENTS = int(os.environ.get("HUB_BENCH_EVENTS", "200"))
PAUSE_SECONDS = 0.05
WARM = 20
PATIENCE_SECONDS = 30.0


def run() -> dict[str, Any]:
    with deployment() as hub:
        heard, answered, bare = asyncio.run(_measure(hub))
    return {
        "metrics": {
            "p95_ms": milliseconds(heard, 0.95),
            "p50_ms": milliseconds(heard, 0.5),
            "p99_ms": milliseconds(heard, 0.99),
            "answered_p95_ms": milliseconds(answered, 0.95),
            "subscribers": SUBSCRIBERS,
            "heard": len(heard),
        },
        "limit": {"name": "the write alone, nobody listening", "p95_ms": milliseconds(bare, 0.95)},
    }


async def _measure(hub: Deployment) -> tuple[list[float], list[float], list[float]]:
    """Seconds from post to each subscriber, from post to its answer, and of posts while nobody listens."""
    url = httpx.URL(hub.address)
    wire = Wire(url.host, url.port or 80)
    bare = [await _post(hub, wire, f"bare-{n}") for n in range(WARM + EVENTS // 2)][WARM:]
    posted: dict[str, float] = {}
    heard: dict[str, list[float]] = {}
    cookie = "; ".join(f"{name}={value}" for name, value in hub.client().cookies.items())
    ready = asyncio.Semaphore(0)
    listeners = [asyncio.create_task(_listen(url, cookie, heard, ready)) for _ in range(SUBSCRIBERS)]
    for _ in listeners:
        await ready.acquire()
    answered = []
    for n in range(WARM + EVENTS):
        name = f"event-{n}"
        posted[name] = time.perf_counter()
        answered.append(await _post(hub, wire, name))
        await asyncio.sleep(PAUSE_SECONDS)
    await _all_heard(heard, f"event-{WARM + EVENTS - 1}")
    for listener in listeners:
        listener.cancel()
    wire.close()
    late = [at - posted[f"event-{n}"] for n in range(WARM, WARM + EVENTS) for at in heard.get(f"event-{n}", [])]
    if len(late) != EVENTS * SUBSCRIBERS:
        raise RuntimeError(f"{EVENTS * SUBSCRIBERS - len(late)} of {EVENTS * SUBSCRIBERS} deliveries are missing.")
    return late, answered[WARM:], bare


async def _post(hub: Deployment, wire: Wire, name: str) -> float:
    """One receipt, answered when it is durable."""
    assert hub.agent is not None  # noqa: S101 - the deployment enrolled it
    at = datetime.now(UTC).isoformat()
    line = {"document": name, "line": "1", "item_id": name, "place_id": "W1", "status": "unrestricted", "unit": "C62",
            "quantity": "1", "kind": "receipt", "occurred_at": at, "booked_at": at}  # fmt: skip
    event = {"batch_id": str(new_id()), "system": "p00", "organisation": "p00", "stream": "stock_movements",
             "observed_at": at, "lines": [line]}  # fmt: skip
    began = time.perf_counter()
    await post_json(wire, "/v1/events", {"authorization": f"Bearer {hub.agent.token()}"}, event)
    return time.perf_counter() - began


async def _listen(url: httpx.URL, cookie: str, heard: dict[str, list[float]], ready: asyncio.Semaphore) -> None:
    """Reads one stream for ever; every event is counted in the order of its coming."""
    reader, writer = await asyncio.open_connection(url.host, url.port, limit=1 << 22)
    lines = (
        "GET /v1/inventory/changes HTTP/1.1",
        f"host: {url.host}",
        "accept: text/event-stream",
        f"cookie: {cookie}",
    )
    writer.write("\r\n".join((*lines, "", "")).encode())
    count = 0
    async for raw in reader:
        if raw.startswith(b"retry:"):
            ready.release()
        elif raw.startswith(b"data:") and json.loads(raw[5:])["count"]:
            heard.setdefault(f"event-{count}", []).append(time.perf_counter())
            count += 1


async def _all_heard(heard: dict[str, list[float]], last: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while len(heard.get(last, [])) < SUBSCRIBERS and time.monotonic() < deadline:
        await asyncio.sleep(0.05)
