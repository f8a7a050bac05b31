"""Events of three plants while hub, agent and PostgreSQL are killed: the golden view must not show it.
HUB_FAULT_EVENTS sets how many; a figure of what happened goes to the log of the test."""

from __future__ import annotations

import os
import time
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
import structlog

from tests.faults import world
from tests.faults.forms import GOLDEN
from tests.faults.rig import PUSH, TABLE, WIRE, Phase, Rig, Script, running
from tests.faults.world import Count, Key, Line

log = structlog.get_logger("faults")
pytestmark = pytest.mark.slow

EVENTS = int(os.environ.get("HUB_FAULT_EVENTS", "20000"))
KILLS = 5
PHASES, COUNTED_PHASES = 20, 14
OPENING = Decimal(20_000)
CALL_LINES = 100
# One snapshot among those sent may lie far from the one before; here that is no fault to be held.
LIMITS = '{"value_min": -1e9, "value_max": 1e9, "negative_max": 1, "overlap_min": 0, "rows_max": 1e9, "rows_min": 0}'


def phases_of(lines: list[Line]) -> list[Phase]:
    """Balances are true at each phase and can no longer be read after the fourteenth."""
    reaches = [len(lines) * n // PHASES for n in range(1, PHASES + 1)]
    instants: list[datetime] = []
    newest = lines[0].booked_at
    done = 0
    for reach in reaches:
        newest = max(newest, *(line.booked_at for line in lines[done:reach]))
        instants.append(newest)
        done = reach
    held = world.balances(lines, instants[:COUNTED_PHASES], OPENING)
    counts = [Count(at, "full", q) for at, q in zip(instants, held, strict=False)]
    padded = [*counts, *[None] * (PHASES - COUNTED_PHASES)]
    return [Phase(at, reach, count) for at, reach, count in zip(instants, reaches, padded, strict=True)]


def calls_of(lines: list[Line]) -> list[list[Line]]:
    return [lines[n : n + CALL_LINES] for n in range(0, len(lines), CALL_LINES)]


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    """The script, and what each plant must hold in the end."""
    table = world.history(TABLE, int(EVENTS * 0.45))
    wire = world.history(WIRE, int(EVENTS * 0.40))
    pushed = world.history(PUSH, int(EVENTS * 0.15))
    phases = phases_of(table)
    sent, counts = world.deliveries(WIRE, wire)
    versions = {TABLE: world.versions(table), WIRE: world.versions(wire), PUSH: world.versions(pushed)}
    seen = [p.count for p in phases if p.count]
    held = {TABLE: world.expected(table, seen), WIRE: world.expected(wire, counts), PUSH: world.expected(pushed, [])}
    return {"script": Script(table, phases, sent, calls_of(pushed), versions), "held": held}


def prepare(rig: Rig) -> None:
    """The wire's coverage exists before its first snapshot, with the gate's limits wide open."""
    with rig.hub.owner() as db:
        db.execute(
            "insert into coverage (organisation_id, system_id, name, sla_seconds, read_clock, limits) "
            f"select s.organisations[1], s.id, 'all', 3600, 'source', '{LIMITS}' from source_system s"
            " where s.key = 'p01'"
        )


def view(told: dict[str, Any], kills: int) -> bytes:
    began = time.monotonic()
    with running(told["script"]) as rig:
        prepare(rig)
        made = time.monotonic()
        rig.play(kills, seconds=600 + EVENTS / 500)
        log.info("played", events=EVENTS, kills=kills, started=made - began, ran=time.monotonic() - made)
        with rig.hub.owner() as db:
            check_quantities(db, told["held"])
            return "\n".join(row[0] for row in db.execute(GOLDEN)).encode()


def check_quantities(db: Any, held: dict[str, dict[Key, Decimal]]) -> None:
    rows = db.execute(
        "select s.key, m.item_id, l.place_id, p.lot, p.status, p.unit, p.quantity from position p"
        " join source_system s on s.id = p.system_id"
        " join source_material m on m.organisation_id = p.organisation_id and m.id = p.material_id"
        " join place l on l.organisation_id = p.organisation_id and l.id = p.place_id"
    ).fetchall()
    got: dict[str, dict[Key, Decimal]] = {plant: {} for plant in held}
    for plant, *key, quantity in rows:
        got[plant][Key(*key)] = quantity
    for plant, wanted in held.items():
        wrong = {k: (got[plant].get(k), v) for k, v in wanted.items() if got[plant].get(k) != v}
        assert not wrong, (plant, len(wrong), dict(list(wrong.items())[:5]))


def test_kills_leave_no_trace_in_the_golden_view(told: dict[str, Any]) -> None:
    clean = view(told, kills=0)
    faulty = view(told, kills=KILLS)
    different = sorted(set(clean.split(b"\n")) ^ set(faulty.split(b"\n")))
    assert clean == faulty, (len(different), different[:6])
