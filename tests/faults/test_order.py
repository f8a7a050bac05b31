"""What arrival must not change: value, unit cost and source time beside the quantity; and locks that never cross."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest
from sqlalchemy import text

from hub.database import Tenancy, unit_of_work
from tests.masterdata.intake.test_events import call, send
from tests.masterdata.plant import T0, Plant, move, stock

IDENTITY, RECORDING = 7_320_001, 7_310_001


def valued(minutes: float, quantity: int, value: int, **more: Any) -> tuple[str, list[dict[str, Any]], float]:
    return "stock_positions", [stock("A", quantity, value=value, currency="CNY", **more)], minutes


def moved(minutes: float, line: str, quantity: int, booked: float, modified: float) -> Any:
    at = T0 + timedelta(minutes=booked)
    row = move("A", quantity, line, at, modified_at=T0 + timedelta(minutes=modified))
    return "stock_movements", [row], minutes


# What arrives, and then: quantity, value, unit cost, worth, minute of the source.
HISTORIES: dict[str, tuple[list[Any], tuple[int | None, ...]]] = {
    "value without quantity": (
        [valued(1, 10, 100), moved(5, "1", 2, booked=4, modified=4), valued(2, 10, 130)],
        (12, 130, 13, 156, 5),
    ),
    "cost goes and comes back": ([valued(1, 10, 50), valued(2, 10, 60), valued(3, 10, 50)], (10, 50, 5, 50, 3)),
    "line booked anew": (
        [moved(4, "1", 5, booked=8, modified=1), moved(4, "1", 6, booked=3, modified=2)],
        (6, None, None, None, 8),
    ),
}
SHOWN = """
select p.quantity, p.value, m.unit_cost, greatest(p.observed_at, p.moved_at, c.read_through) as source_at,
       h.value as worth, greatest(h.oldest_at, c.read_through) as holding_at
from position p join source_material m on m.id = p.material_id join coverage c on c.id = p.coverage_id
join holding h on h.material_id = m.id
"""


@pytest.mark.parametrize("history", HISTORIES)
def test_the_order_of_arrival_shows_nowhere(plant: Plant, history: str) -> None:
    facts, (quantity, value, cost, worth, minute) = HISTORIES[history]
    at = T0 + timedelta(minutes=minute or 0)
    expected = {"quantity": quantity, "value": value, "unit_cost": cost, "source_at": at}
    for order in permutations(facts):
        for stream, rows, minutes in order:
            read_at = T0 + timedelta(minutes=minutes)
            plant.deliver(stream, rows, observed_at=read_at, counts="balance+movements", sync="full")
        assert plant.one(SHOWN) == expected | {"worth": worth, "holding_at": at}, order
        wipe(plant)


def wipe(plant: Plant) -> None:
    """Back to a plant without facts."""
    tables = "quarantine, batch, unit_cost, position, observation, snapshot, movement, material_stock, holding, feed"
    with plant.session() as session:
        for table in tables.split(", "):
            session.execute(text(f"delete from {table}"))
        session.execute(text("update coverage set read_through = null, snapshot_at = null"))
        session.execute(text("update source_material set unit_cost = null, currency = null"))


def test_events_hold_no_recording_while_they_wait_for_identity(plant: Plant, committed_db: Any) -> None:
    send(plant, call("stock_movements", [move("A", 1, "0", T0)]))
    known = call("stock_movements", [move("A", 1, "1", T0)])
    new = call("stock_movements", [move("N", 1, "2", T0)], coverage="other")
    with (
        ThreadPoolExecutor(2) as pool,
        unit_of_work(committed_db.engine, Tenancy()) as other,
        unit_of_work(committed_db.engine, Tenancy()) as worker,
    ):
        other.execute(text(f"select pg_advisory_xact_lock({IDENTITY})"))
        running = [pool.submit(send, plant, given) for given in (known, new)]
        waiting = "select count(*) from pg_locks where locktype = 'advisory' and not granted"
        deadline = time.monotonic() + 30
        while not worker.scalar(text(waiting)) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert worker.scalar(text(waiting))
        assert worker.scalar(text(f"select pg_try_advisory_xact_lock({RECORDING})"))
        other.rollback()
    assert [r.result().applied for r in running] == [1, 1]
