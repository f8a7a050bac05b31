"""The configuration fits the shipped mappings, and what they read is the stock that is there, to the unit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, nullcontext
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml

from connectors.check import broken
from connectors.config import read_config
from connectors.contract import streams
from connectors.mapping import Mapping
from connectors.sources import open_source
from connectors.tables import to_arrow
from connectors.transform import Transform
from demo.agents import PUSH_SECRET
from demo.families import UNIT_WORDS
from demo.group import DemoGroup
from demo.plants import SYSTEMS
from demo.truth import StockKey
from demo.wms import Pusher

PULLED = ("qingyu-u8", "songjian-k3", "wugang-odoo", "baishi-jsh", "kongxi-erpnext", "duoyan-csv", "luyu-xlsx")
EXPORTED = ("duoyan-csv", "luyu-xlsx")


@pytest.fixture
def opened(agent_file: Path, request: pytest.FixtureRequest) -> Iterator[tuple[Mapping, Any]]:
    configured = read_config(agent_file)
    system = configured.system(request.param)
    mapping = configured.mapping(system)
    connection = configured.connection(system)
    source = open_source(mapping.spec.source, connection, zone=mapping.spec.zone, state=configured.folder_of(system))
    with closing(source) if hasattr(source, "close") else nullcontext():
        yield mapping, source


def rows_of(mapping: Mapping, source: Any, stream: str) -> list[dict[str, Any]]:
    spec = mapping.spec.streams[stream]
    with Transform(mapping, stream) as transform:
        for name in mapping.lookups(stream):
            transform.lookup(name, [to_arrow(p.columns, p.rows) for p in source.read(mapping.spec.tables[name], None)])
        tables: list[pa.Table] = []
        for page in source.read(mapping.spec.tables[spec.driving], None):
            tables += [t for _, t in transform.page(to_arrow(page.columns, page.rows))] if page.rows else []
    return [row for table in tables for row in table.to_pylist()]


def read_stock(mapping: Mapping, source: Any) -> dict[tuple[str, ...], tuple[Decimal, Decimal]]:
    found: dict[tuple[str, ...], tuple[Decimal, Decimal]] = {}
    for row in rows_of(mapping, source, "stock_positions"):
        key = (row["item_id"], row["place_id"], row["lot"] or "", row["owner"] or "", row["status"])
        quantity, reserved = found.get(key, (Decimal(0), Decimal(0)))
        found[key] = (quantity + row["quantity"], reserved + (row["reserved"] or 0))
    return found


def without_unit(key: StockKey) -> tuple[str, ...]:
    return key.item_id, key.place_id, key.lot, key.owner, key.status


@pytest.mark.parametrize(("opened", "system"), [(s, s) for s in PULLED], indirect=["opened"])
def test_mapping_reads_the_true_stock(opened: tuple[Mapping, Any], system: str, plants: DemoGroup) -> None:
    truth = plants.true_stock(system, as_exported=system in EXPORTED)
    assert len(truth) > 15
    assert read_stock(*opened) == {without_unit(k): v for k, v in truth.items()}


@pytest.mark.parametrize("opened", PULLED, indirect=True)
def test_no_stream_breaks_the_contract(opened: tuple[Mapping, Any]) -> None:
    mapping, source = opened
    for stream in mapping.spec.streams:
        rows = rows_of(mapping, source, stream)
        assert rows or stream == "material_units", stream
        assert [r["_problem"] for r in rows if r["_problem"]] == [], stream
        for rule in streams()[stream].fields:
            assert [w for r in rows if (w := broken(rule, r[rule.name]))] == [], (stream, rule.name)


def test_units_are_rec20_codes_or_known_words(agent_file: Path) -> None:
    """A unit word that no mapping knows would be quarantined at the hub."""
    configured = read_config(agent_file)
    for system in SYSTEMS:
        known = configured.mapping(configured.system(system.key)).spec.units
        words = {**UNIT_WORDS[system.language], **UNIT_WORDS.get(system.key, {})}
        kept = {w for k, w in words.items() if system.key != "wugang-odoo" or k not in ("box", "carton", "roll")}
        assert kept <= set(known), system.key


def test_wms_pushes_its_books_and_they_are_the_true_stock(agent_file: Path, plants: DemoGroup, tmp_path: Path) -> None:
    configured = read_config(agent_file)
    mapping = configured.mapping(configured.system("wugang-wms"))
    connection = {"listen": "127.0.0.1:0", "secret": PUSH_SECRET}
    with closing(open_source("push", connection, zone=mapping.spec.zone, state=tmp_path)) as source:
        source.start()
        pusher = Pusher(plants.dsn("wugang-wms"), f"http://127.0.0.1:{source.port}/events", PUSH_SECRET)
        assert pusher.send() > 40
        assert pusher.send() == 0
        truth = {without_unit(k): v for k, v in plants.true_stock("wugang-wms").items()}
        assert read_stock(mapping, source) == truth


def test_config_names_every_system_once(agent_file: Path) -> None:
    document = yaml.safe_load(agent_file.read_text("utf-8"))
    assert [s["system"] for s in document["systems"]] == [
        "qingyu-u8",
        "songjian-k3",
        "wugang-odoo",
        "wugang-wms",
        "baishi-jsh",
        "kongxi-erpnext",
        "duoyan-csv",
        "luyu-xlsx",
    ]
    assert agent_file.stat().st_mode & 0o077 == 0
