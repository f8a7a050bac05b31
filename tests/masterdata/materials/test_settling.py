"""Stock and identity written at the same time by transactions that cannot see each other."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from masterdata.ledger import recording
from masterdata.materials import settling
from tests.masterdata.plant import T0, Plant, stock

HELD = "select is_apart, on_hand from holding where organisation_id = :org"


def material(unit: str) -> list[dict[str, Any]]:
    return [{"item_id": "A", "item_code": "A", "name": "轴承", "base_unit": unit, "active": True}]


@pytest.fixture
def paused(monkeypatch: pytest.MonkeyPatch) -> tuple[threading.Event, threading.Event]:
    """The thread `stock` waits before its commit until told."""
    reached, go = threading.Event(), threading.Event()
    close = recording.close

    def waiting(connection: Any, recording_id: int) -> Any:
        if threading.current_thread().name == "stock":
            reached.set()
            assert go.wait(20)
        return close(connection, recording_id)

    monkeypatch.setattr(recording, "close", waiting)
    return reached, go


def test_stock_moved_while_its_material_took_another_unit_is_converted_by_the_new_one(plant: Plant, paused) -> None:
    reached, go = paused
    plant.deliver("materials", material("KGM"))
    batch = plant.land("stock_positions", [stock("A", 5, unit="KGM")], observed_at=T0)
    moving = threading.Thread(target=plant.apply, args=[batch], name="stock")
    moving.start()
    assert reached.wait(20)
    assert plant.deliver("materials", material("C62"), observed_at=T0)["state"] == "applied"
    go.set()
    moving.join(20)
    before = plant.one(HELD, org=plant.id)["is_apart"]
    assert settling.settle(plant.engine) >= 1
    assert (before, plant.one(HELD, org=plant.id)["is_apart"]) == (False, True)


def test_settling_leaves_nothing_to_settle_and_changes_nothing_that_is_right(plant: Plant) -> None:
    plant.deliver("materials", material("KGM"))
    plant.snapshot([stock("A", 5, unit="KGM")])
    before = plant.all("select * from holding")
    assert settling.settle(plant.engine) >= 1
    assert settling.settle(plant.engine) == 0
    assert plant.all("select * from holding") == before
