"""Any history of a plant: the lake's positions are the ledger's, now and at every instant of both axes.
HUB_TEST_EXAMPLES says how many histories are tried."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from masterdata.lake.reconcile import reconcile
from tests.masterdata.lake.rig import COVERAGES, FAULTY, Append, Count, Explain, Line, Moves, Rig, Row, instant, tries

END = 12
minutes = st.integers(0, END)
items = st.sampled_from("abc")
places = st.integers(0, len(COVERAGES) - 1)
quantities = st.integers(-3, 6)
rows = st.builds(
    Row,
    item=items,
    quantity=quantities,
    reserved=st.none() | st.integers(1, 3),
    fault=st.sampled_from(["", "", "", "", *FAULTY]),
)
counts = st.builds(
    Count,
    at=minutes,
    coverage=places,
    how=st.sampled_from(["full", "full", "full", "incremental", "event", "call"]),
    rows=st.lists(rows, max_size=4).map(tuple),
)
lines = st.builds(
    Line,
    document=st.sampled_from(["d1", "d2", "d3", ""]),
    item=items,
    quantity=quantities,
    booked=minutes,
    modified=st.none() | minutes,
    voided=st.sampled_from([False, False, True]),
)
moves = st.builds(
    Moves,
    coverage=places,
    how=st.sampled_from(["incremental", "call"]),
    counts=st.sampled_from(["balance", "movements", "balance+movements", "balance+movements"]),
    lines=st.lists(lines, min_size=1, max_size=3).map(tuple),
)
others = st.sampled_from([Append(), Append(), Explain()])
histories = st.lists(st.one_of(counts, counts, moves, others), min_size=5, max_size=16)
FIVE, SIX = (Row("a", 5),), (Row("a", 6),)
LAST = "select position_key::varchar, last(quantity order by moment) from silver.int_stock_points {} group by all"


@tries(10)
@given(history=histories, at=minutes, data=st.data())
def test_lake_and_ledger_agree_now_and_on_both_axes(rig: Rig, history: list, at: int, data: st.DataObject) -> None:
    rig.clear()
    rig.take(*history)
    with rig.lake() as db:
        made = db.execute("select position_key::varchar, quantity, reserved from silver.int_positions_current")
        current = {key: (quantity, reserved) for key, quantity, reserved in made.fetchall()}
        # A movement that is history makes a position of which no fact says anything.
        assert current == {key: said for key, said in rig.live().items() if key in current or said != (0, None)}
        assert reconcile(db).differences == 0
        assert points(db, END) == {key: quantity for key, (quantity, _) in current.items() if quantity}
        recorded = rig.recorded()
        assert points(db, at) == rig.past(instant(at), recorded[-1])
        known = data.draw(st.sampled_from(range(len(recorded))), "recorded")
        assert as_of(db, rig, at, recorded[known]) == rig.past(instant(at), recorded[known])
    event(f"{len(current)} positions")


@tries(10)
@given(history=histories, instants=st.lists(minutes, min_size=4, max_size=4, unique=True))
def test_history_tells_what_was_believed_at_any_instant_of_both_axes(rig: Rig, history: list, instants: list) -> None:
    rig.clear()
    rig.take(*history)
    with rig.lake() as db:
        assert points(db, END) == beliefs(db, END, None)
        for known in rig.recorded():
            for at in instants:
                assert beliefs(db, at, known) == rig.past(instant(at), known), (at, known)
    event(f"{len(rig.recorded())} recordings")


def test_late_upon_late_retells_each_its_own_stretch(rig: Rig) -> None:
    """Movements by their instants, a count among them: each is late, and some begin later than the one before."""
    rig.take(Count(0, 0, "full", FIVE))
    for number, booked in enumerate((10, 3, 5, 1, None, 6, 3)):
        if booked is None:
            rig.take(Count(4, 0, "incremental", SIX))
        else:
            rig.take(Moves(0, "incremental", "balance+movements", (Line(f"d{number}", "a", 1 + number, booked),)))
    with rig.lake() as db:
        for known in rig.recorded():
            for at in range(END):
                assert beliefs(db, at, known) == rig.past(instant(at), known), (at, known)


READS = {
    "unchanged after a read": (Count(0, 0, "full", FIVE), Count(1, 0, "incremental", SIX), Count(2, 0, "full", FIVE)),
    "empty before a late read": (Count(2, 0, "full", ()), Count(1, 0, "call", SIX)),
    "unchanged after an event of its instant": (
        Count(0, 0, "full", FIVE),
        Count(2, 0, "event", SIX),
        Count(2, 0, "full", FIVE),
    ),
    "unchanged after a later word on its instant": (
        Count(2, 0, "full", FIVE),
        Count(2, 0, "call", SIX),
        Count(3, 0, "full", FIVE),
    ),
    "a gap says nothing": (
        Count(0, 0, "full", FIVE),
        Count(1, 0, "call", SIX),
        Count(2, 0, "full", (Row("a", 9, None, "no quantity"),)),
    ),
}


@pytest.mark.parametrize("case", READS)
def test_a_snapshot_speaks_though_its_chain_has_no_row(rig: Rig, case: str) -> None:
    rig.take(*READS[case])
    with rig.lake() as db:
        assert reconcile(db).differences == 0
        for at in range(4):
            assert points(db, at) == rig.past(instant(at), rig.recorded()[-1]), at


LIVED = """
create schema gold;
create table gold.stock_history as
select 1 as material_id, 'k' as position_key, 'W1' as place_id, 'C62' as unit, quantity, valid_from, valid_to, known_to
from (values (5, timestamptz '2026-03-01 08:00:00Z', timestamptz '2026-03-02 16:00:00Z', null::timestamptz),
             (9, '2026-03-01 08:00:00Z', null, '2026-03-02 09:00:00Z'),
             (7, '2026-03-02 16:00:00Z', '2026-03-03 02:00:00Z', null),
             (6, '2026-03-03 02:00:00Z', null, null)) t(quantity, valid_from, valid_to, known_to)"""


def test_intervals_become_days_by_the_sources_clock(compiled: Any, tmp_path: Path) -> None:
    (code,) = [node.compiled_code for node in compiled[0] if node.name == "stock_days"]
    asked = {"material_id": 1, "first_day": "2026-02-28", "last_day": "2026-03-04", "zone": "Asia/Shanghai"}
    with duckdb.connect(str(tmp_path / "build.duckdb")) as db:
        db.execute(f"set TimeZone = 'UTC'; {LIVED}")
        found = [(row[0].day, row[-1]) for row in db.execute(code, asked).fetchall()]
    assert found == [(1, 5), (2, 5), (3, 6), (4, 6)]


def points(db: duckdb.DuckDBPyConnection, at: int) -> dict[str, object]:
    """What the life of each position says it held."""
    found = db.execute(LAST.format("where moment <= $at"), {"at": instant(at)}).fetchall()
    return {key: quantity for key, quantity in found if quantity}


def beliefs(db: duckdb.DuckDBPyConnection, at: int, known: datetime | None) -> dict[str, object]:
    """What history says of an instant, as known at another (None: now); more than one row of a position is a fault."""
    then = "known_to is null" if known is None else "known_from <= $known and (known_to is null or known_to > $known)"
    found = db.execute(
        f"select position_key::varchar, quantity from silver.int_stock_beliefs"
        f" where valid_from <= $at and (valid_to is null or valid_to > $at) and {then}",
        {"at": instant(at)} | ({"known": known} if known else {}),
    ).fetchall()
    assert len(found) == len(dict(found))
    return {key: quantity for key, quantity in found if quantity}


def as_of(db: duckdb.DuckDBPyConnection, rig: Rig, at: int, known: datetime) -> dict[str, object]:
    found = db.execute(
        f"select position_key::varchar, quantity from ({rig.models.as_of})", {"as_of": instant(at), "known_at": known}
    )
    return {key: quantity for key, quantity in found.fetchall() if quantity}
