"""Sums per material: what is on hand, and what of it is others'."""

from __future__ import annotations

from decimal import Decimal
from importlib import import_module
from typing import Any

from sqlalchemy import text

from hub.database import Tenancy, unit_of_work
from tests.conftest import Database
from tests.masterdata.plant import Plant, stock

HELD = "select on_hand, in_transit, consigned, value from holding"
# Ten of one's own; four of a supplier's on the shelf and five on the road.
ROAD = [
    stock("A", 10),
    stock("A", 4, "W2", owner="V1"),
    stock("A", 5, "W3", owner="V1", status="in_transit"),
]


def test_others_goods_on_the_road_take_nothing_from_what_is_on_hand(plant: Plant) -> None:
    assert held(plant) == {"on_hand": 14, "in_transit": 5, "consigned": 4, "value": 30}


def test_sums_that_counted_them_are_made_anew(plant: Plant, committed_db: Database) -> None:
    before = held(plant)
    with plant.session() as session:
        session.execute(text("update material_stock set consigned = 9"))
    assert plant.all(HELD)[0]["value"] == 15
    migration: Any = import_module("hub.migrations.versions.20261124_10_consigned")
    with unit_of_work(committed_db.owner_engine, Tenancy()) as session:
        session.execute(text(migration.SUMS))
    assert plant.all(HELD) == [before]


def held(plant: Plant) -> dict[str, Decimal]:
    record = {"item_id": "A", "name": "Bearing", "base_unit": "C62", "unit_cost": Decimal(3), "currency": "CNY"}
    plant.deliver("materials", [record])
    plant.snapshot(ROAD)
    (row,) = plant.all(HELD)
    return row
