"""The SQL source: streaming, read only, exact values, the cursor in the query or around it."""

from __future__ import annotations

import re
import sqlite3
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError, ProgrammingError

from connectors.sources import Abort, Retry, SourceError, open_source
from connectors.sources.sql import SqlSource, _query
from hub.postgres import Server


@pytest.fixture
def url(tmp_path: Path) -> str:
    with sqlite3.connect(tmp_path / "x.db") as db:
        db.execute("create table t (id integer, at text)")
        db.executemany("insert into t values (?, ?)", [(i, f"2026-11-{1 + i % 28:02}") for i in range(120_001)])
    db.close()
    return f"sqlite:///{tmp_path / 'x.db'}"


def rows(source: Any, table: dict[str, Any], since: str | None = None) -> list[Any]:
    return [row for page in source.read(table, since) for row in page.rows]


def test_rows_stream_in_pages_of_fifty_thousand(url: str) -> None:
    sizes = [len(p.rows) for p in open_source("sql", {"url": url}).read({"query": "select * from t;"}, None)]
    assert sizes == [50_000, 50_000, 20_001]


def test_a_source_is_read_only(url: str) -> None:
    with pytest.raises(Abort, match="readonly"):
        rows(open_source("sql", {"url": url}), {"query": "delete from t returning id"})


def test_an_empty_result_still_names_its_columns(url: str) -> None:
    (page,) = open_source("sql", {"url": url}).read({"query": "select id from t where id < 0"}, None)
    assert (list(page.columns), page.rows) == (["id"], [])


def test_cursor_around_the_query_and_inside_it(url: str) -> None:
    source = open_source("sql", {"url": url})
    around = {"query": "select id, 'a:b' as note from t", "cursor": "id"}
    assert rows(source, around, "119999") == [(119_999, "a:b"), (120_000, "a:b")]
    inside = {"query": "select id from t where id >= :since", "cursor": "id", "start": "119998"}
    assert [r[0] for r in rows(source, inside)] == [119_998, 119_999, 120_000]
    assert [r[0] for r in rows(source, inside, "120000")] == [120_000]


@pytest.mark.parametrize(
    ("dialect", "since", "bound"),
    [
        ("postgresql", "2026-11-22 10:00:00.5", "2026-11-22 10:00:00.5"),
        ("mssql", "42", "42"),
        ("sqlite", "42", 42),
    ],
)
def test_cursor_is_bound_as_the_driver_wants_it(dialect: str, since: str, bound: Any) -> None:
    assert _query({"query": "select 1", "cursor": "c"}, since, dialect)[1] == {"since": bound}
    _, values = _query({"query": "select 1", "cursor": "c"}, "2026-11-22 10:00:00", "oracle")
    assert values["since"].isoformat() == "2026-11-22T10:00:00"


SAID: list[tuple[str, type[SourceError], str]] = [
    ("(1045, \"Access denied for user 'hub'@'x' (using password: YES)\")", Abort, "check user and password"),
    ("(18456, b\"Login failed for user 'hub'\")", Abort, "check user and password"),
    ("ORA-01017: invalid username/password", Abort, "check user and password"),
    ('FATAL: password authentication failed for user "hub"', Abort, "check user and password"),
    ('FATAL: database "u8" does not exist', Abort, "check the connection URL"),
    ("(1054, \"Unknown column 'x' in 'field list'\")", Abort, "'x'"),
    ("(207, b\"Invalid column name 'cFree11'.\")", Abort, "cFree11"),
    ("(208, b\"Invalid object name 'CurrentStok'.\")", Abort, "A table the mapping names"),
    ("(229, b\"The SELECT permission was denied on the object 'Vendor'\")", Abort, "grant select"),
    ("(1205, 'Lock wait timeout exceeded')", Retry, "busy"),
    ("could not connect: Connection refused", Retry, "does not answer"),
    ("(2006, 'MySQL server has gone away')", Retry, "does not answer"),
    ("FATAL: the database system is starting up: recovery", Retry, "does not answer"),
    ("division by zero s3cret", Abort, r"cannot run the mapping's query. \(division by zero \*\*\*\)"),
]


@pytest.mark.parametrize(("said", "kind", "words"), SAID)
def test_what_drivers_say_becomes_plain_words(said: str, kind: type[SourceError], words: str) -> None:
    source = SqlSource({"url": "postgresql+psycopg://hub@localhost/x", "password": "s3cret"})
    for wrapper in (OperationalError, ProgrammingError):
        told = source._in_words(wrapper("select", {}, Exception(said)))
        assert type(told) is kind
        assert re.search(words, str(told))
        assert "s3cret" not in str(told)


def test_postgresql_reads_one_consistent_state(server: Server) -> None:
    server.drop_database("consistent")
    dsn = server.create_database("consistent")
    with server.connect("consistent", "hub") as db:
        db.execute("create table t as select n, 1.10::numeric(10, 2) as q from generate_series(1, 60000) n")
        pages = open_source("sql", {"url": dsn.replace("postgresql:", "postgresql+psycopg:")}).read(
            {"query": "select n, q from t order by n"}, None
        )
        first = next(pages)
        db.execute("update t set q = 9; delete from t where n > 55000")
        rest = [row for page in pages for row in page.rows]
    assert len(first.rows) + len(rest) == 60_000
    # The clock and the query see one state, and nothing can be written.
    asked = "select current_setting('transaction_isolation'), current_setting('transaction_read_only')"
    source = open_source("sql", {"url": dsn.replace("postgresql:", "postgresql+psycopg:")})
    assert rows(source, {"query": asked}) == [("repeatable read", "on")]
    assert {q for _, q in rest} == {Decimal("1.10")}
    server.drop_database("consistent")


def test_unusable_urls_are_said_without_their_secret() -> None:
    with pytest.raises(Abort, match="driver for 'firebird' is not installed"):
        open_source("sql", {"url": "firebird://u:s3cret@h/d"})
    with pytest.raises(Abort, match=r"pip install 'group-hub\[mysql\]'"):
        open_source("sql", {"url": "mysql+nosuchdriver://u:s3cret@h/d"})
    with pytest.raises(Abort, match="not an SQLAlchemy URL") as caught:
        open_source("sql", {"url": "server=x;password=s3cret"})
    assert "s3cret" not in str(caught.value)
