"""A plant in SQLite, an agent configured for it, and a hub that keeps what it gets."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from connectors.cli import app
from tests.connectors.fake_hub import CODE, FakeHub, Running

MAPPING = """\
source: sql
zone: Asia/Shanghai
units: {个: C62}
tables:
  stock: {query: "select code, wh, qty from stock"}
  items: {query: "select code, unit from items"}
  moves: {query: "select id, code, wh, qty, at from moves", cursor: id}
streams:
  stock_positions:
    every: 1s
    from: stock s left join items i using (code)
    fields:
      item_id: s.code
      place_id: s.wh
      unit: unit(i.unit)
      status: "'unrestricted'"
      quantity: s.qty
  stock_movements:
    every: 1s
    from: moves m left join items i using (code)
    fields:
      document: m.id
      line: "'1'"
      item_id: m.code
      place_id: m.wh
      unit: unit(i.unit)
      status: "'unrestricted'"
      quantity: m.qty
      kind: "'receipt'"
      occurred_at: m.at
"""

PLANT = """
create table stock (code text, wh text, qty numeric);
create table items (code text, unit text);
create table moves (id integer, code text, wh text, qty numeric, at text);
insert into items values ('A', '个'), ('B', 'kg');
insert into stock values ('A', 'W1', '1.10'), ('B', 'W1', -3);
insert into moves values (1, 'A', 'W1', 5, '2026-01-31 10:00:00');
"""


@pytest.fixture
def plant(tmp_path: Path) -> Path:
    """The folder with the plant's database, its mapping and the agent's configuration (hub address to be filled)."""
    with closing(sqlite3.connect(tmp_path / "plant.db")) as db:
        db.executescript(PLANT)
    (tmp_path / "plant.yaml").write_text(MAPPING, "utf-8")
    return tmp_path


@pytest.fixture
def hub() -> FakeHub:
    return FakeHub()


@pytest.fixture
def running(hub: FakeHub) -> Iterator[Running]:
    server = Running(hub)
    yield server
    server.stop()


@pytest.fixture
def config(plant: Path, running: Running) -> Path:
    """An enrolled agent's configuration."""
    path = plant / "agent.yaml"
    path.write_text(
        f"hub: {running.url}\nstate: state\nsystems:\n- system: u8\n  mapping: plant.yaml\n  organisation: qingyu\n"
        f"  connection: {{url: 'sqlite:///{plant}/plant.db'}}\n",
        "utf-8",
    )
    arguments = ["enrol", "--hub", running.url, "--code", CODE, "--state", str(plant / "state")]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    return path


def change(plant: Path, sql: str) -> None:
    with closing(sqlite3.connect(plant / "plant.db")) as db:
        db.executescript(sql)
