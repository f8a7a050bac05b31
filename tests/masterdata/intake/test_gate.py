"""Held snapshots: what the gate finds, what a person decides, what stays."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text

from hub.columns import new_id
from hub.errors import Conflict
from masterdata.intake import decide, service
from tests.masterdata.plant import T0, Plant, move, stock

FULL = [stock(f"M{n:03}", 10) for n in range(40)]

# What arrives after a good snapshot of forty keys, and the findings.
RED: dict[str, tuple[list[dict[str, Any]], set[str]]] = {
    "empty": ([], {"empty"}),
    "half gone": (FULL[:15], {"rows_min", "overlap_min"}),
    "many times the rows": (FULL + [stock(f"N{n:03}", 1) for n in range(100)], {"rows_max"}),
    "codes changed": ([stock(f"X{n:03}", 10) for n in range(40)], {"overlap_min"}),
    "negative": ([stock(f"M{n:03}", -1) for n in range(40)], {"negative_max"}),
    "unreadable key": ([*FULL, stock("", 1)], {"unreadable_key"}),
    "half unreadable": (FULL[:15] + [r | {"quantity": None} for r in FULL[15:]], {"quarantined_max"}),
}


@pytest.mark.parametrize("case", RED)
def test_a_red_snapshot_is_held_and_the_last_state_stays(plant: Plant, case: str) -> None:
    rows, findings = RED[case]
    plant.snapshot(FULL)
    before = plant.quantities()
    held = plant.snapshot(rows, minutes=5)
    assert (held["state"], held["pending"]) == ("held", len(rows))
    assert {f["name"] for f in held["gate"]["findings"]} == findings
    assert plant.quantities() == before
    assert plant.one("select held_batch_id from coverage")["held_batch_id"] == held["id"]
    assert plant.all("select * from quarantine") == []


GREEN = {
    "the same": FULL,
    "a few gone": FULL[:36],
    "a few new": [*FULL, stock("N1", 3)],
    "one faulty row with a readable key": [*FULL[:39], FULL[39] | {"quantity": None}],
}


@pytest.mark.parametrize("case", GREEN)
def test_a_green_snapshot_passes(plant: Plant, case: str) -> None:
    plant.snapshot(FULL)
    assert plant.snapshot(GREEN[case], minutes=5)["state"] == "applied"


def test_a_small_shelf_may_lose_most_but_not_all(plant: Plant) -> None:
    plant.snapshot(FULL[:3])
    assert plant.snapshot(FULL[:1], minutes=5)["state"] == "applied"
    assert plant.snapshot([], minutes=10)["state"] == "held"


def test_consequence_in_goods_and_money(plant: Plant) -> None:
    plant.snapshot([r | {"value": Decimal(25), "currency": "CNY"} for r in FULL])
    held = plant.snapshot(FULL[:15], minutes=5)
    with plant.session(acting=False) as session:
        detail = service.get_batch(session, held["id"])
    assert detail.consequence is not None
    assert (detail.consequence.zeroed, detail.consequence.materials) == (25, 25)
    assert [(g.quantity, g.unit) for g in detail.consequence.goods_lost] == [(Decimal(250), "C62")]
    assert [(m.amount, m.currency) for m in detail.consequence.value_lost] == [(Decimal("625.00"), "CNY")]


def priced(plant: Plant, currencies: list[str], cost: dict[str, int]) -> None:
    rows = [
        {"item_id": row["item_id"], "name": "x", "base_unit": "C62", "currency": currency, "unit_cost": cost[currency]}
        for row, currency in zip(FULL, currencies, strict=True)
    ]
    plant.deliver("materials", rows)


def test_money_lost_counts_the_units_of_a_pack(plant: Plant) -> None:
    dozens = [row | {"unit": "DZN"} for row in FULL]
    priced(plant, ["CNY"] * 40, {"CNY": 2})
    plant.snapshot(dozens)
    held = plant.snapshot(dozens[:15], minutes=5)
    (lost,) = held["gate"]["consequence"]["value_lost"]
    assert (lost["amount"], lost["currency"]) == ("6000.00", "CNY")


def test_values_of_several_currencies_are_compared_in_one(plant: Plant) -> None:
    priced(plant, ["CNY"] * 20 + ["JPY"] * 20, {"CNY": 100, "JPY": 1_000})
    with plant.session() as session:
        session.execute(text("insert into exchange_rate (currency, rate_on, rate) values ('JPY', '2026-01-01', 0.05)"))
    plant.snapshot(FULL)
    less = plant.snapshot([row | {"quantity": Decimal(2)} for row in FULL[:20]] + FULL[20:], minutes=5)
    assert less["gate"]["figures"]["value_ratio"] == pytest.approx((4_000 + 10_000) / 30_000)


def test_stock_booked_after_an_empty_snapshot_is_guarded_too(plant: Plant) -> None:
    plant.snapshot([])
    at = T0 + timedelta(minutes=1)
    lines = [move(row["item_id"], 10, f"{n}", at) for n, row in enumerate(FULL)]
    plant.deliver("stock_movements", lines, sync="incremental", counts="movements", observed_at=at)
    held = plant.snapshot([stock(f"X{n:03}", 10) for n in range(40)], minutes=5)
    assert [f["name"] for f in held["gate"]["findings"]] == ["overlap_min"]


def test_release_applies_without_the_gate(plant: Plant) -> None:
    plant.snapshot(FULL)
    held = plant.snapshot(FULL[:1], minutes=5)
    with plant.session() as session:
        decide.release(session, held["id"], new_id(), "moved to the new hall")
        jobs = session.scalar(text("select count(*) from procrastinate_jobs where task_name like '%apply'"))
    assert jobs == 3
    assert plant.apply(held["id"]) == "applied"
    assert sum(plant.quantities().values()) == 10
    assert plant.one("select held_batch_id from coverage")["held_batch_id"] is None


def test_reject_keeps_the_state_and_decides_once(plant: Plant) -> None:
    plant.snapshot(FULL)
    held = plant.snapshot([], minutes=5)
    with plant.session() as session:
        decide.reject(session, held["id"], new_id(), "export failed")
    assert plant.batch(held["id"])["state"] == "rejected"
    with pytest.raises(Conflict, match="rejected, not held"), plant.session() as session:
        decide.release(session, held["id"], new_id())
    assert sum(plant.quantities().values()) == 400


def test_a_newer_good_snapshot_overtakes_a_held_one(plant: Plant) -> None:
    plant.snapshot(FULL)
    held = plant.snapshot([], minutes=5)
    newer = plant.snapshot(FULL, minutes=10)
    assert newer["state"] == "applied"
    old = plant.batch(held["id"])
    assert (old["state"], old["decision"]["reason"]) == ("rejected", f"overtaken by batch {newer['id']}")
    assert plant.one("select held_batch_id from coverage")["held_batch_id"] is None


def test_limits_of_a_coverage(plant: Plant) -> None:
    plant.snapshot(FULL)
    with plant.session() as session:
        session.execute(text('update coverage set limits = \'{"rows_min": 0.1, "overlap_min": 0.1}\''))
    assert plant.snapshot(FULL[:15], minutes=5)["state"] == "applied"


def test_a_judge_that_crashed_has_not_judged() -> None:
    """Else a snapshot is held by limits that it keeps."""
    from masterdata.intake.expectations import _raised

    assert _raised({"metric of a column": {"raised_exception": True, "exception_message": "no memory"}})
    assert _raised({"raised_exception": True, "exception_message": "no memory"})
    assert not _raised({"raised_exception": False, "exception_message": None})
