"""One read of one stream: what becomes durable, and what a failed or empty read leaves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors import reader
from connectors.reader import SystemParts, read_stream
from connectors.sources.base import Abort, Page, Retry
from connectors.spool import Spooled
from tests.connectors.literal import LiteralSource, mapping, parts, stock

STREAM = "stock_positions"


def spooled(made: SystemParts) -> list[Spooled]:
    return made.spool.batches("ready")


def quantities(batch: Spooled) -> list[int]:
    return [int(q) for q in pq.read_table(batch.path)["quantity"].to_pylist()]


@pytest.mark.parametrize("error", [Retry("the line is down"), Abort("no rights")])
def test_a_failed_read_leaves_nothing(tmp_path: Path, error: Retry | Abort) -> None:
    source = LiteralSource([stock("A", 1), stock("B", 2), stock("A", 3)], error=error)
    made = parts(tmp_path, source)
    with pytest.raises(type(error)):
        read_stream(made, STREAM, "full")
    assert spooled(made) == [] and list(made.spool.bodies.iterdir()) == []
    assert made.spool.state(STREAM).cursor is None


def test_a_coverage_gone_from_a_full_read_gets_an_empty_batch(tmp_path: Path) -> None:
    source = LiteralSource([stock("A", 1, area="x"), stock("B", 2, area="y"), stock("B", 3, org="o", area="x")])
    made = parts(tmp_path, source)
    read_stream(made, STREAM, "full")
    source.rows = source.rows[:1]
    read_stream(made, STREAM, "full")
    second = {(b.header.organisation, b.header.coverage): b.header.rows for b in spooled(made)[3:]}
    assert second == {("qingyu", "y"): 0, ("o", "x"): 0}, "and x, unchanged at the same instant, is not said twice"


def test_a_row_of_unknown_coverage_is_in_every_batch_of_a_full_read(tmp_path: Path) -> None:
    source = LiteralSource([stock("A", 1, org="a"), stock("B", 2, org="gone")])
    made = parts(tmp_path, source, mapping(join="join"))
    read_stream(made, STREAM, "full")
    source.rows = [stock("A", 3, org="a"), stock("Z", 4, org="b"), stock("B", 5, org="b")]
    read_stream(made, STREAM, "full")
    problems = {b.header.organisation: pq.read_table(b.path)["_problem"].to_pylist() for b in spooled(made)[2:]}
    assert {org: [bool(p) for p in found] for org, found in problems.items()} == {
        "a": [False, True],
        "b": [False, True],
        "gone": [True],
    }


@pytest.mark.parametrize(("others", "keeper"), [(("a", "b"), "a"), (("a", "qingyu", "b"), "qingyu")])
def test_a_row_of_nobody_known_is_read_by_one_organisation_alone(
    tmp_path: Path, others: tuple[str, ...], keeper: str
) -> None:
    known = [stock("AB"[n % 2], 1, org=org) for n, org in enumerate(others)]
    made = parts(tmp_path, LiteralSource([*known, stock("Z", 4321, org="a")], page_rows=9), mapping(join="join"))
    read_stream(made, STREAM, "full")
    bodies = {b.header.organisation: pq.read_table(b.path).to_pylist() for b in spooled(made)}
    assert "4321" in str(bodies.pop(keeper))
    assert len(bodies) == len(others) - 1
    for rows in bodies.values():
        strange = rows[-1]
        assert f"{keeper} has its text" in strange.pop("_problem")
        assert strange.pop("_row") is not None
        assert set(strange.values()) == {None}


def test_an_empty_first_read_is_sent_as_such(tmp_path: Path) -> None:
    made = parts(tmp_path, LiteralSource())
    read_stream(made, STREAM, "full")
    (batch,) = spooled(made)
    assert (batch.header.organisation, batch.header.sync, batch.header.rows) == ("qingyu", "full", 0)


def test_an_idle_incremental_read_costs_one_query_and_sends_nothing(tmp_path: Path) -> None:
    source = LiteralSource([stock("A", 1, at="2026-01-01 10:00:00"), stock("B", 2, at="2026-01-02 10:00:00")])
    made = parts(tmp_path, source)
    read_stream(made, STREAM, "full")
    source.reads.clear()
    assert read_stream(made, STREAM, "incremental").batches == ()
    assert source.reads == [("s", "2026-01-02 09:55:00")]


def test_header_tells_clock_trace_and_mapping(tmp_path: Path) -> None:
    source = LiteralSource([stock("A", 1)], observed_at=None)
    made = parts(tmp_path, source)
    (header,) = read_stream(made, STREAM, "full").batches
    assert header.clock == "agent" and header.mapping == "plant.yaml" and len(header.mapping_sha256) == 64
    assert header.traceparent.startswith("00-") and len(header.traceparent) == 55


def test_header_tells_how_long_the_read_lasted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Later(datetime):
        at = datetime(2026, 1, 1, 8, tzinfo=UTC)

        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:
            cls.at += timedelta(minutes=10)
            return cls.at

    monkeypatch.setattr(reader, "datetime", Later)
    (header,) = read_stream(parts(tmp_path, LiteralSource([stock("A", 1)])), STREAM, "full").batches
    assert header.read_seconds == 600


def test_a_missing_cursor_column_is_said(tmp_path: Path) -> None:
    made = parts(tmp_path, LiteralSource([stock("A", 1)]), mapping(cursor="cursor: changed"))
    with pytest.raises(Abort, match="cursor column 'changed'"):
        read_stream(made, STREAM, "full")


@settings(max_examples=12)
@given(st.lists(st.lists(st.integers(1, 5), max_size=4), min_size=1, max_size=6))
def test_incremental_reads_bring_every_row_once(
    tmp_path_factory: pytest.TempPathFactory, steps: list[list[int]]
) -> None:
    """Rows arrive in any number at or after the cursor's value; each passes exactly once."""
    source = LiteralSource()
    made = parts(tmp_path_factory.mktemp("spool"), source)
    number, day = 0, 1
    for step in steps:
        for jump in step:
            day, number = day + jump // 4, number + 1
            source.rows.append(stock("A", number, at=f"2026-01-{day:02} 10:00:00"))
        read_stream(made, STREAM, "incremental")
    got = [q for batch in spooled(made) for q in quantities(batch)]
    made.spool.close()
    assert sorted(got) == list(range(1, number + 1))


def test_pushed_balances_are_observed_at_their_own_instants_and_the_last_of_a_key_counts(tmp_path: Path) -> None:
    early, late = "2026-01-31T09:59:59+08:00", "2026-01-31T10:00:00+08:00"
    rows = [stock("A", 100, at=late), stock("A", 98, at=late), stock("B", 5, at=late), stock("A", 90, at=early)]
    made = parts(tmp_path, LiteralSource([*rows, stock("B", 7), stock("B", 6, at="2026-02-01")], page_rows=9))
    read_stream(made, STREAM, "event")
    got = [(b.header.observed_at.isoformat(), quantities(b)) for b in spooled(made)]
    assert got == [
        ("2026-01-31T01:59:59+00:00", [90]),
        ("2026-01-31T02:00:00+00:00", [98, 6]),
    ], "one without an instant, or with one to come, was true when it was received"


def test_an_unreadable_pushed_balance_stays_beside_the_others(tmp_path: Path) -> None:
    made = parts(tmp_path, LiteralSource([stock("A", "x"), stock("A", 98)]))
    read_stream(made, STREAM, "event")
    (batch,) = spooled(made)
    assert pq.read_table(batch.path)["quantity"].to_pylist() == [None, 98]


def test_a_lookup_of_mixed_types_joins_as_text(tmp_path: Path) -> None:
    lookup = Page(("code", "unit"), [("A", 7), ("B", "kg")])
    made = parts(tmp_path, LiteralSource([stock("A", 1), stock("B", 2)], lookup=lookup))
    read_stream(made, STREAM, "full")
    assert pq.read_table(spooled(made)[0].path)["unit"].to_pylist() == ["7", "kg"]
