"""A stock table of 1,000,000 rows, 5 % changed and 0.5 % gone: from the source through agent and hub to durable
positions. Beside it a bare COPY and set difference in the same database, and a dlt merge load of the same rows."""

from __future__ import annotations

import json
import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.harness import Deployment, PeakMemory, deployment, wait_for
from connectors.measure import Cost, run_once

ROWS = int(os.environ.get("HUB_BENCH_ROWS", "1000000"))
ITEMS = ROWS // 10
SLOW_PYTHON = Path(".venv-slow/bin/python")

_SOURCE = """
create table item (code text primary key, name text, unit text, cost numeric);
insert into item select 'M' || i, '物料 ' || i, '个', 1 + i %% 90 from generate_series(0, %(items)s - 1) i;
create table stock (item text, place text, lot text, quantity numeric, primary key (item, place));
insert into stock select 'M' || i %% %(items)s, 'W' || i / %(items)s, case when i %% 3 = 0 then 'L' || i %% 7 end,
    1 + i %% 97
from generate_series(0, %(rows)s - 1) i;
grant usage on schema public to hub_app; grant select on all tables in schema public to hub_app;
analyze
"""
_CHANGE = """
update stock set quantity = quantity + 1 where (hashtext(item || place) & 1023) < 51;
delete from stock where (hashtext(item || place) & 1023) between 512 and 516
"""
_APPLIED = (
    "select state in ('applied', 'held', 'failed') from batch where stream = '{}' order by announced_at desc limit 1"
)

# What the agent reads and the peer loads.
_ROWS = "select item, place, lot, quantity, (select unit from item where code = item) as unit from stock"
_MAPPING = f"""
source: sql
zone: UTC
units: {{个: C62}}
tables:
  items: {{query: "select code, name, unit, cost from item"}}
  stock: {{query: "{_ROWS}"}}
streams:
"""
_MATERIALS = """
  materials:
    from: items i
    fields: {item_id: i.code, item_code: i.code, name: i.name, base_unit: unit(i.unit), unit_cost: i.cost,
             currency: "'CNY'"}
"""
_STOCK = """
  stock_positions:
    from: stock s
    fields: {item_id: s.item, place_id: s.place, lot: s.lot, status: "'unrestricted'", unit: unit(s.unit),
             quantity: s.quantity}
"""


@dataclass(frozen=True)
class Run:
    """One dump: wall seconds to durable positions, the agent's cost, the hub's share and memory."""

    seconds: float
    agent: Cost
    hub_seconds: float
    hub_rss_mb: float


def run() -> dict[str, Any]:
    with deployment() as hub:
        hub.server.create_database("plant")
        with hub.owner("plant") as plant:
            for statement in _SOURCE.split(";"):
                plant.execute(statement % {"items": ITEMS, "rows": ROWS})
        _deliver(hub, "materials", _MATERIALS)
        first = _deliver(hub, "stock_positions", _STOCK)
        _settle(hub)
        with hub.owner("plant") as plant:
            plant.execute(_CHANGE)
        second = _deliver(hub, "stock_positions", _STOCK)
        counts = _counts(hub)
        limit = _limit(hub)
        peer = _dlt(hub)
    return {
        "metrics": {
            "seconds": round(second.seconds, 2),
            "first_seconds": round(first.seconds, 2),
            "agent_rss_mb": round(max(first.agent.rss_mb or 0, second.agent.rss_mb or 0)),
            "hub_rss_mb": round(max(first.hub_rss_mb, second.hub_rss_mb)),
            "hub_seconds": round(second.hub_seconds, 2),
            "first_hub_seconds": round(first.hub_seconds, 2),
            "ratio_to_limit": round(second.hub_seconds / limit["seconds"], 2),
            "ratio_to_peer": round(peer["seconds"] / second.seconds, 2) if peer else None,
            **counts,
        },
        "peer": peer,
        "limit": limit,
    }


def _deliver(hub: Deployment, stream: str, streams: str) -> Run:
    """One run of the agent over one stream, until its batch is applied."""
    folder = hub.folder / stream
    folder.mkdir(exist_ok=True)
    (folder / "mapping.yaml").write_text(_MAPPING + streams, "utf-8")
    state = folder / "state"
    if not state.exists():
        state.mkdir()
        for file in (hub.folder / "state").iterdir():
            if file.is_file():
                (state / file.name).write_bytes(file.read_bytes())
                (state / file.name).chmod(0o600)
    url = hub.server.dsn("plant", "hub_app").replace("postgresql://", "postgresql+psycopg://")
    system = {"system": "p00", "mapping": "mapping.yaml", "organisation": "p00", "connection": {"url": url}}
    config = folder / "agent.yaml"
    config.write_text(json.dumps({"hub": hub.address, "state": "state", "systems": [system]}), "utf-8")
    pids = [child.process.pid for child in hub.supervisor.children if child.process]
    with hub.owner() as owner, PeakMemory(pids) as memory:
        before = _batches(owner, stream)
        began = time.perf_counter()
        cost = run_once(config)
        if cost.exit_code:
            raise RuntimeError(f"The agent ended with {cost.exit_code}: {cost.log[-2000:]}")
        wait_for(owner, f"select count(*) > {before} from batch where stream = '{stream}'")
        wait_for(owner, _APPLIED.format(stream))
        seconds = time.perf_counter() - began
        row = owner.execute(
            "select state, extract(epoch from applied_at - landed_at), error from batch where stream = %s"
            " order by announced_at desc limit 1",
            [stream],
        ).fetchone()
    if row is None or row[0] != "applied":
        raise RuntimeError(f"The batch was not applied: {row}")
    return Run(seconds, cost, float(row[1]), memory.peak_mb)


def _batches(owner: psycopg.Connection, stream: str) -> int:
    row = owner.execute("select count(*) from batch where stream = %s", [stream]).fetchone()
    return int(row[0]) if row else 0


def _settle(hub: Deployment) -> None:
    """A plant's dumps lie hours apart; what autovacuum would do between them is done now."""
    with hub.owner() as owner:
        owner.execute("vacuum analyze")
        owner.execute("checkpoint")


def _counts(hub: Deployment) -> dict[str, int]:
    with hub.owner() as owner:
        row = owner.execute(
            "select rows_in, applied, unchanged, quarantined from batch where stream = 'stock_positions'"
            " order by announced_at desc limit 1"
        ).fetchone()
    assert row is not None  # noqa: S101 - the batch was just applied
    return dict(zip(("rows", "applied", "unchanged", "quarantined"), map(int, row), strict=True))


def _limit(hub: Deployment) -> dict[str, float]:
    """The least any hub must do: COPY the rows in and find what differs from what is held, in the same database."""
    with hub.owner("plant") as plant:
        plant.execute("create table held as select item, place, lot, quantity from stock")
        plant.execute("update held set quantity = quantity + 1 where (hashtext(item || place) & 1023) < 51")
        plant.execute("vacuum analyze held")
        file = hub.folder / "rows.csv"
        with file.open("wb") as out, plant.cursor().copy("copy stock to stdout (format csv)") as copy:
            for block in copy:
                out.write(block)
        plant.execute("create temp table stage (item text, place text, lot text, quantity numeric)")
        began = time.perf_counter()
        with file.open("rb") as source, plant.cursor().copy("copy stage from stdin (format csv)") as copy:
            while block := source.read(1 << 20):
                copy.write(block)
        copied = time.perf_counter()
        plant.execute("analyze stage")
        plant.execute("set work_mem = '256MB'")
        plant.execute(
            "create temp table differs as select coalesce(s.item, h.item) as item, coalesce(s.place, h.place) as place,"
            " s.quantity from stage s full join held h on h.item = s.item and h.place = s.place"
            " where s.quantity is distinct from h.quantity"
        )
        done = time.perf_counter()
    return {
        "copy_seconds": round(copied - began, 2),
        "difference_seconds": round(done - copied, 2),
        "seconds": round(done - began, 2),
    }


def _dlt(hub: Deployment) -> dict[str, Any] | None:
    """A dlt merge load of the same rows into the same server; None where dlt is not installed (`make setup-slow`)."""
    if not SLOW_PYTHON.exists():
        return None
    hub.server.create_database("peer")
    command = [str(SLOW_PYTHON), "-m", "benchmarks.dlt_peer"]
    urls = [hub.server.dsn("plant", "postgres"), hub.server.dsn("peer", "postgres")]
    given = [*command, _ROWS, *urls, str(hub.folder / "dlt")]
    done = subprocess.run(given, capture_output=True, text=True, check=False)
    if done.returncode:
        return None
    answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer
