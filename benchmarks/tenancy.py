"""What row security costs: the product's own point and page reads as the application role and, in turns, as a role that
passes it, on the same rows; and search by words and codes over 1,000,000 materials with row security on, over HTTP."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any
from urllib.parse import quote
from uuid import UUID

import psycopg
from sqlalchemy.orm import Session

from benchmarks.harness import Deployment, deployment, milliseconds
from benchmarks.stock import BATCHES, COVERAGES, PLACES, POSITIONS, STOCK
from hub.database import IN_WRITTEN_ORDER, Tenancy, make_engine
from masterdata.golden import service

SCALE = float(os.environ.get("HUB_BENCH_SCALE", "1"))
PLANTS = 20
MATERIALS = round(1_000_000 * SCALE)
EACH = MATERIALS // PLANTS
# Of every plant the materials it alone has, in stock: their rows are the same with and without row security.
OWN = max(20, EACH // 20)
ROUNDS, QUESTIONS, WARM = int(os.environ.get("HUB_BENCH_ROUNDS", "1500")), 400, 50
SEED = 20_261_124
OVERHEAD_MS, SEARCH_MS = 0.2, 50.0
BYPASSING = "bench_bypass"
WORDS = ("轴承", "螺栓", "密封", "O形圈", "闸阀", "bearing", "bolt")

# The k-th of plant n is the true material t: its own, or one that another plant has, too.
_MATERIALS = """
    create unlogged table true_material as
    select s.organisation_id, s.id as system_id, s.key, k,
           case when k <= {own} then 100000000 + s.n * {each} + k
                else (s.n * 7919 + k * 104729) % ({all} / 2) + 1 end as t
    from (select *, row_number() over (order by key) as n from source_system) s
    cross join generate_series(1::bigint, {each}) k;
    create unlogged table named_material as
    select t, (array['深沟球轴承', '六角头螺栓', '机械密封', 'O形圈', '闸阀', '三相电动机', 'Hexagon head bolt',
                     'Deep groove ball bearing'])[1 + t % 8] || ' ' || t as name
    from (select distinct t from true_material) x;
    insert into golden_material (number, unit, name_zh, class_code, identity, rule, confidence)
    select 'GM-' || lpad(t::text, 10, '0'), 'C62', name, lpad((t % 60)::text, 4, '0'), 'own:' || t, 'own', 1
    from named_material;
    analyze golden_material;
    insert into source_material (organisation_id, system_id, item_id, item_code, name, specification, class_code,
                                 base_unit, mpn, brand, is_active, is_deleted, unit_cost, currency, golden_id, rule,
                                 confidence)
    select m.organisation_id, m.system_id, 'I' || m.k, m.key || '-' || m.k, n.name, 'M' || m.t % 40 || '×' || m.t % 97,
           g.class_code, 'C62', 'TS-' || m.t || '-2RS', 'Tessen', true, false, 3, 'CNY', g.id, 'own', 1
    from true_material m join named_material n using (t)
    join golden_material g on g.number = 'GM-' || lpad(m.t::text, 10, '0');
    analyze source_material"""
_SEARCHED = "select search_refresh(array_agg(id)) from source_material where organisation_id = %s"
_STOCKED = """
    select m.organisation_id, p.id, g.number from position p
    join source_material m on m.organisation_id = p.organisation_id and m.id = p.material_id
    join golden_material g on g.id = m.golden_id where p.row_no = 0 order by md5(p.id::text) limit 500"""
_CODES = "select item_code, mpn, name from source_material order by md5(id::text) limit 400"

Read = Callable[[Session, tuple[UUID, int, str]], object]
READS: dict[str, Read] = {
    "point": lambda session, asked: service.get_trail(session, asked[0], asked[1]),
    "page": lambda session, asked: service.list_positions(session, asked[2]),
}


def run() -> dict[str, Any]:
    with deployment(plants=PLANTS) as hub:
        began = time.perf_counter()
        with hub.owner() as owner:
            _seed(owner)
            stocked = owner.execute(_STOCKED).fetchall()
            named = owner.execute(_CODES).fetchall()
        seconds = time.perf_counter() - began
        costs = {name: _compared(hub, read, stocked) for name, read in READS.items()}
        asked = _questions(named)
        group, plant = _timed(hub, "planner@bench.example", asked), _timed(hub, "p01@bench.example", asked)
    overheads = {f"{name}_overhead_ms": round(fenced - bare, 3) for name, (fenced, bare) in costs.items()}
    return {
        "metrics": {
            "overhead_ms": max(overheads.values()),
            "p95_ms": max(milliseconds(group, 0.95), milliseconds(plant, 0.95)),
            **overheads,
            **{f"{name}_ms": round(fenced, 3) for name, (fenced, _) in costs.items()},
            "search_group_p95_ms": milliseconds(group, 0.95),
            "search_plant_p95_ms": milliseconds(plant, 0.95),
            "search_p50_ms": milliseconds(group + plant, 0.5),
            "materials": EACH * PLANTS,
            "seed_s": round(seconds, 1),
        },
        "peer": {
            "name": "the same reads by a role that passes row security",
            **{f"{name}_ms": round(bare, 3) for name, (_, bare) in costs.items()},
        },
        "limit": {"name": "row security; search", "overhead_ms": OVERHEAD_MS, "p95_ms": SEARCH_MS},
    }


def _seed(owner: psycopg.Connection) -> None:
    """Set-wise, with links as given: what matching makes of them is another bench's."""
    owner.execute(f"create role {BYPASSING} login bypassrls in role hub_app")
    for statement in (COVERAGES, PLACES, BATCHES):
        owner.execute(statement, {})
    owner.execute(_MATERIALS.format(own=OWN, each=EACH, all=EACH * PLANTS))
    for (organisation_id,) in owner.execute("select distinct organisation_id from source_system").fetchall():
        owner.execute(_SEARCHED, [organisation_id])
    few = "from (select * from source_material where substr(item_id, 2)::bigint <= %(own)s) m"
    owner.execute(POSITIONS.replace("from source_material m", few), {"places": 5, "own": OWN})
    owner.execute(STOCK)
    owner.execute("vacuum analyze")


@contextmanager
def _reader(hub: Deployment, role: str, readable: UUID) -> Iterator[Session]:
    """A session as the API has it: the tenancy bound, statements prepared."""
    engine = make_engine(hub.server.dsn(user=role), 1, options=IN_WRITTEN_ORDER)
    with Session(engine, info={"tenancy": Tenancy((readable,), readable)}) as session, session.begin():
        yield session
    engine.dispose()


def _compared(hub: Deployment, read: Read, stocked: list[Any]) -> tuple[float, float]:
    """Median milliseconds with row security and without, asked in turns about the same things of one plant."""
    plant = stocked[0][0]
    asked = [row for row in stocked if row[0] == plant]
    taken: tuple[list[float], list[float]] = ([], [])
    with _reader(hub, "hub_app", plant) as fenced, _reader(hub, BYPASSING, plant) as bare:
        for number in range(ROUNDS + WARM):
            for session, times in zip((fenced, bare), taken, strict=True):
                began = time.perf_counter()
                read(session, asked[number % len(asked)])
                times.append((time.perf_counter() - began) * 1_000)
    return median(taken[0][WARM:]), median(taken[1][WARM:])


def _questions(named: list[Any]) -> list[str]:
    """Two signs of a name, a word with a number, a plant's code, a part number."""
    chance = random.Random(SEED)
    asked = [chance.choice((chance.choice(WORDS), *row)) for row in named[:QUESTIONS]]
    return [f"/v1/search?q={quote(words)}" for words in asked]


def _timed(hub: Deployment, email: str, asked: list[str]) -> list[float]:
    client, taken = hub.client(email), []
    for path in asked:
        began = time.perf_counter()
        client.get(path).raise_for_status()
        taken.append(time.perf_counter() - began)
    return taken[WARM:]
