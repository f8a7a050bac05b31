"""Every GET, of the reference and of the pages, at 50 callers with a second of thought between calls; streams and
exports by their first byte. The closed loop (no thought) is reported beside it, and the slowest are listed."""

from __future__ import annotations

import asyncio
import os
import random
import re
import time
from dataclasses import dataclass, field
from typing import Any

import httpx

from benchmarks.harness import Deployment, deployment, milliseconds, percentile
from benchmarks.stock import Size, seed
from benchmarks.wire import Wire

CALLERS = 50
THOUGHT_SECONDS = 1.0
ROUND_SECONDS = float(os.environ.get("HUB_BENCH_SECONDS", "120"))
CLOSED_SECONDS = ROUND_SECONDS / 4
SIZE = Size(each=700, materials=3_000, places=4, movements=25)
PLANTS = 7
SHOWN = 10
SEED = 20_261_122
STREAMED = ("/export", "/changes", "/body")
# Queries without which an endpoint refuses.
NEEDED = {"/v1/holders": "?q=%E8%BD%B4%E6%89%BF", "/v1/search": "?q=bolt", "/search": "?q=%E8%9E%BA%E6%A0%93"}
# Not a reader's: metrics are the machine's own, health has no data.
LEFT_OUT = re.compile(r"^/(static|metrics|healthz|readyz|docs|redoc)")


@dataclass(slots=True)
class Taken:
    """Seconds per endpoint, and what did not answer 2xx or 3xx."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)

    def worst(self, share: float) -> list[tuple[str, float]]:
        found = {path: percentile(values, share) * 1_000 for path, values in self.seconds.items()}
        return sorted(found.items(), key=lambda item: -item[1])

    @property
    def every(self) -> list[float]:
        return [second for values in self.seconds.values() for second in values]


def run() -> dict[str, Any]:
    with deployment(plants=PLANTS) as hub:
        seed(hub, SIZE)
        paths, skipped = _paths(hub)
        cookie = _cookie(hub)
        asyncio.run(_load(hub, paths, cookie, min(20.0, ROUND_SECONDS / 4), 0.2))
        calm = asyncio.run(_load(hub, paths, cookie, ROUND_SECONDS, THOUGHT_SECONDS))
        closed = asyncio.run(_load(hub, paths, cookie, CLOSED_SECONDS, 0.0))
    worst = calm.worst(0.99)
    return {
        "metrics": {
            "worst_p99_ms": round(worst[0][1], 1),
            "p99_ms": milliseconds(calm.every, 0.99),
            "p50_ms": milliseconds(calm.every, 0.5),
            "calls": len(calm.every),
            "endpoints": len(paths),
            "slowest": {path: round(ms, 1) for path, ms in worst[:SHOWN]},
            "closed_per_s": round(len(closed.every) / CLOSED_SECONDS),
            "closed_p99_ms": milliseconds(closed.every, 0.99),
            "refused": calm.refused,
            "left_out": skipped,
        },
    }


def _paths(hub: Deployment) -> tuple[dict[str, str], list[str]]:
    """Route → an address of it that exists; and the routes that could not be filled, which is told, not hidden."""
    values = _values(hub)
    found, skipped = {}, []
    for route in _routes():
        if LEFT_OUT.match(route):
            continue
        try:
            found[route] = route.format(**values) + NEEDED.get(route, "")
        except KeyError:
            skipped.append(route)
    return found, skipped


def _routes() -> list[str]:
    """Every path that answers GET, included routers opened."""
    from hub.app import create_app

    pending: list[Any] = list(create_app().routes)
    paths: set[str] = set()
    while pending:
        route = pending.pop()
        if "GET" in (getattr(route, "methods", None) or ()):
            paths.add(route.path.replace(":path", ""))
        included = getattr(route, "original_router", None)
        pending += included.routes if included is not None else []
    return sorted(paths)


def _values(hub: Deployment) -> dict[str, Any]:
    with hub.owner() as owner:
        row = owner.execute(
            "select p.id, p.organisation_id, p.batch_id, p.row_no, p.place_id, g.number, s.key from position p"
            " join source_material m on m.id = p.material_id join golden_material g on g.id = m.golden_id"
            " join source_system s on s.id = p.system_id where g.rule <> 'own' order by p.id limit 1"
        ).fetchone()
        agent = owner.execute("select id from agent limit 1").fetchone()
        person = owner.execute("select id from person limit 1").fetchone()
    if row is None or agent is None or person is None:
        raise RuntimeError("The seed made no stock.")
    position, organisation, batch, row_no, place, number, key = row
    return {
        "position_id": position, "organisation_id": organisation, "batch_id": batch, "row_no": row_no, "key": key,
        "place_id": place, "number": number, "form": "csv", "agent_id": agent[0], "person_id": person[0], "system": key,
        "organisation": organisation,
    }  # fmt: skip


def _cookie(hub: Deployment) -> str:
    """Head office: it reads the most."""
    return "; ".join(f"{name}={value}" for name, value in hub.client().cookies.items())


async def _load(hub: Deployment, paths: dict[str, str], cookie: str, seconds: float, thought: float) -> Taken:
    taken, ends = Taken(), time.monotonic() + seconds
    order = list(paths)

    async def caller(number: int) -> None:
        chance = random.Random(SEED + number)
        url = httpx.URL(hub.address)
        wire = Wire(url.host, url.port or 80)
        await asyncio.sleep(chance.random() * thought)
        turn = number * 7
        while time.monotonic() < ends:
            route = order[turn % len(order)]
            turn += 1
            await _call(wire, route, paths[route], cookie, taken)
            await asyncio.sleep(thought)
        wire.close()

    await asyncio.gather(*(caller(number) for number in range(CALLERS)))
    return taken


async def _call(wire: Wire, route: str, path: str, cookie: str, taken: Taken) -> None:
    headers = {"cookie": cookie}
    if not route.startswith("/v1"):
        headers["accept"] = "text/html"
    began = time.perf_counter()
    if any(part in route for part in STREAMED):
        status = await _first_byte(wire, path, headers)
    else:
        status, _ = await wire.request("GET", path, headers)
    seconds = time.perf_counter() - began
    if status < 400:
        taken.seconds.setdefault(route, []).append(seconds)
    else:
        name = f"{route} {status}"
        taken.refused[name] = taken.refused.get(name, 0) + 1


async def _first_byte(wire: Wire, path: str, headers: dict[str, str]) -> int:
    """Over a connection of its own, which is given up."""
    reader, writer = await asyncio.open_connection(wire.host, wire.port)
    lines = [f"GET {path} HTTP/1.1", f"host: {wire.host}", *(f"{name}: {value}" for name, value in headers.items())]
    writer.write("\r\n".join((*lines, "", "")).encode())
    status = int((await reader.readline()).split()[1])
    while (await reader.readline()).strip():
        pass
    await reader.read(1)
    writer.close()
    return status
