"""Rows stamped early and committed late: the next incremental read brings them, and nothing a second time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors import cursor as cursor_module
from connectors.cursor import Cursor, behind, digest, place
from connectors.document import DocumentError
from connectors.mapping import loads
from connectors.reader import SystemParts, read_stream
from connectors.schedule import Schedule
from connectors.spool import Spool
from connectors.tables import Columnar
from tests.connectors.conftest import MAPPING, change
from tests.connectors.fake_hub import FakeHub
from tests.connectors.literal import LiteralSource, mapping, parts, stock
from tests.connectors.test_agent import run

STREAM = "stock_positions"
NOON = datetime(2026, 1, 1, 12)


def at(seconds: float) -> str:
    return str(NOON + timedelta(seconds=seconds))


def sent(spool: Spool) -> list[list[int]]:
    tables = [pq.read_table(batch.path) for batch in spool.batches("ready", 1_000)]
    return [[int(q) for q in table["quantity"].to_pylist()] for table in tables]


def read(made: SystemParts) -> list[int]:
    """What one incremental read brings, the agent started anew for it."""
    made.spool.close()
    object.__setattr__(made, "spool", Spool(made.spool.folder))
    before = len(sent(made.spool))
    read_stream(made, STREAM, "incremental")
    return [q for batch in sent(made.spool)[before:] for q in batch]


def elapse(spool: Spool, seconds: float) -> None:
    """Time passes after the last read."""
    earlier = (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat()
    with spool._transaction() as db:
        for old in (spool.state(STREAM).moved_at, spool.covered(STREAM)["qingyu", "all"].sent_at):
            db.execute("update stream set state = replace(state, ?, ?)", (old, earlier))
            db.execute("update covered set sent_at = replace(sent_at, ?, ?)", (old, earlier))


def test_a_row_committed_late_arrives_and_nothing_else_again(tmp_path: Path) -> None:
    source = LiteralSource([stock("A", n, at=at(n)) for n in range(100)])
    made = parts(tmp_path, source)
    read_stream(made, STREAM, "full")
    source.rows += [stock("B", 1_000, at=at(-150)), stock("B", 1_001, at=at(99)), stock("B", 1_002, at=at(-290))]
    assert read(made) == [1_000, 1_001]
    assert read(made) == []
    source.rows += [stock("A", 1_003, at=at(250)), stock("B", 1_004, at=at(3))]
    assert sorted(read(made)) == [1_003, 1_004]
    source.rows += [stock("B", 1_005, at=at(-60))]
    assert read(made) == [], "the window ends five minutes behind the cursor"
    made.spool.close()


def test_the_margin_is_the_mapping_s(tmp_path: Path) -> None:
    source = LiteralSource([stock("A", 1, at=at(0))])
    made = mapping()
    for given_, since in ((3_600.0, at(-3_600)), (0.0, at(0))):
        made.spec.streams[STREAM].__dict__["margin"] = given_
        own = parts(tmp_path / str(given_), source, made)
        read_stream(own, STREAM, "full")
        read_stream(own, STREAM, "incremental")
        assert source.reads[-1] == ("s", since)
        own.spool.close()


@settings(max_examples=25)
@given(st.lists(st.lists(st.tuples(st.integers(0, 120), st.integers(0, 299)), max_size=5), min_size=1, max_size=6))
def test_no_row_late_within_the_margin_is_lost_or_doubled(
    tmp_path_factory: pytest.TempPathFactory, steps: list[list[tuple[int, int]]]
) -> None:
    source, now, number = LiteralSource(page_rows=3), 0, 0
    made = parts(tmp_path_factory.mktemp("spool"), source)
    for step in steps:
        for pause, late in step:
            now, number = now + pause, number + 1
            source.rows.append(stock("A", number, at=at(now - late)))
        source.rows.sort(key=lambda row: str(row[4]))
        read(made)
    got = sorted(q for batch in sent(made.spool) for q in batch)
    made.spool.close()
    assert got == list(range(1, number + 1))


def test_a_number_committed_late_arrives(config: Path, hub: FakeHub, plant: Path) -> None:
    change(plant, "insert into moves values (1990, 'A', 'W1', 6, '2026-02-01')")
    run(config, "run", "--once")
    change(plant, "insert into moves values (1985, 'A', 'W1', 7, '2026-02-01'), (2, 'A', 'W1', 8, '2026-02-01')")
    run(config, "run", "--once")
    run(config, "run", "--once")
    assert [[r["quantity"] for r in t.to_pylist()] for _, t in hub.tables("stock_movements")] == [[5, 6], [7]]


def test_a_window_too_full_shrinks_to_its_newest_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cursor_module, "WINDOW_MAX", 5)
    source = LiteralSource([stock("A", n, at=at(n)) for n in range(60)], page_rows=7)
    made = parts(tmp_path, source)
    read_stream(made, STREAM, "full")
    state = made.spool.state(STREAM)
    assert (state.since, len(state.delivered)) == (at(55), 5)
    source.rows += [stock("B", 100, at=at(54)), stock("B", 101, at=at(57))]
    assert read(made) == [101]
    assert read(made) == []
    made.spool.close()


def test_columns_remember_what_rows_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cursor_module, "WINDOW_MAX", 50)
    rows = [(NOON + timedelta(seconds=n // 3), n) for n in (n * 7919 % 1_000 for n in range(1_000))]
    by_row, by_column = Cursor("at", None), Cursor("at", None)
    for first in range(0, 1_000, 200):
        page = rows[first : first + 200]
        by_row.fresh(["at", "n"], page)
        by_column.fresh(["at", "n"], Columnar(pa.table([[r[0] for r in page], [r[1] for r in page]], ["at", "n"])))
    assert by_row.window() == by_column.window()
    begin, delivered = by_row.window()
    assert (by_row.value, begin, len(delivered)) == (at(333), at(317), 49)


def test_a_cursor_at_rest_for_the_margin_is_read_from_itself(tmp_path: Path) -> None:
    source = LiteralSource([stock("A", 1, at=at(-10)), stock("A", 2, at=at(0))])
    made = parts(tmp_path, source)
    read_stream(made, STREAM, "full")
    elapse(made.spool, 360)
    source.rows.append(stock("B", 3, at=at(-20)))
    assert read(made) == [3], "who reads after the margin still reads the window, once"
    assert read(made) == [] and source.reads[-1] == ("s", at(0))
    made.spool.close()


@pytest.mark.parametrize("margin", [10.0, 20_000.0])
def test_a_margin_of_numbers_is_no_time_of_rest(tmp_path: Path, margin: float) -> None:
    source, set_ = LiteralSource([stock("A", 1, at="50100")]), mapping()
    set_.spec.streams[STREAM].__dict__.update(margin=margin, every=Schedule(seconds=5))
    made = parts(tmp_path, source, set_)
    read_stream(made, STREAM, "full")
    elapse(made.spool, 60)
    assert read(made) == []
    source.rows.append(stock("B", 2, at="50095"))
    assert read(made) == [2], "a minute is less than the usual rest of five"
    elapse(made.spool, 360)
    read(made)
    read(made)
    assert source.reads[-1] == ("s", "50100")
    made.spool.close()


def test_a_state_of_an_earlier_release_is_read(tmp_path: Path) -> None:
    source = LiteralSource([stock("A", n, at=at(n)) for n in range(5)])
    made = parts(tmp_path, source)
    read_stream(made, STREAM, "full")
    with made.spool._transaction() as db:
        db.execute("""update stream set state = replace(state, '"delivered"', '"boundary"')""")
    assert len(made.spool.state(STREAM).delivered) == 5
    assert read(made) == []
    made.spool.close()


NO_NUMBERS = [Decimal("NaN"), Decimal("sNaN"), Decimal("Infinity"), float("nan"), float("-inf"), "NaN", "inf"]


@pytest.mark.parametrize("odd", NO_NUMBERS, ids=repr)
def test_what_is_no_finite_number_does_not_move_a_cursor(odd: Any) -> None:
    first = Cursor("n", None)
    assert first.fresh(["n"], [(Decimal(1),), (odd,), (Decimal(2),)]) and first.value == "2"
    since, delivered = first.window()
    second = Cursor("n", since, frozenset(delivered), reached=first.value)
    assert list(second.fresh(["n"], [(odd,), (Decimal(2),), (Decimal(3),)]))[-1] == (Decimal(3),)
    assert second.value == "3"
    third = Cursor("n", second.window()[0], frozenset(second.window()[1]), reached=second.value)
    assert third.fresh(["n"], [(odd,), (Decimal(2),), (Decimal(3),)]) == []


def test_a_zero_below_zero_is_zero() -> None:
    assert len({digest((zero,)) for zero in (0, 0.0, -0.0, Decimal("-0"), Decimal("-0.00"), Decimal("0.000"))}) == 1


BEHIND = [
    ("2026-11-22 10:00:00", None, "2026-11-22 09:55:00"),
    ("2026-11-22T10:00:00.500000+08:00", None, "2026-11-22T09:55:00.500000+08:00"),
    ("2026-11-22", None, "2026-11-21"),
    ("2026-11-22 10:00:00", 0.0, "2026-11-22 10:00:00"),
    ("0001-01-01 00:00:00", None, "0001-01-01 00:00:00"),
    ("10500", None, "09500"),
    ("7", 3.0, "4"),
    ("000007", None, "000000"),
    ("MAT-0007", None, "MAT-0007"),
    ("-7", None, "-1007"),
    ("10500.00", None, "09500.00"),
    ("1500.0", 200_000.0, "0000.0"),
    ("-7.00", 3.0, "-10.00"),
    ("1763800000.125", None, "1763799000.125"),
    ("46000.75", 0.5, "46000.25"),
    ("7.5", None, "0.0"),
    ("1763800000000", 300_000.0, "1763799700000"),
    ("20270101000100", 9_000_000_000.0, "20261101000100"),
    ("NaN", None, "NaN"),
    (None, None, None),
]


@pytest.mark.parametrize(("value", "margin", "begin"), BEHIND)
def test_where_a_read_begins_is_written_like_the_cursor(value: str | None, margin: float | None, begin: str) -> None:
    assert behind(value, margin) == begin


def test_a_cursor_and_its_text_stand_at_the_same_place() -> None:
    zoned = datetime(2026, 11, 22, 18, tzinfo=UTC)
    for value in (NOON, NOON.date(), zoned, 7, "2026-11-22 10:00:00", "0007", "x"):
        assert place(value) == place(str(value))
    assert place(zoned) == place("2026-11-23 02:00:00+08:00")
    assert sorted(["0000-00-00", "12", "2026-11-22"], key=lambda v: place(v) or (-1, 0))[-1] == "2026-11-22"


MARGINS = [("10m", 600.0), ("0", 0.0), ("5000", 5_000.0), ("0.5h", 1_800.0)]


@pytest.mark.parametrize(("given_", "margin"), MARGINS)
def test_a_mapping_sets_its_margin(given_: str, margin: float) -> None:
    text = MAPPING.replace("  stock_movements:\n", f"  stock_movements:\n    margin: {given_}\n")
    made = loads("p", text, {"organisation": "q", "system": "s"})
    assert (made.margin("stock_movements"), made.margin(STREAM)) == (margin, None)
    own = loads("p", text.replace("source: sql", "source: files"), {"organisation": "q", "system": "s"})
    assert own.margin("stock_movements") == 0.0


@pytest.mark.parametrize("given_", ["-5", "soon", "true"])
def test_a_margin_that_is_none_is_refused(given_: str) -> None:
    text = MAPPING.replace("  stock_movements:\n", f"  stock_movements:\n    margin: {given_}\n")
    with pytest.raises(DocumentError, match="margin"):
        loads("p", text, {"organisation": "q", "system": "s"})
