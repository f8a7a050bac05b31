"""Who holds X, and a page of 10,000 golden rows: 50 organisations, 1,000,000 positions, 200,000 source materials, over
HTTP with row security on. Limit: the same service answering a question that needs no table."""

from __future__ import annotations

import os
import random
import time
from typing import Any
from urllib.parse import quote

import httpx

from benchmarks.harness import Deployment, deployment, milliseconds, percentile
from benchmarks.stock import Size, seed

SCALE = float(os.environ.get("HUB_BENCH_SCALE", "1"))
PLANTS = max(2, round(50 * SCALE))
SIZE = Size(each=round(4_000 * min(1.0, SCALE * 2)), materials=round(100_000 * SCALE), places=5)
QUESTIONS, PAGES, WARM = 400, 10, 30
ROWS = 10_000
SEED = 20_261_122
NAMES = ("轴承", "螺栓", "密封", "O形圈", "闸阀", "bearing", "bolt")


def run() -> dict[str, Any]:
    with deployment(plants=PLANTS) as hub:
        matching = seed(hub, SIZE)
        group, plant = hub.client(), hub.client("p01@bench.example")
        asked = _questions(hub)
        answers = [_timed(group, path) for path in asked][WARM:]
        own = [_timed(plant, path) for path in asked if path.startswith("/v1/holders")][WARM:]
        bare = [_timed(group, "/healthz") for _ in range(200)]
        pages = _pages(group)
        with hub.owner() as owner:
            row = owner.execute(
                "select (select count(*) from position), (select count(*) from source_material)"
            ).fetchone()
    positions, materials = row or (0, 0)
    return {
        "metrics": {
            "p95_ms": milliseconds(answers, 0.95),
            "p50_ms": milliseconds(answers, 0.5),
            "plant_p95_ms": milliseconds(own, 0.95),
            "page10k_ms": milliseconds(pages, 0.5),
            "page10k_worst_ms": round(max(pages) * 1_000, 1),
            "matching_s": round(matching, 1),
            "positions": positions,
            "materials": materials,
            "organisations": PLANTS,
        },
        "limit": {"name": "the same service answering /healthz", "p95_ms": round(percentile(bare, 0.95) * 1_000, 2)},
    }


def _questions(hub: Deployment) -> list[str]:
    """Questions by any plant's code, golden number, part number, GTIN and two characters of a name."""
    chance = random.Random(SEED)
    with hub.owner() as owner:
        rows = owner.execute(
            "select m.item_code, g.number, m.mpn, m.gtin from source_material m"
            " join golden_material g on g.id = m.golden_id order by md5(m.id::text) limit %s",
            [QUESTIONS],
        ).fetchall()
    paths = []
    for code, number, mpn, gtin in rows:
        kinds = [
            f"/v1/holders?q={quote(code)}",
            f"/v1/materials/{number}/holders",
            f"/v1/holders?q={quote(chance.choice(NAMES))}",
        ]
        kinds += [f"/v1/holders?q={quote(key)}" for key in (mpn, gtin) if key]
        paths.append(chance.choice(kinds))
    return paths


def _timed(client: httpx.Client, path: str) -> float:
    began = time.perf_counter()
    answer = client.get(path)
    answer.raise_for_status()
    return time.perf_counter() - began


def _pages(client: httpx.Client) -> list[float]:
    """Consecutive pages of the list by value, then by quantity."""
    taken = []
    for sort in ("value", "quantity"):
        after = ""
        for _ in range(PAGES // 2):
            began = time.perf_counter()
            answer = client.get(f"/v1/inventory?limit={ROWS}&sort={sort}{after}")
            answer.raise_for_status()
            taken.append(time.perf_counter() - began)
            following = answer.json()["next"]
            if following is None:
                break
            after = f"&after={following}"
    return taken
