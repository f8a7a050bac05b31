"""A whole PostgreSQL query by COPY: the same Arrow tables as the driver's rows give, the same errors, never less."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg.abc import PQGen

from connectors.cursor import Cursor
from connectors.sources import Abort, Retry, SourceError, open_source, postgresql
from connectors.sources import sql as sql_source
from connectors.sources.postgresql import Copied
from connectors.sources.sql import SqlSource
from connectors.tables import Columnar, column_of, from_numerals, to_arrow
from hub.postgres import Server

TYPES: dict[str, list[str | None]] = {
    "integer": ["0", "-2147483648", "2147483647", None],
    "smallint": ["-32768", "7"],
    "bigint": ["-9223372036854775808", "9223372036854775807", None],
    "oid": ["4294967295"],
    "numeric": ["1.10", "-0.001", "123456789012345678901234567890.5", "0", None],
    "numeric(12, 4)": ["0", "0.5", "-0.0001", None],
    "numeric(30, 9)": ["NaN", "1.5", None],
    "numeric(3, -2)": ["700", "51200"],
    "double precision": ["0.1", "-2.5", "100", "1e3", None],
    "float8": ["1e300", "0.1", "-0", None],
    "real": ["0.1", "3.4e-5", "NaN", "-Infinity", None],
    "boolean": ["t", "f", None],
    "text": [
        "",
        None,
        " x ",
        "a,b",
        'say "so"',
        "two\nlines\r\nand\rmore",
        r"\.",
        r"\N",
        "NULL",
        "物料",
        "\ufeffx",
        "'",
    ],
    "varchar(40)": ["007", "1e5", "true", "2026-01-01", "-", ""],
    "char(4)": ["ab", "", None],
    "name": ["pg_class", ""],
    "date": ["2026-11-22", "0001-01-01", "9999-12-31", None],
    "timestamp": ["2026-11-22 10:00:00", "2026-11-22 10:00:00.123456", "1890-01-01 00:00:00.5", None],
    "timestamptz": ["2026-11-22 10:00:00+00", "2026-07-01 00:00:00.000001+08", "1800-01-01 12:00:00+00", None],
    "time": ["10:00:00", "23:59:59.999999", None],
    "timetz": ["10:00:00+08", None],
    "interval": ["1 day 02:00:00", "-3 hours", None],
    "uuid": ["6f1c7a58-8f5b-4a77-9a8e-2b0f6a3c1d2e", None],
    "bytea": [r"\x00ff41", "", None],
    "json": ['{"a": [1, null, "x,y"], "物": 1.50}', "null", None],
    "jsonb": ['{"b": {"c": "\\"q\\""}}', "[]", None],
    "integer[]": ["{1,NULL,3}", "{}", None],
    "text[]": ['{"a,b","\\"",NULL}', None],
    "inet": ["10.0.0.1", None],
    "money": ["$1,234.50", None],
    "colour": ["red", "a \"b\" 'c'", None],
    "amount": ["1.50", "20", None],
    "int4range": ["[1,5)", None],
    "point": ["(1,2)", None],
    "bit(3)": ["101", None],
    "xid": ["7", None],
}


@pytest.fixture(scope="module")
def dsn(server: Server) -> Iterator[str]:
    server.drop_database("copied")
    dsn = server.create_database("copied")
    with server.connect("copied", "hub") as db:
        db.execute("""create type colour as enum ('red', 'a "b" ''c'''); create domain amount as numeric(9, 2)""")
        columns = ", ".join(f"c{n} {kind}" for n, kind in enumerate(TYPES))
        db.execute(f"create table every (n integer, {columns})")
        for n in range(12):
            values = [n, *(given_[n % len(given_)] for given_ in TYPES.values())]
            db.execute(f"insert into every values ({', '.join(['%s'] * len(values))})", values)
    yield dsn
    server.drop_database("copied")


def source(dsn: str, options: str = "") -> SqlSource:
    made = open_source("sql", {"url": dsn.replace("postgresql:", "postgresql+psycopg:") + options})
    assert isinstance(made, SqlSource)
    return made


def both_ways(made: SqlSource, query: str) -> tuple[list[pa.Table], list[pa.Table]]:
    """What COPY gives, and what the driver's rows give."""
    copied = list(made.read({"query": query}, None))
    assert all(isinstance(page.rows, Columnar) for page in copied)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SqlSource, "_copied", lambda *_: None)
        fetched = list(made.read({"query": query}, None))
    assert not any(isinstance(page.rows, Columnar) for page in fetched)
    return [to_arrow(p.columns, p.rows) for p in copied], [to_arrow(p.columns, p.rows) for p in fetched]


def assert_same(copied: list[pa.Table], fetched: list[pa.Table]) -> None:
    for one, other in zip(copied, fetched, strict=True):
        assert one.schema == other.schema
        for name, left, right in zip(one.column_names, one.columns, other.columns, strict=True):
            assert left.to_pylist() == right.to_pylist(), name
        assert one.equals(other)


ZONES = ["UTC", "Asia/Shanghai", "America/New_York"]


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("page", [1, 5, 50_000])
def test_every_type_comes_as_it_always_did(dsn: str, zone: str, page: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql_source, "PAGE_ROWS", page)
    copied, fetched = both_ways(source(dsn, f"&options=-c%20TimeZone%3D{zone}"), "select * from every order by n")
    assert sum(table.num_rows for table in copied) == 12
    assert_same(copied, fetched)


STARTS = {"stamp": "timestamp '2026-11-22'", "zoned": "timestamptz '2026-11-22Z'"}


@pytest.mark.parametrize("column", ["n", "stamp", "zoned", "day"])
def test_rows_read_whole_are_known_to_the_next_incremental_read(dsn: str, column: str) -> None:
    odd = {
        "numeric(30, 9)",
        "float8",
        "real",
        "timetz",
    }  # hold NaN, 1e300 or a zone of their own: not the same in Arrow
    names = ["n", *(f"c{n}" for n, kind in enumerate(TYPES) if kind not in odd)]
    names += [f"{start} + n * interval '1 s' as {name}" for name, start in STARTS.items()]
    query = f"select {', '.join(names)}, date '2026-11-22' + n as day from every"
    made, first = source(dsn), Cursor(column, None)
    for page in made.read({"query": query, "cursor": column}, None):
        assert len(first.fresh(page.columns, page.rows)) == 12
    since, delivered = first.window()
    second = Cursor(column, since, frozenset(delivered), reached=first.value)
    pages = list(made.read({"query": query, "cursor": column}, since))
    assert sum(len(page.rows) for page in pages) == len(delivered) >= 2
    assert [row for page in pages for row in second.fresh(page.columns, page.rows)] == []
    assert second.window() == (since, delivered)


AWKWARD = [
    "select c12 from every where c12 = '' or c12 is null order by n -- one column, empty lines",
    "select 1 as a, 2 as a, '10%' as \"100%\", ':x' as b, n::text from every",
    "select n, case when n < 50 then n end as some from generate_series(1, 120) n",
    "select null as nothing, 'x' as text, 1e40::numeric as wide, 1.5::numeric as narrow",
    "select (n * 7919)::numeric / 1000 as q, random() < 2 as yes from generate_series(1, 300) n",
    "select c12 from every where false",
    "with w as (select c4 from every) select * from w where c4 < 1",
    "values (1, 'a'), (2, null)",
    "table every",
]


@pytest.mark.parametrize("query", AWKWARD)
def test_awkward_queries_come_as_they_always_did(dsn: str, query: str) -> None:
    assert_same(*both_ways(source(dsn), query))


@settings(max_examples=60)
@given(st.lists(st.integers(0, 30).flatmap(lambda n: st.decimals(-(10**9), 10**9, places=n)), min_size=1))
def test_numerals_take_the_type_of_their_decimals(values: list[Decimal]) -> None:
    made, expected = from_numerals(pa.array([format(v, "f") for v in values])), column_of(values)
    assert (made is None) == (not pa.types.is_decimal128(expected.type))
    assert made is None or made.equals(expected)


FAULTS = [
    ("select nope from every", Abort, "A column the mapping names"),
    ("select * from nowhere", Abort, "A table the mapping names"),
    ("selec 1", Abort, "cannot run the mapping's query"),
    ("select 1 / (n - 5) from every", Abort, "division by zero"),
    ("select 'infinity'::timestamp", Abort, "cannot run the mapping's query"),
    ("select '0044-03-15 BC'::date from every", Abort, "cannot run the mapping's query"),
    ("select * from pg_authid", Abort, "no right to read"),
    ("select pg_sleep(5)", Retry, "statement timeout"),
    ("delete from every returning n", Abort, "cannot run the mapping's query"),
]


@pytest.mark.parametrize(("query", "kind", "words"), FAULTS)
def test_faults_are_the_same(dsn: str, query: str, kind: type[SourceError], words: str) -> None:
    made = source(dsn, "&options=-c%20statement_timeout%3D300")
    for copied in (SqlSource._copied, lambda *_: None):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(SqlSource, "_copied", copied)
            with pytest.raises(SourceError, match=words) as caught:
                list(made.read({"query": query}, None))
        assert type(caught.value) is kind


# What PostgreSQL itself refuses, as other servers refuse all of COPY.
REFUSALS = {
    "42601": "copy (\n{}\n) into stdout (format csv)",
    "0A000": "copy (select * into temp elsewhere from (\n{}\n) refused) to stdout (format csv)",
}


@pytest.mark.parametrize("copy", REFUSALS.values(), ids=REFUSALS.keys())
def test_a_server_that_refuses_copy_is_read_the_driver_s_way(
    dsn: str, copy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    table, made = {"query": "select * from every order by n"}, source(dsn)
    expected = [to_arrow(page.columns, page.rows) for page in made.read(table, None)]
    monkeypatch.setattr(postgresql, "COPY", copy)
    other, tried = source(dsn), 0

    def counted(self: SqlSource, *arguments: Any) -> Copied | None:
        nonlocal tried
        tried += 1
        return original(self, *arguments)

    original = SqlSource._copied
    monkeypatch.setattr(SqlSource, "_copied", counted)
    for _ in range(2):
        pages = list(other.read(table, None))
        assert not any(isinstance(page.rows, Columnar) for page in pages)
        assert all(page.observed_at is not None for page in pages)
        assert_same([to_arrow(page.columns, page.rows) for page in pages], expected)
    assert tried == 1, "who refused once is not asked again"


ENDINGS = [("pg_terminate_backend", Retry), ("pg_cancel_backend", Abort)]


@pytest.mark.parametrize(("ending", "kind"), ENDINGS)
def test_a_read_cut_midway_is_an_error(dsn: str, server: Server, ending: str, kind: type[SourceError]) -> None:
    """More rows than all buffers on the way hold, so that the server is at work when it is stopped."""
    query = "select n, repeat('x', 500) as note from generate_series(1, 400000) n"
    pages = source(dsn).read({"query": query}, None)
    rows = len(next(pages).rows)
    with server.connect() as db:
        db.execute(f"select {ending}(pid) from pg_stat_activity where query like 'copy (%'")
    with pytest.raises(SourceError) as caught:
        for page in pages:
            rows += len(page.rows)
    assert type(caught.value) is kind and 0 < rows < 400_000


def test_fewer_rows_than_the_server_counts_are_an_error(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def one_lost(connection: Any, most: int, room: int) -> PQGen[tuple[list[Any], int | None]]:
        lines, told = yield from part(connection, most, room)
        return lines[1:], told

    part = postgresql._part
    monkeypatch.setattr(postgresql, "_part", one_lost)
    with pytest.raises(Retry, match="sent 11 of 12 rows"):
        list(source(dsn).read({"query": "select n from every"}, None))


def test_a_read_left_midway_leaves_nothing_running(dsn: str, server: Server) -> None:
    pages = source(dsn).read({"query": "select n, repeat('x', 500) from generate_series(1, 400000) n"}, None)
    assert len(next(pages).rows) == 50_000
    pages.close()  # type: ignore[attr-defined]
    with server.connect() as db:
        left = db.execute("select count(*) from pg_stat_activity where query like 'copy (%'").fetchone()
    assert left == (0,)


def test_long_texts_make_smaller_pages(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.sources.postgresql.PAGE_BYTES", 1_000_000)
    query = "select n, repeat('x', 100) as note from generate_series(1, 30000) n"
    sizes = [len(page.rows) for page in source(dsn).read({"query": query}, None)]
    assert sum(sizes) == 30_000 and len(sizes) == 4 and max(sizes) < 10_000


def test_very_long_texts_make_pages_of_few_rows(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgresql, "PAGE_BYTES", 1_000_000)
    query = "select n, repeat('x', 300000) as note from generate_series(1, 50) n"
    assert [len(page.rows) for page in source(dsn).read({"query": query}, None)] == [4] * 12 + [2]


def test_a_page_arrow_cannot_hold_says_so(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgresql, "BLOCK_MAX", 100_000)
    with pytest.raises(Abort, match="leave the column out"):
        list(source(dsn).read({"query": "select repeat('x', 100000) as note"}, None))


def test_one_consistent_read_only_state(dsn: str, server: Server) -> None:
    pages = source(dsn).read({"query": "select n from generate_series(1, 60000) g(x), every where n = 0"}, None)
    first = next(pages)
    with server.connect("copied", "hub") as db:
        db.execute("update every set n = 99 where n = 0")
    rest = [row for page in pages for row in page.rows]
    with server.connect("copied", "hub") as db:
        db.execute("update every set n = 0 where n = 99")
    assert len(first.rows) + len(rest) == 60_000 and set(rest) == {(0,)}
