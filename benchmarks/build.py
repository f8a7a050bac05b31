"""Builds of the marts: 1,000,000 positions, 5,000,000 movements, 200,000 source materials, in a process of their own.
The second one counts, after late data and a corrected rate. Limit: the same models' SQL run bare in DuckDB on the
same inputs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import duckdb
from sqlalchemy import Engine

from benchmarks.harness import PeakMemory, deployment
from benchmarks.lake import Plants, changed, fill
from hub.database import make_engine
from hub.errors import Conflict
from hub.housekeeping import organisations
from hub.settings import settings
from hub.store import application_url
from masterdata.lake import build as building
from masterdata.lake import pins, transform

SCALE = float(os.environ.get("HUB_BENCH_SCALE", "1"))
PLANTS = 10
SIZE = Plants(items=round(20_000 * SCALE), positions=round(100_000 * SCALE), movements=round(500_000 * SCALE))


def run() -> dict[str, Any]:
    with deployment(plants=PLANTS) as hub:
        engine = make_engine(hub.server.dsn(user="hub_app"))
        now, began = datetime.now(UTC), time.perf_counter()
        fill(hub, engine, SIZE, now)
        filled = time.perf_counter() - began
        with _builder() as builder, PeakMemory([builder.pid]) as memory:
            first = _next(builder)
            changed(hub, engine, SIZE, now)
            warm = _next(builder)
        made = building.last(engine)
        limit = _bare(engine, hub.folder / "bare")
        engine.dispose()
    return {
        "metrics": {
            "seconds": round(warm, 1),
            "first_seconds": round(first, 1),
            "rss_mb": round(memory.peak_mb),
            "differences": made.figures["differences"],
            "ratio_to_limit": round(warm / limit, 2),
            "positions": made.figures["positions"],
            "fill_seconds": round(filled, 1),
            **{f"{step['name']}_s": step["seconds"] for step in made.steps},
        },
        "limit": {"name": "the models' SQL in DuckDB", "seconds": round(limit, 1)},
    }


@contextmanager
def _builder() -> Iterator[subprocess.Popen[str]]:
    """A process that builds once per line it is sent, and answers with the seconds."""
    command = [sys.executable, "-c", "from benchmarks.build import serve; serve()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        _pipe(process.stdin).close()


def _next(builder: subprocess.Popen[str]) -> float:
    asked, answers = _pipe(builder.stdin), _pipe(builder.stdout)
    asked.write("build\n")
    asked.flush()
    said = next((line for line in answers if line.startswith("seconds ")), "")
    return float(said.removeprefix("seconds "))


def _pipe(end: IO[str] | None) -> IO[str]:
    if end is None:
        raise RuntimeError("The builder has no pipes.")
    return end


def serve() -> None:
    """The other end of `_builder`."""
    engine = make_engine(application_url(settings()))
    for _ in sys.stdin:
        print("seconds", timed(engine), flush=True)


def _bare(engine: Engine, folder: Path) -> float:
    """Seconds of the SQL that dbt compiled for the last build, on the same inputs, with what a build may take."""
    folder.mkdir()
    nodes = json.loads((settings().home / "build" / "target" / "manifest.json").read_text("utf-8"))["nodes"]
    order = json.loads((settings().home / "build" / "target" / "run_results.json").read_text("utf-8"))["results"]
    models = [nodes[result["unique_id"]] for result in order if result["unique_id"].startswith("model.")]
    config: dict[str, Any] = {
        "threads": 2,
        "memory_limit": transform.MEMORY,
        "temp_directory": str(folder / "spill"),
    }
    with duckdb.connect(str(folder / "build.duckdb"), config=config) as db:
        db.execute("set TimeZone = 'UTC'; set preserve_insertion_order = false")
        everyone = organisations(engine)
        pins.pin(engine, everyone, db, folder)
        building.load(engine, db)
        pins.place(engine, everyone, db, folder)
        began = time.perf_counter()
        for model in models:
            schema, name, kind = model["schema"], model["name"], model["config"]["materialized"]
            query = model["compiled_code"]
            db.execute(f"create schema if not exists {schema}; create {kind} {schema}.{name} as {query}")
        return time.perf_counter() - began


def timed(engine: Engine) -> float:
    """One build; the scheduled one, if it runs, goes first."""
    while True:
        began = time.perf_counter()
        try:
            building.build(engine, reason="bench")
        except Conflict:
            time.sleep(1)
        else:
            return time.perf_counter() - began
