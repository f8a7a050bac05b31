"""What every source must do, run over every entry of the registry against a real system of its kind: a database, a
folder, HTTP servers, the agent's own door."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from connectors.sources import SOURCES, Abort, Page, Retry, Source, open_source
from tests.connectors.sources.servers import ErpnextServer, OdooServer, serving

SECRET = "s3cret-word-77"
ROWS = [(i, f"件-{i:02}", f"2026-11-{1 + i:02} 08:00:00") for i in range(1, 26)]


@dataclass
class World:
    """A system of one kind that holds ROWS, and what is needed to read it and to break it."""

    kind: str
    connection: dict[str, Any]
    table: dict[str, Any]
    cursor: str
    refuse: Callable[[], dict[str, Any]]  # breaks the login or the address: the connection to use then
    lose: Callable[[], None]  # takes the system away in the middle
    columns: tuple[str, str, str] = ("id", "name", "write_date")
    state: Path = field(default_factory=Path)
    stack: ExitStack = field(default_factory=ExitStack)

    def open(self, **changes: Any) -> Source:
        source = open_source(self.kind, self.connection | changes, zone="Asia/Shanghai", state=self.state)
        self.stack.callback(getattr(source, "close", lambda: None))
        return source


def sql_world(tmp: Path, stack: ExitStack) -> World:
    path = tmp / "legacy.db"
    with sqlite3.connect(path) as db:
        db.execute("create table item (id integer, name text, write_date text)")
        db.executemany("insert into item values (?, ?, ?)", ROWS)
    db.close()
    table = {"query": "select id, name, write_date from item", "cursor": "write_date"}
    refused = {"url": f"postgresql+psycopg://hub:{SECRET}@127.0.0.1:1/none"}
    return World("sql", {"url": f"sqlite:///{path}", "password": None}, table, ROWS[20][2], lambda: refused,
                 lambda: path.write_bytes(b"no database any more, only " + bytes(5000)))  # fmt: skip


def files_world(tmp: Path, stack: ExitStack) -> World:
    folder = tmp / "export"
    folder.mkdir()
    body = "id,name,write_date\r\n" + "".join(",".join(map(str, row)) + "\r\n" for row in ROWS)
    path = folder / "stock_20261122-2000.csv"
    path.write_bytes(body.encode("gb18030"))
    os.utime(path, (time.time() - 60, time.time() - 60))
    table = {"glob": "stock_*.csv", "columns": ["id", "name"], "take": "all", "cursor": "_arrived_at"}
    return World("files", {"folder": str(folder)}, table, "2026-11-22T12:00:00.000000+00:00",
                 lambda: {"folder": str(folder / "gone")}, lambda: path.write_bytes(body.encode()[:-5]))  # fmt: skip


def odoo_world(tmp: Path, stack: ExitStack) -> World:
    types = {"product.product": {"name": "char", "write_date": "datetime"}}
    records = [{"id": i, "name": name, "write_date": at} for i, name, at in ROWS]
    server = OdooServer({"product.product": records}, types, SECRET)
    url = stack.enter_context(serving(server))
    table = {"model": "product.product", "fields": ["name", "write_date"], "cursor": "write_date"}
    connection = {"url": url, "database": "db", "user": "hub", "password": SECRET, "page": 10}

    def lose() -> None:
        server.fault = lambda model, method: (502, b"<html>bad gateway</html>") if len(server.calls) > 2 else None

    return World("odoo", connection, table, ROWS[20][2], lambda: {"password": SECRET[:-1]}, lose)


def erpnext_world(tmp: Path, stack: ExitStack) -> World:
    documents = [{"name": f"{i:04}", "item_name": name, "modified": at} for i, name, at in ROWS]
    server = ErpnextServer({"Item": documents}, f"key:{SECRET}")
    url = stack.enter_context(serving(server))
    table = {"doctype": "Item", "fields": ["name", "item_name", "modified"], "cursor": "modified"}
    connection = {"url": url, "key": "key", "secret": SECRET, "page": 10}

    def lose() -> None:
        server.fault = lambda path: (503, b"restarting") if len(server.calls) > 1 else None

    refused = {"secret": SECRET[:-2]}
    return World("erpnext", connection, table, ROWS[20][2], lambda: refused, lose, ("name", "item_name", "modified"))


def push_world(tmp: Path, stack: ExitStack) -> World:
    connection = {"listen": "127.0.0.1:0", "secret": SECRET}
    source = open_source("push", connection, state=tmp)
    source.start()  # type: ignore[attr-defined]
    lines = "\n".join(f'{{"id": {i}, "name": "{name}", "write_date": "{at}"}}' for i, name, at in ROWS)
    url, headers = f"http://127.0.0.1:{source.port}/events", {"X-Push-Secret": SECRET}  # type: ignore[attr-defined]
    assert httpx.post(url, content=lines.encode(), headers=headers).json() == {"accepted": 25}
    stack.callback(source.close)  # type: ignore[attr-defined]
    table = {"columns": ["id", "name", "write_date"], "cursor": "_seq"}
    world = World(
        "push", connection, table, "21", lambda: {"listen": f"127.0.0.1:{source.port}"}, source.close, state=tmp
    )  # type: ignore[attr-defined]
    world.open = lambda **changes: open_source("push", connection | changes, state=tmp) if changes else source  # type: ignore[method-assign]
    return world


WORLDS = {"sql": sql_world, "files": files_world, "odoo": odoo_world, "erpnext": erpnext_world, "push": push_world}

REQUIRED = {
    "sql": ["url"],
    "files": ["folder"],
    "odoo": ["url", "database", "user", "password"],
    "erpnext": ["url", "key", "secret"],
    "push": ["listen", "secret", "state"],
}


@pytest.fixture(params=SOURCES)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    with ExitStack() as stack:
        made = WORLDS[request.param](tmp_path, stack)
        with made.stack:
            yield made


def names(world: World, pages: list[Page]) -> list[str]:
    at = [list(page.columns).index(world.columns[1]) for page in pages if page.rows]
    full = [page for page in pages if page.rows]
    return [row[i] for i, page in zip(at, full, strict=True) for row in page.rows]


def test_read_is_complete_pages_with_one_aware_clock(world: World) -> None:
    before = datetime.now(UTC)
    pages = list(world.open().read(world.table, None))
    assert sorted(names(world, pages)) == sorted(name for _, name, _ in ROWS)
    assert all(len(row) == len(page.columns) for page in pages for row in page.rows)
    clocks = {page.observed_at for page in pages}
    assert len(clocks) == 1
    (clock,) = clocks
    assert clock is not None and clock.utcoffset() is not None
    if world.kind != "files":
        assert abs((clock - before).total_seconds()) < 5
    else:
        assert clock == datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def test_since_is_greater_or_equal(world: World) -> None:
    expected = ROWS if world.kind == "files" else ROWS[20:]
    assert sorted(names(world, list(world.open().read(world.table, world.cursor)))) == [name for _, name, _ in expected]


def test_second_read_equals_the_first(world: World) -> None:
    source = world.open()
    first, second = (sorted(names(world, list(source.read(world.table, None)))) for _ in range(2))
    assert first == second != []


def test_refused_says_so_without_the_secret(world: World) -> None:
    with pytest.raises((Abort, Retry)) as caught:
        list(world.open(**world.refuse()).read(world.table, None))
    told = f"{caught.value} {caught.value.__cause__}"
    assert len(str(caught.value)) > 20
    assert world.kind == "files" or (SECRET not in told)


def test_failure_midway_raises_and_is_no_short_read(world: World) -> None:
    source = world.open()
    world.lose()
    with pytest.raises((Abort, Retry)):
        list(source.read(world.table, None))


def test_missing_column_is_named(world: World) -> None:
    if world.kind in {"push", "erpnext"}:
        table = world.table | {"cursor": "绝无此列"}
    elif world.kind == "odoo":
        table = world.table | {"fields": ["name", "绝无此列"]}
    else:
        table = world.table | {"columns": ["id", "绝无此列"]}
    with pytest.raises(Abort, match="绝无此列"):
        list(world.open().read(table, None))


def test_missing_connection_key_is_named(world: World) -> None:
    for key in REQUIRED[world.kind]:
        with pytest.raises(Abort, match=f"`{key}`"):
            list(world.open(**{key: ""}).read(world.table, None))


def test_unknown_kind_names_the_known_ones() -> None:
    with pytest.raises(Abort, match="sql, files, odoo, erpnext, push"):
        open_source("oddo", {})
