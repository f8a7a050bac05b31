"""What bronze holds of batches: each once, whoever was killed; a new base where a forerunner's body is gone."""

from __future__ import annotations

from collections.abc import Callable
from multiprocessing.process import BaseProcess
from typing import Any

import pytest
from sqlalchemy import text

from masterdata.lake import append, bronze
from masterdata.lake.bronze import BronzeError
from masterdata.lake.reconcile import reconcile
from tests.masterdata.lake import publication
from tests.masterdata.lake.rig import Append, Count, Line, Moves, Rig, Row
from tests.masterdata.plant import Plant, stock


def chain(plant: Plant) -> list[tuple[int, int]]:
    rows = plant.all("select chain_no, base_no from bronze_batch where chain_no is not null order by sequence")
    return [(row["chain_no"], row["base_no"]) for row in rows]


def agree(rig: Rig) -> None:
    """The lake's positions are the live ones."""
    with rig.lake() as db:
        made = db.execute("select position_key::varchar, quantity, reserved from silver.int_positions_current")
        assert {key: tuple(said) for key, *said in made.fetchall()} == rig.live()
        assert reconcile(db).differences == 0


def test_a_writer_killed_at_any_instant_is_carried_on(
    rig: Rig, committed_db: Any, start: Callable[..., BaseProcess]
) -> None:
    for n, instant in enumerate(("claimed", "one table written", "all written")):
        rig.take(Moves(0, "incremental", "balance+movements", (Line(f"d{n}", "a", 1, n), Line("", "b", n, n))))
        rig.take(*(Count(3 * n + m, 0, "full", (Row("a", 3 * n + m), Row("b", 1))) for m in range(3)))
        process = start(committed_db, publication.die_appending, instant)
        process.join(90)
        assert process.exitcode == -9
    waiting = rig.plant.one("select count(*) as n from bronze_batch where not is_written")["n"]
    assert (waiting > 0, append.append_pending(rig.plant.engine) > 0) == (True, True)
    held = rig.held()
    assert len(set(held)) == len(held)
    assert {row[0] for row in held} == set(map(str, rig.batches))
    assert chain(rig.plant) == [(n, 1) for n in range(1, 10)]
    agree(rig)


def forget_body(plant: Plant, batch_id: Any) -> None:
    with plant.session() as session:
        query = "delete from landing l using batch b where b.id = :id and l.sha256 = b.sha256"
        session.execute(text(query), {"id": batch_id})


def test_a_snapshot_whose_forerunner_cannot_be_read_is_a_new_base(rig: Rig) -> None:
    rig.take(Count(0, 0, "full", (Row("a", 5), Row("b", 3))), Append(), Count(1, 0, "full", (Row("a", 5),)), Append())
    forget_body(rig.plant, rig.batches[1])
    rig.take(Count(2, 0, "full", (Row("a", 5), Row("c", 1))), Append(), Count(3, 0, "full", (Row("c", 1),)))
    agree(rig)
    assert chain(rig.plant) == [(1, 1), (2, 1), (3, 3), (4, 3)]
    # Whole: `a` is told again though nothing changed.
    told = [row[0] for row in rig.held()]
    assert [told.count(str(batch)) for batch in rig.batches] == [2, 1, 2, 1]


def test_what_is_not_applied_is_not_in_bronze(rig: Rig) -> None:
    rig.take(Count(0, 0, "full", (Row("a", 5),)))
    landed = rig.plant.land("stock_positions", [stock("a", 6)], sync="incremental")
    assert append.append_pending(rig.plant.engine) == 1
    rig.plant.apply(landed)
    assert (append.append_pending(rig.plant.engine), append.append_pending(rig.plant.engine)) == (1, 0)


def test_an_unchanged_snapshot_costs_no_row(rig: Rig) -> None:
    rows = tuple(Row(f"m{n}", n, n) for n in range(50))
    rig.take(*(Count(n, 0, "full", rows) for n in range(4)), Append(), Count(5, 0, "full", rows), Append())
    assert len(rig.held()) == 50
    agree(rig)


def test_a_key_put_into_another_coverage_is_read_there(rig: Rig) -> None:
    """The mapping was changed: what the old coverage no longer lists is not gone."""
    for minute, coverage, rows in ((0, "all", [5]), (1, "rest", [7]), (2, "all", [])):
        given = [stock("a", quantity, "W1") for quantity in rows] + [stock("b", minute, f"in {coverage}")]
        batch = rig.plant.snapshot(given, minute, coverage=coverage)
        assert batch["state"] == "applied"
    assert rig.plant.quantities()["a"] == 7
    agree(rig)


def test_a_body_that_says_something_else_today_is_refused(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.take(Count(0, 0, "incremental", (Row("a", 5),)))
    fields = bronze._FIELDS_OF["stock_positions"].replace("quantity", "null::decimal(38,9) as quantity", 1)
    monkeypatch.setitem(bronze._FIELDS_OF, "stock_positions", fields)
    with pytest.raises(BronzeError, match=f"Row 0 of batch {rig.batches[0]}"):
        append.append_pending(rig.plant.engine)
    monkeypatch.undo()
