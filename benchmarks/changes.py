"""Stock movements: in batches as an agent spools them, in calls of 512 lines, and one by one; and the same facts given
to the ledger's SQL without the hub around it."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.harness import Deployment, deployment, milliseconds, percentile, wait_for
from benchmarks.wire import Wire, post_json
from connectors.contract import ENVELOPE, EVENT_LINES_MAX, ROW_GROUP_ROWS, BatchHeader, streams
from hub.columns import new_id
from hub.database import as_array
from masterdata.ledger import keys, recording, staging
from masterdata.ledger.batch import BatchRef
from masterdata.ledger.movements import apply_movements

SCALE = float(os.environ.get("HUB_BENCH_SCALE", "1"))
BATCH_ROWS, BATCHES = int(50_000 * SCALE), 6
CALLS, SINGLES, CALLERS = int(60 * SCALE) or 1, int(3_000 * SCALE), 32
ITEMS, PLACES = 5_000, 4
SEED = 20_261_122


def run() -> dict[str, Any]:
    with deployment() as hub:
        _batched(hub, BATCHES, "warm")
        batched = _batched(hub, BATCHES, "run")
        lines = asyncio.run(_calls(hub))
        singles = asyncio.run(_singles(hub))
        limit = _limit(hub)
        kept = _moved(hub)
    return {
        "metrics": {
            "batched_per_s": round(batched),
            "lines512_p95_ms": milliseconds(lines, 0.95),
            "lines512_p50_ms": milliseconds(lines, 0.5),
            "single_per_s": round(singles["per_s"]),
            "single_p95_ms": round(singles["p95_ms"], 1),
            "ratio_to_limit": round(limit["per_s"] / batched, 2),
            "movements": kept,
        },
        "limit": limit,
    }


def _lines(count: int, prefix: str, start: int = 0) -> Iterator[dict[str, Any]]:
    """Movements of random keys booked one after the other, each its own document."""
    chance = random.Random(f"{SEED}{prefix}{start}")
    origin = datetime(2026, 1, 1, tzinfo=UTC)
    for n in range(start, start + count):
        at = origin + timedelta(seconds=n)
        yield {
            "document": f"{prefix}-{n}",
            "line": "1",
            "item_id": f"M{chance.randrange(ITEMS)}",
            "place_id": f"W{chance.randrange(PLACES)}",
            "status": "unrestricted",
            "unit": "C62",
            "quantity": Decimal(chance.randrange(1, 50) - 20),
            "kind": "receipt",
            "occurred_at": at,
            "booked_at": at,
        }


def _parquet(folder: Path, prefix: str, count: int) -> Path:
    schema = streams()["stock_movements"].arrow_schema
    rows = [{**dict.fromkeys(schema.names), **line, "_row": n} for n, line in enumerate(_lines(count, prefix))]
    path = folder / f"{prefix}.parquet"
    table = pa.Table.from_pylist(rows, schema=schema)
    assert list(ENVELOPE) == table.schema.names[: len(ENVELOPE)]  # noqa: S101
    pq.write_table(table, path, compression="zstd", row_group_size=ROW_GROUP_ROWS)
    return path


def _batched(hub: Deployment, batches: int, name: str) -> float:
    """Rows a second, from the first upload to the last batch applied."""
    files = [_parquet(hub.folder, f"{name}{n}", BATCH_ROWS) for n in range(batches)]
    began = time.perf_counter()
    with httpx.Client(base_url=hub.address, timeout=60) as client:
        for file in files:
            _upload(hub, client, file)
    with hub.owner() as owner:
        wait_for(owner, "select not exists (select from batch where state not in ('applied', 'failed', 'held'))")
        wait_for(owner, "select not exists (select from batch where state <> 'applied')", 1)
    return batches * BATCH_ROWS / (time.perf_counter() - began)


def _headers(hub: Deployment) -> dict[str, str]:
    assert hub.agent is not None  # noqa: S101
    return {"authorization": f"Bearer {hub.agent.token()}"}


def _upload(hub: Deployment, client: httpx.Client, file: Path) -> None:
    body = file.read_bytes()
    header = BatchHeader(
        batch_id=new_id(),
        system="p00",
        organisation="p00",
        stream="stock_movements",
        sync="incremental",
        counts="movements",
        observed_at=datetime.now(UTC),
        rows=BATCH_ROWS,
        size=len(body),
        sha256=hashlib.sha256(body).hexdigest(),
    )
    url = f"/v1/batches/{header.batch_id}"
    client.put(url, json=header.model_dump(mode="json"), headers=_headers(hub)).raise_for_status()
    sent = {"Upload-Offset": "0", "Upload-Complete": "?1", "Content-Type": "application/partial-upload"}
    client.patch(url + "/body", content=body, headers={**_headers(hub), **sent}).raise_for_status()


def _event(prefix: str, count: int, start: int) -> dict[str, Any]:
    event = {"batch_id": new_id(), "system": "p00", "organisation": "p00", "stream": "stock_movements"}
    event |= {"observed_at": datetime.now(UTC).isoformat(), "lines": list(_lines(count, prefix, start))}
    plain: dict[str, Any] = json.loads(json.dumps(event, default=str))
    return plain


def _wire(hub: Deployment) -> Wire:
    url = httpx.URL(hub.address)
    return Wire(url.host, url.port or 80)


async def _calls(hub: Deployment) -> list[float]:
    """Seconds of calls of 512 lines, one after the other."""
    wire, taken = _wire(hub), []
    for n in range(CALLS + 3):
        event = _event("call", EVENT_LINES_MAX, n * EVENT_LINES_MAX)
        began = time.perf_counter()
        await post_json(wire, "/v1/events", _headers(hub), event)
        taken.append(time.perf_counter() - began)
    wire.close()
    return taken[3:]


async def _singles(hub: Deployment) -> dict[str, float]:
    """Calls of one line from many callers at once: each waits for its durable answer before its next."""
    events = [_event("single", 1, n) for n in range(SINGLES)]
    taken: list[float] = []

    async def caller(mine: list[dict[str, Any]]) -> None:
        wire = _wire(hub)
        for event in mine:
            began = time.perf_counter()
            await post_json(wire, "/v1/events", _headers(hub), event)
            taken.append(time.perf_counter() - began)
        wire.close()

    began = time.perf_counter()
    await asyncio.gather(*(caller(events[n::CALLERS]) for n in range(CALLERS)))
    return {"per_s": SINGLES / (time.perf_counter() - began), "p95_ms": percentile(taken, 0.95) * 1_000}


def _limit(hub: Deployment) -> dict[str, Any]:
    """The ledger's own statements as the application role on one connection: staged by COPY, applied, committed."""
    org = hub.organisations["p00"]
    batches = [list(_lines(BATCH_ROWS, f"limit{n}")) for n in range(BATCHES)]
    with psycopg.connect(hub.server.dsn(user="hub_app")) as connection:
        system, coverage = _system(connection, org)
        began = time.perf_counter()
        for lines in batches:
            _apply_bare(connection, org, system, coverage, lines)
    seconds = time.perf_counter() - began
    per_s = round(BATCHES * BATCH_ROWS / seconds)
    return {"name": "the ledger's SQL alone", "per_s": per_s, "seconds": round(seconds, 2)}


def _bind(connection: psycopg.Connection, org: UUID) -> None:
    connection.execute(
        "select set_config('hub.orgs', %s, true), set_config('hub.org', %s, true)", [as_array([org]), str(org)]
    )


def _system(connection: psycopg.Connection, org: UUID) -> tuple[UUID, int]:
    _bind(connection, org)
    row = connection.execute("select system_id, id from coverage").fetchone()
    assert row is not None  # noqa: S101 - the batches before made it
    return row[0], row[1]


def _apply_bare(
    connection: psycopg.Connection, org: UUID, system: UUID, coverage: int, lines: list[dict[str, Any]]
) -> None:
    _bind(connection, org)
    staging.create(connection)
    columns = [
        "item_id",
        "place_id",
        "status",
        "unit",
        "quantity",
        "booked_at",
        "occurred_at",
        "kind",
        "document",
        "line",
    ]
    with connection.cursor().copy(f"copy stage_movement ({', '.join(columns)}, lot, owner, row_no) from stdin") as copy:
        for n, line in enumerate(lines):
            copy.write_row([*(line[c] for c in columns), "", "", n])
    literal = f"'{system}'"
    connection.execute(f"update stage_movement set hash = {keys.hash_sql(literal)}")
    connection.execute(f"update stage_movement set content = {keys.content_sql()}")
    connection.execute(f"update stage_movement set identity = {keys.identity_sql(literal).replace('ordinal', '0')}")
    number = recording.begin(connection)
    batch = BatchRef(new_id(), org, system, coverage, datetime.now(UTC), "incremental", "movements", number)
    apply_movements(connection, batch)
    recording.close(connection, number)
    connection.commit()


def _moved(hub: Deployment) -> int:
    with hub.owner() as owner:
        row = owner.execute("select count(*) from movement").fetchone()
    return int(row[0]) if row else 0
