"""The applied step: accounts of rows, quarantine, gate, masters."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from tests.masterdata.plant import T0, Plant, move, stock


def account(batch: dict[str, Any]) -> tuple[str, int, int, int, int]:
    return tuple(batch[k] for k in ("state", "applied", "unchanged", "duplicate", "quarantined"))  # type: ignore[return-value]


def test_rows_of_one_key_are_summed_and_all_rows_accounted(plant: Plant) -> None:
    batch = plant.snapshot([stock("A", 1), stock("A", 2), stock("B", 5), stock("C", "0.5", unit="KGM")])
    assert account(batch) == ("applied", 4, 0, 0, 0)
    assert plant.quantities() == {"A": Decimal(3), "B": Decimal(5), "C": Decimal("0.5")}
    again = plant.snapshot([stock("A", 3), stock("B", 5), stock("C", "0.6", unit="KGM")], minutes=5)
    assert account(again) == ("applied", 1, 2, 0, 0)
    assert plant.quantities()["C"] == Decimal("0.6")


def test_movements_move_and_repeat_harmlessly(plant: Plant) -> None:
    plant.snapshot([stock("A", 10)])
    at = T0 + timedelta(minutes=1)
    lines = [move("A", 5, "1", at), move("A", -2, "2", at)]
    first = plant.deliver("stock_movements", lines, sync="incremental", counts="balance+movements", observed_at=at)
    assert account(first) == ("applied", 2, 0, 0, 0)
    assert plant.quantities() == {"A": Decimal(13)}
    again = plant.deliver("stock_movements", lines, sync="incremental", counts="balance+movements", observed_at=at)
    assert account(again) == ("applied", 0, 0, 2, 0)
    assert plant.quantities() == {"A": Decimal(13)}
