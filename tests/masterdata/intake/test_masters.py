"""Master records: newest wins, contradictions refused, gone is marked, costs are dated."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.masterdata.plant import T0, Plant, stock


def material(item: str, **more: Any) -> dict[str, Any]:
    return {"item_id": item, "name": f"name {item}", "base_unit": "C62"} | more


def at(minutes: float) -> dict[str, Any]:
    return {"observed_at": T0 + timedelta(minutes=minutes)}


def account(batch: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(batch[k] for k in ("state", "applied", "unchanged", "duplicate", "quarantined"))


def test_newest_version_wins_in_any_order(plant: Plant) -> None:
    new = material("A", name="new", modified_at=T0 - timedelta(hours=1))
    old = material("A", name="old", modified_at=T0 - timedelta(hours=2))
    assert account(plant.deliver("materials", [new], **at(0))) == ("applied", 1, 0, 0, 0)
    assert account(plant.deliver("materials", [old], **at(5), sync="incremental")) == ("applied", 0, 0, 1, 0)
    assert plant.one("select name from source_material")["name"] == "new"
    assert account(plant.deliver("materials", [new], **at(6))) == ("applied", 0, 1, 0, 0)


def test_contradicting_rows_of_one_key_are_refused_and_identical_ones_are_one(plant: Plant) -> None:
    rows = [material("A"), material("A"), material("B", name="x"), material("B", name="y")]
    assert account(plant.deliver("materials", rows)) == ("applied", 1, 0, 1, 2)
    assert [r["item_id"] for r in plant.all("select item_id from source_material")] == ["A"]
    assert {r["reason"] for r in plant.all("select reason from quarantine")} == {"duplicate_key"}


def test_gone_is_marked_and_its_stock_stays(plant: Plant) -> None:
    plant.deliver("materials", [material("A"), material("B")])
    plant.snapshot([stock("A", 1), stock("B", 2), stock("stub", 3)], minutes=1)
    plant.deliver("materials", [material("A")], **at(5))
    rows = plant.all("select item_id, is_deleted from source_material order by item_id")
    assert {r["item_id"]: r["is_deleted"] for r in rows} == {"A": False, "B": True, "stub": False}
    assert plant.quantities() == {"A": Decimal(1), "B": Decimal(2), "stub": Decimal(3)}
    plant.deliver("materials", [material("A"), material("B")], **at(10))
    assert not any(r["is_deleted"] for r in plant.all("select is_deleted from source_material"))


def test_an_empty_full_read_of_materials_is_held(plant: Plant) -> None:
    plant.deliver("materials", [material("A")])
    assert plant.deliver("materials", [], **at(5))["state"] == "held"
    assert not plant.one("select is_deleted from source_material")["is_deleted"]


def test_costs_are_dated_facts_written_when_they_change(plant: Plant) -> None:
    for minutes, cost in ((0, "10"), (5, "10"), (10, "12.5")):
        plant.deliver("materials", [material("A", unit_cost=Decimal(cost))], **at(minutes))
    rows = plant.all("select valid_from, cost, currency from unit_cost order by valid_from")
    expected = [(T0, Decimal(10), "CNY"), (T0 + timedelta(minutes=10), Decimal("12.5"), "CNY")]
    assert [(r["valid_from"], r["cost"], r["currency"]) for r in rows] == expected
    assert plant.one("select unit_cost from source_material")["unit_cost"] == Decimal("12.5")


def test_value_of_positions_prices_only_what_has_no_cost_of_its_own(plant: Plant) -> None:
    plant.deliver("materials", [material("A", unit_cost=Decimal(10)), material("B")])
    valued = {"value": Decimal(60), "currency": "CNY"}
    plant.snapshot([stock("A", 3) | valued, stock("B", 4) | valued], minutes=1)
    rows = plant.all("select item_id, unit_cost from source_material order by item_id")
    assert {r["item_id"]: r["unit_cost"] for r in rows} == {"A": Decimal(10), "B": Decimal(15)}


OTHERS: dict[str, tuple[str, list[dict[str, Any]], str]] = {
    "locations": ("place", [{"place_id": "W1", "name": "Main", "kind": "warehouse"}], "name"),
    "partners": ("partner", [{"partner_id": "S1", "name": "Bolt & Co", "kind": "supplier"}], "name"),
    "purchase_orders": (
        "purchase_order_line",
        [
            {"document": "P1", "line": "1", "item_id": "A", "unit": "C62", "quantity": Decimal(5), "state": "open"},
            {"document": "P1", "line": "2", "item_id": "B", "unit": "C62", "quantity": Decimal(6), "state": "draft"},
        ],
        "state",
    ),
    "demand": (
        "demand_line",
        [
            {"document": "S1", "line": "1", "item_id": "A", "unit": "C62", "quantity": Decimal(5), "kind": "sale"}
            | {"occurred_at": T0}
        ],
        "document",
    ),
    "material_units": (
        "material_unit",
        [{"item_id": "A", "unit": "KGM", "numerator": Decimal(3), "denominator": Decimal(7)}],
        "unit",
    ),
}


@pytest.mark.parametrize("stream", OTHERS)
def test_every_stream_is_written_once_and_unchanged_after(plant: Plant, stream: str) -> None:
    table, rows, column = OTHERS[stream]
    assert account(plant.deliver(stream, rows)) == ("applied", len(rows), 0, 0, 0)
    assert account(plant.deliver(stream, rows, **at(5))) == ("applied", 0, len(rows), 0, 0)
    assert [r[column] for r in plant.all(f"select {column} from {table} order by {column} desc")] == sorted(
        (r[column] for r in rows), reverse=True
    )
