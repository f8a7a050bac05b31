"""A build of the marts: 1,000,000 positions, 5,000,000 movements, 200,000 source materials; the second build of a
process counts. Limit: the same models' SQL run bare in DuckDB on the same pinned inputs."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
from sqlalchemy import Engine

from benchmarks.harness import PeakMemory, deployment
from benchmarks.lake import Plants, fill
from hub.database import make_engine
from hub.errors import Conflict
from masterdata.lake import build as building
from masterdata.lake import transform

SCALE = float(os.environ.get("HUB_BENCH_SCALE", "1"))
PLANTS = 10
SIZE = Plants(items=round(20_000 * SCALE), positions=round(100_000 * SCALE), movements=round(500_000 * SCALE))


def run() -> dict[str, Any]:
    with deployment(plants=PLANTS) as hub:
        engine = make_engine(hub.server.dsn(user="hub_app"))
        began = time.perf_counter()
        fill(hub, engine, SIZE, datetime.now(UTC))
        filled = time.perf_counter() - began
        bare = _Bare(hub.folder)
        with PeakMemory([os.getpid()]) as memory:
            first = timed(engine)
            with bare.listening():
                warm = timed(engine)
        made = building.last(engine)
        limit = bare.seconds()
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


class _Bare:
    """Keeps what dbt was given in a build, to run its models' SQL without it."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "bare" / "build.duckdb"
        self.models: list[tuple[str, str, str, str]] = []

    @contextmanager
    def listening(self) -> Iterator[None]:
        given = transform.run

        def run(file: Path, folder: Path, variables: Mapping[str, str]) -> list[transform.Outcome]:
            self.file.parent.mkdir(parents=True)
            shutil.copy(file, self.file)
            outcomes = given(file, folder, variables)
            self._take(folder / "target", outcomes)
            return outcomes

        transform.run = run
        try:
            yield
        finally:
            transform.run = given

    def _take(self, target: Path, outcomes: Sequence[transform.Outcome]) -> None:
        nodes = json.loads((target / "manifest.json").read_text("utf-8"))["nodes"]
        models = {node["name"]: node for node in nodes.values() if node["resource_type"] == "model"}
        for name in (o.name for o in outcomes if o.kind == "model"):
            node = models[name]
            self.models.append((node["schema"], name, node["config"]["materialized"], node["compiled_code"]))

    def seconds(self) -> float:
        config: dict[str, Any] = {"threads": 2, "memory_limit": transform.MEMORY}
        with duckdb.connect(str(self.file), config=config) as db:
            db.execute("set TimeZone = 'UTC'; set preserve_insertion_order = false")
            began = time.perf_counter()
            for schema, name, kind, query in self.models:
                db.execute(f"create schema if not exists {schema}")
                db.execute(f"create {kind} {schema}.{name} as {query}")
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
