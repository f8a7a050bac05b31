"""Brings the world into the legacy databases: each system's own schema, filled by COPY out of its SELECTs."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import duckdb
import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from demo.plants import SYSTEMS, System
from demo.world import World

LEGACY = Path(__file__).parent / "legacy"
KINDS = {
    "qingyu-u8": "u8", "songjian-k3": "k3", "wugang-odoo": "odoo", "wugang-wms": "ledger",
    "baishi-jsh": "jsherp", "kongxi-erpnext": "erpnext", "duoyan-csv": "ledger", "luyu-xlsx": "ledger",
}  # fmt: skip
_BLOCK = 1 << 20


def database_name(system: str) -> str:
    return "demo_" + system.replace("-", "_")


def system_dsn(admin_dsn: str, system: str) -> str:
    return make_conninfo(admin_dsn, dbname=database_name(system))


def create_database(admin_dsn: str, system: str) -> None:
    """Drop and make one legacy database, empty."""
    name = sql.Identifier(database_name(system))
    with psycopg.connect(admin_dsn, autocommit=True) as con:
        con.execute(sql.SQL("drop database if exists {} with (force)").format(name))
        con.execute(sql.SQL("create database {} template template0").format(name))


def load_all(world: World, admin_dsn: str, report: Callable[[str, float], None]) -> None:
    """All systems, two at a time: one thread waits for PostgreSQL while the other computes in DuckDB."""
    done = iter(range(1, len(SYSTEMS) + 1))

    def make(system: System) -> None:
        create_database(admin_dsn, system.key)
        with world.con.cursor() as cursor:
            load_system(cursor, world, system, system_dsn(admin_dsn, system.key))
        report(f"{system.name_en} ({system.organisation})", next(done) / len(SYSTEMS))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(make, SYSTEMS))


def load_system(duck: duckdb.DuckDBPyConnection, world: World, system: System, dsn: str) -> None:
    folder = LEGACY / KINDS[system.key]
    with psycopg.connect(dsn) as con, tempfile.TemporaryDirectory() as scratch:
        con.execute(sql.SQL("set synchronous_commit = off"))
        con.execute((folder / "schema.sql").read_bytes())
        for kind, name, body in sections(folder / "load.sql"):
            query = _bound(body, world, system)
            if kind == "view":
                duck.execute(f"create or replace temp table {name} as {query}")
            else:
                _copy(con, duck, name, query, Path(scratch) / "rows.csv")
        _advance_identities(con)
        con.commit()
        con.autocommit = True
        con.execute("analyze")


def sections(path: Path) -> list[tuple[str, str, str]]:
    """(view or table, name, query): views first, as a file may use them before it shows them."""
    sections = []
    for part in path.read_text("utf-8").split("\n-- ")[1:]:
        head, body = part.split("\n", 1)
        kind, name = head.split(": ", 1)
        sections.append((kind, name.strip(), body.strip()))
    return sections


def _bound(query: str, world: World, system: System) -> str:
    """The query with its four names put in; they are our own constants, never a user's text."""
    start, now = (t.replace(tzinfo=None) for t in (world.start, world.now))
    values = {
        "start_local": start + timedelta(hours=8),
        "now_local": now + timedelta(hours=8),
        "start": start,
        "now": now,
    }
    for name, value in values.items():
        query = query.replace(f"${name}", f"timestamp '{value:%Y-%m-%d %H:%M:%S}'")
    return query.replace("$system", f"'{system.key}'").replace("$language", f"'{system.language}'")


def _copy(con: psycopg.Connection, duck: duckdb.DuckDBPyConnection, name: str, query: str, file: Path) -> None:
    duck.execute(f"copy ({query}) to '{file}' (format csv, header false)")
    table, _, columns = name.partition("(")
    target = f'"{table}"' if table.startswith("tab") else table
    statement = f"copy {target} {'(' + columns if columns else ''} from stdin (format csv)"
    with file.open("rb") as source, con.cursor().copy(statement.encode()) as copy:
        while block := source.read(_BLOCK):
            copy.write(block)


def _advance_identities(con: psycopg.Connection) -> None:
    """COPY with given ids leaves the sequences behind: set each past its column's largest value."""
    rows = con.execute(
        "select table_name, column_name from information_schema.columns where is_identity = 'YES' and table_schema = "
        "'public'"
    ).fetchall()
    for table, column in rows:
        names = sql.Identifier(table), sql.Identifier(column)
        con.execute(
            sql.SQL("select setval(pg_get_serial_sequence({}, {}), coalesce(max({}), 0) + 1, false) from {}").format(
                table, column, names[1], names[0]
            )
        )
