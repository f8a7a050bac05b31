"""Questions of the past over three years and both axes: who held a material, over HTTP from the facts; the month-end
report of 1,000,000 positions out of the lake, repeated with its `known_at` after late data and a corrected rate."""

from __future__ import annotations

import hashlib
import io
import os
import random
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pyarrow.csv as pa_csv
from sqlalchemy import Engine

from benchmarks.build import PLANTS, SCALE, timed
from benchmarks.harness import Deployment, deployment, milliseconds
from benchmarks.lake import Plants, changed, fill
from hub import lake
from hub.database import make_engine
from masterdata.lake import build as building
from masterdata.lake import past

SIZE = Plants(
    items=round(20_000 * SCALE), positions=round(100_000 * SCALE), movements=round(300_000 * SCALE), days=1_095
)
QUESTIONS, WARM = int(os.environ.get("HUB_BENCH_QUESTIONS", "300")), 20
SEED = 20_261_123


def run() -> dict[str, Any]:
    with deployment(plants=PLANTS) as hub:
        engine = make_engine(hub.server.dsn(user="hub_app"))
        now = datetime.now(UTC)
        fill(hub, engine, SIZE, now)
        answers = _questions(hub, now)
        timed(engine)
        known_at = building.last(engine).known_at
        month_end = past.Question(now - timedelta(hours=2), known_at)
        seconds, digest, rows = _report(engine, month_end)
        changed(hub, engine, SIZE, now)
        timed(engine)
        again, repeated, _ = _report(engine, month_end)
        _, fresh, _ = _report(engine, past.Question(month_end.as_of))
        engine.dispose()
    return {
        "metrics": {
            "p95_ms": milliseconds(answers, 0.95),
            "p50_ms": milliseconds(answers, 0.5),
            "month_end_s": round(max(seconds, again), 2),
            "rows": rows,
            "identical": digest == repeated,
            "knows_more_without": digest != fresh,
        },
        "limit": None,
    }


def _questions(hub: Deployment, now: datetime) -> list[float]:
    """Seconds of each: a material's holders, all organisations, at a random instant, as known at another."""
    chance, client = random.Random(SEED), hub.client()
    with hub.owner() as owner:
        numbers = [row[0] for row in owner.execute("select number from golden_material order by md5(number) limit 500")]
    answers = []
    for _ in range(QUESTIONS + WARM):
        as_of = now - timedelta(seconds=chance.randrange(SIZE.days * 86_400))
        known_at = now - timedelta(seconds=chance.randrange(600)) + timedelta(seconds=600)
        path = f"/v1/materials/{chance.choice(numbers)}/holders"
        began = time.perf_counter()
        answer = client.get(f"{path}?as_of={quote(as_of.isoformat())}&known_at={quote(known_at.isoformat())}")
        answers.append(time.perf_counter() - began)
        answer.raise_for_status()
    return answers[WARM:]


def _report(engine: Engine, asked: past.Question) -> tuple[float, str, int]:
    """Seconds, digest of the CSV, rows."""
    began, out, rows = time.perf_counter(), io.BytesIO(), 0
    with past.golden_as_of(engine, lake.EVERYONE, asked) as found, pa_csv.CSVWriter(out, found.schema) as writer:
        for batch in found:
            writer.write_batch(batch)
            rows += batch.num_rows
    return time.perf_counter() - began, hashlib.sha256(out.getvalue()).hexdigest(), rows
