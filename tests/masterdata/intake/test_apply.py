"""The applied step: accounts of rows, quarantine, gate, masters."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text

from masterdata.intake.writing import driver
from masterdata.ledger import batch as ledger
from masterdata.ledger import staging
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


def test_after_a_first_load_the_planner_knows_the_tenant_to_be_large(plant: Plant) -> None:
    """Else the next load of some thousand lines reads every movement of the tenant once per line."""
    moves = [move(f"i{n}", 1, f"{n}", T0, document=f"d{n}") for n in range(2_000)]
    plant.deliver("stock_movements", moves, sync="incremental", counts="movements")
    with plant.session() as session:
        for table in ("movement", "position"):
            query = f"explain (format json) select from {table} where organisation_id = '{plant.id}'"
            (plan,) = session.execute(text(query)).scalar_one()
            assert plan["Plan"]["Plan Rows"] > 1_000, (table, plan)


@pytest.mark.parametrize(("lines", "known", "looks_up"), [(400, 10, True), (2_000, 10, False), (2_000, 90_000, True)])
def test_lines_are_looked_up_where_that_is_sure_to_be_less_work(
    plant: Plant, monkeypatch: pytest.MonkeyPatch, lines: int, known: int, looks_up: bool
) -> None:
    monkeypatch.setattr(ledger, "_rows_known", lambda *_: known)
    with plant.session() as session:
        connection = driver(session)
        staging.create(connection)
        connection.execute("insert into stage_movement (row_no) select generate_series(1, %s)", [lines])
        ledger.plan_for(connection, "stage_movement", plant.id)
        assert connection.execute("show enable_hashjoin").fetchone() == ("off" if looks_up else "on",)
        assert connection.execute("show enable_nestloop").fetchone() == ("on" if looks_up else "off",)
