"""Events over the service: durable answers, repetition, group commit, the same judgement as a batch file."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy.orm import Session

from hub.columns import new_id
from hub.database import Tenancy
from hub.errors import Conflict, NotFound, Unprocessable
from masterdata.intake import events, replay, rows
from masterdata.intake.schemas import EventAccount, EventsIn, UnitIn
from tests.masterdata.intake.test_quarantine import FAULTS, MOVES
from tests.masterdata.plant import T0, Plant, move, stock


def lines(given: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows as an agent sends them in an event call."""
    made: list[dict[str, Any]] = json.loads(
        json.dumps([r | {"_raw": {"n": i}} for i, r in enumerate(given)], default=_text)
    )
    return made


def _text(value: Any) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def call(stream: str, given: list[dict[str, Any]], **more: Any) -> EventsIn:
    known = {"batch_id": new_id(), "system": "u8", "organisation": "qingyu", "stream": stream, "observed_at": T0}
    return EventsIn.model_validate(known | {"lines": lines(given)} | more)


def send(plant: Plant, given: EventsIn) -> EventAccount:
    with Session(plant.engine, info={"tenancy": Tenancy((plant.id,), plant.id)}) as session:
        call = asyncio.run(events.prepare(session, plant.agent, given))
    return plant.writer.apply(call).result(60)


def counts(account: EventAccount) -> tuple[int, ...]:
    return (account.applied, account.unchanged, account.duplicate, account.quarantined)


def test_a_caller_who_gave_up_leaves_its_feed_to_the_others(plant: Plant) -> None:
    with Session(plant.engine, info={"tenancy": Tenancy((plant.id,), plant.id)}) as session:
        given = [call("stock_movements", [move("A", n, "1", T0, document=f"D{n}")]) for n in (1, 2)]
        left, stayed = (asyncio.run(events.prepare(session, plant.agent, one)) for one in given)
    left.answer.cancel()
    plant.writer.apply(left)
    assert counts(plant.writer.apply(stayed).result(60)) == (1, 0, 0, 0)
    assert counts(send(plant, given[0])) == (1, 0, 0, 0)
    assert plant.quantities() == {"A": Decimal(3)}


def test_movements_move_at_once_and_repeat_harmlessly(plant: Plant) -> None:
    plant.snapshot([stock("A", 10)], minutes=-5)
    given = call("stock_movements", [move("A", 5, "1", T0), move("A", -1, "2", T0), move("A", 1, "3", T0, kind="x")])
    first = send(plant, given)
    assert counts(first) == (2, 0, 0, 1)
    assert send(plant, given) == first
    assert counts(send(plant, given.model_copy(update={"batch_id": new_id()}))) == (0, 0, 2, 1)
    assert plant.quantities() == {"A": Decimal(14)}
    batch = plant.batch(given.batch_id)
    assert (batch["state"], batch["sync"], batch["pending"]) == ("applied", "event", 0)


def test_the_same_id_with_other_lines_is_a_conflict(plant: Plant) -> None:
    given = call("stock_movements", [move("A", 5, "1", T0)])
    send(plant, given)
    with pytest.raises(Conflict, match="other lines"):
        send(plant, given.model_copy(update={"lines": lines([move("A", 6, "1", T0)])}))


def test_of_several_balances_of_a_key_the_last_counts(plant: Plant) -> None:
    given = [stock("A", 1), stock("A", 2), stock("B", 4), stock("B", 1) | {"quantity": None}]
    assert counts(send(plant, call("stock_positions", given))) == (1, 0, 1, 2)
    assert plant.quantities()["A"] == Decimal(2)
    given = [stock("A", 5), stock("A", 6), stock("A", 2), stock("B", 4), stock("B", 1) | {"quantity": None}]
    batch = plant.deliver("stock_positions", given, sync="event", observed_at=T0 + timedelta(minutes=1))
    assert [batch[k] for k in ("applied", "unchanged", "duplicate", "quarantined")] == [0, 1, 2, 2]
    assert plant.quantities()["A"] == Decimal(2)


def test_replayed_balances_of_an_event_are_statements_still(plant: Plant) -> None:
    send(plant, call("stock_positions", [stock("A", 1, unit="箱"), stock("A", 2, unit="箱")]))
    with plant.session() as session:
        replay.add_unit(session, "u8", UnitIn(code="箱", unit="C62"), new_id())
    (made,) = replay.replay(plant.engine, plant.id, plant.system_id, "unknown_unit", "箱")
    plant.apply(made)
    assert plant.quantities() == {"A": Decimal(2)}


def test_concurrent_calls_are_committed_together_and_told_apart(plant: Plant) -> None:
    plant.snapshot([stock("A", 0)], minutes=-5)
    calls = [call("stock_movements", [move("A", 1, f"{n}-{i}", T0) for i in range(3)]) for n in range(40)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda c: send(plant, c), calls))
    assert [a.batch_id for a in answers] == [c.batch_id for c in calls]
    assert {counts(a) for a in answers} == {(3, 0, 0, 0)}
    assert plant.quantities() == {"A": Decimal(120)}
    rows_of = plant.all("select batch_id, array_agg(row_no order by row_no) as n from movement group by batch_id")
    assert {r["batch_id"]: r["n"] for r in rows_of} == {c.batch_id: [0, 1, 2] for c in calls}
    last = plant.one("select batch_id, row_no from position")
    assert (last["batch_id"] in {c.batch_id for c in calls}, last["row_no"]) == (True, 2)


def test_one_failing_call_does_not_spoil_its_neighbours(plant: Plant) -> None:
    good = call("stock_movements", [move("A", 1, "1", T0)])
    bad = call("stock_movements", [move("A", 1, "2", T0)], batch_id=good.batch_id)
    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(send, plant, c) for c in (good, bad)]
    outcomes = sorted(type(f.exception()).__name__ for f in futures)
    assert outcomes == ["Conflict", "NoneType"]


@pytest.mark.parametrize("case", FAULTS | MOVES)
def test_events_are_judged_like_batch_files(plant: Plant, case: str) -> None:
    change, *expected = (FAULTS | MOVES)[case]
    stream = "stock_movements" if case in MOVES else "stock_positions"
    row = move("B", 2, "9", T0) if case in MOVES else stock("B", 2)
    given = call(stream, [row | change])
    assert counts(send(plant, given)) == (0, 0, 0, 1)
    plant.deliver(stream, [row | change], sync="incremental", counts="movements")
    first, second = plant.all("select reason, field, value, position_hash from quarantine order by id")
    assert first["reason"] == expected[0]
    # An instant is shown as it was written, which differs between JSON and Parquet.
    ignored = {"value": ""} if case == "booked tomorrow" else {}
    assert first | ignored == second | ignored


def test_the_same_movement_by_event_and_by_file_is_one(plant: Plant) -> None:
    row = move("A", "1.5", "1", T0 + timedelta(microseconds=120), modified_at=T0)
    send(plant, call("stock_movements", [row]))
    again = plant.deliver("stock_movements", [row], sync="incremental", counts="movements")
    assert (again["applied"], again["duplicate"]) == (0, 1)


def test_raw_line_of_an_event(plant: Plant) -> None:
    given = call("stock_movements", [move("A", 5, "1", T0), move("A", "2.5", "2", T0)])
    send(plant, given)
    with plant.session(acting=False) as session:
        found = rows.get_row(session, given.batch_id, 1)
    assert (found.raw, found.record["quantity"]) == ('{"n": 1}', "2.5")


def test_outside_the_grant_and_from_the_future(plant: Plant) -> None:
    with pytest.raises(NotFound):
        send(plant, call("stock_movements", [move("A", 5, "1", T0)], system="other"))
    future = plant.one("select clock_timestamp() + interval '1 hour' as at")["at"]
    with pytest.raises(Unprocessable, match="in the future"):
        send(plant, call("stock_movements", [move("A", 5, "1", T0)], observed_at=future))
