"""Rows that cannot be accepted: every reason, what they do to their key, and how they come again."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from hub.columns import new_id
from hub.errors import Conflict
from masterdata import words
from masterdata.intake import checks, replay
from masterdata.intake.schemas import UnitIn
from tests.masterdata.plant import T0, Plant, move, stock

GOOD = stock("A", 1)
FAULTS: dict[str, tuple[dict[str, Any], str, str]] = {
    "the agent's word": ({"_problem": "quantity: line 12: 'abc'"}, "unreadable", "_problem"),
    "no item": ({"item_id": None}, "missing", "item_id"),
    "blank item": ({"item_id": "  "}, "missing", "item_id"),
    "no quantity": ({"quantity": None}, "missing", "quantity"),
    "unknown status": ({"status": "lost"}, "invalid_value", "status"),
    "unknown unit": ({"unit": "箱"}, "unknown_unit", "unit"),
    "currency": ({"currency": "rmb"}, "invalid_pattern", "currency"),
    "long code": ({"item_id": "x" * 201}, "too_long", "item_id"),
    "NUL": ({"lot": "a\0b"}, "invalid_text", "lot"),
    "separator": ({"place_id": "a\x1fb"}, "invalid_text", "place_id"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_a_faulty_row_is_quarantined_with_its_reason(plant: Plant, case: str) -> None:
    change, reason, field = FAULTS[case]
    batch = plant.snapshot([GOOD, stock("B", 2) | change])
    assert (batch["state"], batch["applied"], batch["quarantined"]) == ("applied", 1, 1)
    row = plant.one("select * from quarantine")
    assert (row["reason"], row["field"], row["row_no"]) == (reason, field, 1)
    assert len(row["detail"]) > 20
    assert "{" not in row["detail"]
    assert row["raw"]


def test_every_reason_is_said_in_chinese_too() -> None:
    assert words.SENTENCES.keys() == checks.SENTENCES.keys() == words.REASONS.keys()
    zh, en = words.sentence("missing", "quantity", None, "Field quantity is empty.")
    assert (zh, en) == ("字段 quantity 为空，而合约要求有值。", "Field quantity is empty.")


MOVES: dict[str, tuple[dict[str, Any], str]] = {
    "kind": ({"kind": "theft"}, "invalid_value"),
    "booked tomorrow": ({"booked_at": T0 + timedelta(days=1)}, "in_future"),
    "no business time": ({"occurred_at": None}, "missing"),
}


@pytest.mark.parametrize("case", MOVES)
def test_faulty_movements(plant: Plant, case: str) -> None:
    change, reason = MOVES[case]
    rows = [move("A", 1, "1", T0), move("A", 1, "2", T0) | change]
    batch = plant.deliver("stock_movements", rows, sync="incremental", counts="movements")
    assert (batch["applied"], batch["quarantined"]) == (1, 1)
    assert plant.one("select reason from quarantine")["reason"] == reason


def test_a_row_written_while_a_long_read_lasted_is_not_from_the_future(plant: Plant) -> None:
    rows = [move("A", 1, "1", T0 + timedelta(minutes=minutes)) for minutes in (0, 19, 26)]
    rows = [row | {"line": str(n)} for n, row in enumerate(rows)]
    batch = plant.deliver("stock_movements", rows, sync="incremental", counts="movements", read_seconds=20 * 60)
    assert (batch["applied"], batch["quarantined"]) == (2, 1)
    assert plant.one("select reason, row_no from quarantine") == {"reason": "in_future", "row_no": 2}


def test_a_quarantined_row_keeps_its_keys_last_value_marked(plant: Plant) -> None:
    plant.snapshot([stock("A", 7), stock("B", 2)])
    plant.snapshot([stock("A", 9) | {"quantity": None}, stock("B", 3)], minutes=5)
    assert plant.quantities() == {"A": Decimal(7), "B": Decimal(3)}
    marked = plant.all("select m.item_id, p.is_marked from position p join source_material m on m.id = p.material_id")
    assert {r["item_id"]: r["is_marked"] for r in marked} == {"A": True, "B": False}


def test_one_bad_row_of_a_key_takes_its_siblings_along(plant: Plant) -> None:
    plant.snapshot([stock("A", 7)])
    batch = plant.snapshot([stock("A", 3), stock("A", 1) | {"quantity": None}], minutes=5)
    assert (batch["applied"], batch["quarantined"]) == (0, 2)
    assert plant.quantities() == {"A": Decimal(7)}
    assert {r["reason"] for r in plant.all("select reason from quarantine")} == {"missing", "key_incomplete"}


def test_adding_the_unit_replays_the_rows_at_their_own_instant(plant: Plant) -> None:
    plant.snapshot([stock("A", 7), stock("B", 2, unit="箱"), stock("B", 3, unit="箱")])
    given = UnitIn(code="箱", unit="C62")
    with plant.session() as session:
        assert replay.add_unit(session, "u8", given, new_id()) == 2
    (made,) = replay.replay(plant.engine, plant.id, plant.system_id, "unknown_unit", "箱")
    assert plant.apply(made) == "applied"
    batch = plant.batch(made)
    assert (batch["applied"], batch["quarantined"], batch["observed_at"]) == (2, 0, T0)
    assert batch["origin_id"] is not None
    assert plant.quantities() == {"A": Decimal(7), "B": Decimal(5)}
    assert {r["state"] for r in plant.all("select state from quarantine")} == {"replayed"}
    assert replay.replay(plant.engine, plant.id, plant.system_id, "unknown_unit", "箱") == []


GOLDEN = """
select g.unit, sum(h.on_hand) filter (where not h.is_apart) as on_hand, count(*) filter (where h.is_apart) as apart
from holding h join golden_material g on g.id = h.golden_id group by g.unit"""


def test_what_a_unit_means_converts_what_came_in_it(plant: Plant) -> None:
    plant.snapshot([stock("B", 7, unit="DZN"), stock("B", 2, unit="打"), stock("B", 3, unit="打", place="W2")])
    for unit, on_hand in (("DZN", 7 + 5), ("C62", 7 * 12 + 5)):
        with plant.session() as session:
            replay.add_unit(session, "u8", UnitIn(code="打", unit=unit), new_id())
        for made in replay.replay(plant.engine, plant.id, plant.system_id, "unknown_unit", "打"):
            plant.apply(made)
        assert plant.one(GOLDEN) == {"unit": unit, "on_hand": on_hand, "apart": 0}


def test_a_base_unit_in_the_systems_own_code_is_what_it_means(plant: Plant) -> None:
    with plant.session() as session:
        replay.add_unit(session, "u8", UnitIn(code="公斤", unit="KGM"), new_id())
    plant.deliver("materials", [{"item_id": "B", "name": "B", "base_unit": "公斤"}])
    plant.snapshot([stock("B", 1500, unit="GRM"), stock("B", 3, unit="公斤")])
    assert plant.one(GOLDEN) == {"unit": "KGM", "on_hand": Decimal("4.5"), "apart": 0}


def test_an_unreadable_row_is_not_replayed(plant: Plant) -> None:
    plant.snapshot([stock("A", 7), stock("B", 2, _problem="reserved: line 12: 'abc'")])
    row = plant.one("select id from quarantine")
    with pytest.raises(Conflict, match="Correct the mapping"), plant.session() as session:
        replay.replay_row(session, row["id"])


def test_an_unreadable_row_holds_its_key_back_when_its_siblings_replay(plant: Plant) -> None:
    plant.snapshot([stock("A", 7), stock("B", 2, _problem="reserved: line 9: 'abc'"), stock("B", 3)])
    (made,) = replay.replay(plant.engine, plant.id, plant.system_id, "key_incomplete", None)
    plant.apply(made)
    assert plant.quantities() == {"A": Decimal(7)}
    again = plant.all("select reason, value from quarantine where batch_id = :made order by row_no", made=made)
    assert [(r["reason"], r["value"]) for r in again] == [
        ("unreadable", "reserved: line 9: 'abc'"),
        ("key_incomplete", None),
    ]


def test_a_long_replay_goes_on_and_splits_no_key(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "MOST", 2)
    plant.snapshot([stock(item, 1, unit="箱") for item in "ABCABCABC"])
    with plant.session() as session:
        replay.add_unit(session, "u8", UnitIn(code="箱", unit="C62"), new_id())
    for left in (2, 1, 0):
        (made,) = replay.replay(plant.engine, plant.id, plant.system_id, "unknown_unit", "箱")
        assert plant.apply(made) == "applied"
        assert sum(plant.quantities().values()) == 9 - 3 * left
    queued = plant.one("select count(*) as n from procrastinate_jobs where task_name like '%replay'")
    assert queued["n"] == 1 + 2


def test_a_newer_full_read_closes_what_an_older_one_left_open(plant: Plant) -> None:
    bad = stock("B", 2) | {"quantity": None}
    plant.snapshot([GOOD, bad])
    newer = plant.snapshot([GOOD, bad], minutes=5)
    rows = plant.all("select state, replay_batch_id from quarantine order by id")
    assert [(r["state"], r["replay_batch_id"]) for r in rows] == [("replayed", newer["id"]), ("open", None)]


def test_dismiss(plant: Plant) -> None:
    plant.snapshot([GOOD, stock("B", 2) | {"quantity": None}])
    row = plant.one("select id from quarantine")
    with plant.session() as session:
        replay.dismiss(session, row["id"], new_id(), "test row of the plant")
    assert plant.one("select state, note from quarantine") == {"state": "dismissed", "note": "test row of the plant"}
