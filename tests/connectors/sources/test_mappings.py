"""Shipped mappings: each at most 60 lines, and those without recorded data over literal rows in the real shape."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from importlib.resources import files
from pathlib import Path
from typing import Any

import httpx
import pytest

from connectors.mapping import load
from connectors.sources import SOURCES
from tests.legacy.agent import LegacyAgent

MAPPINGS = sorted(p.name[:-5] for p in (files("connectors") / "mappings").iterdir() if p.name.endswith(".yaml"))
OWN = {"organisation": "own", "system": "s"}


@pytest.mark.parametrize("name", MAPPINGS)
def test_a_mapping_is_short_loads_and_reads_a_known_source(name: str) -> None:
    text = (files("connectors") / "mappings" / f"{name}.yaml").read_text("utf-8")
    assert len(text.splitlines()) <= 60
    mapping = load(name, OWN)
    assert mapping.spec.source in SOURCES
    assert "stock_positions" in mapping.spec.streams
    assert text.startswith("#")


SHAPES = Path(__file__).parent / "shapes"
HEADS = "(ID, cCode, bRdFlag, cWhCode, cBusType, dDate, dnverifytime, cVenCode, cHandler)"
LINES = "(AutoID, ID, cInvCode, cBatch, cvmivencode, iQuantity)"
U8_MOVES = [
    (
        "01",
        (1, "R1", 1, "01", "普通采购", "2026-11-20", "2026-11-20 09:00:00", "V1", "li"),
        (101, 1, "A1", None, None, 10),
    ),
    (
        "01",
        (2, "R2", 1, "01", "普通采购", "2026-11-21", "2026-11-21 09:00:00", "V1", "li"),
        (102, 2, "A1", None, None, -2),
    ),
    ("01", (3, "R3", 1, "01", "普通采购", "2026-11-21", None, "V1", None), (103, 3, "A1", None, None, 99)),
    ("11", (4, "M1", 0, "01", "领料", "2026-11-22", "2026-11-22 10:00:00", None, "li"), (104, 4, "A1", None, None, 1)),
    (
        "09",
        (5, "O1", 0, "01", "调拨出库", "2026-11-22", "2026-11-22 11:00:00", None, "li"),
        (105, 5, "A1", None, None, 7),
    ),
    (
        "08",
        (6, "I1", 1, "02", "调拨入库", "2026-11-22", "2026-11-22 11:00:00", None, "li"),
        (106, 6, "A1", "L1", None, 7),
    ),
]


def database(tmp_path: Path, script: str) -> dict[str, Any]:
    with sqlite3.connect(tmp_path / "erp.db") as db:
        db.executescript(script)
    db.close()
    return {"url": f"sqlite:///{tmp_path / 'erp.db'}"}


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Callable[..., LegacyAgent]]:
    opened: list[LegacyAgent] = []

    def start(mapping: str, connection: dict[str, Any], **parameters: Any) -> LegacyAgent:
        opened.append(LegacyAgent(mapping, connection, parameters, tmp_path / f"agent{len(opened)}"))
        return opened[-1]

    yield start
    for one in opened:
        one.close()


@pytest.fixture
def u8(tmp_path: Path, agent: Callable[..., LegacyAgent]) -> LegacyAgent:
    kinds = ("01", "08", "09", "10", "11", "32", "34")
    tables = "".join(f"create table RdRecord{k} {HEADS}; create table rdrecords{k} {LINES};" for k in kinds)
    connection = database(tmp_path, (SHAPES / "u8.sql").read_text("utf-8") + tables)
    with sqlite3.connect(tmp_path / "erp.db") as db:
        for kind, head, line in U8_MOVES:
            db.execute(f"insert into RdRecord{kind} values (?, ?, ?, ?, ?, ?, ?, ?, ?)", head)
            db.execute(f"insert into rdrecords{kind} values (?, ?, ?, ?, ?, ?)", line)
    db.close()
    return agent("yonyou-u8", connection, item_columns=", cInvDefine1", brand="i.cInvDefine1")


def test_u8_positions(u8: LegacyAgent) -> None:
    held = u8.read("stock_positions")
    assert held.sums("item_id", "place_id", "lot", "owner", "status", "unit") == {
        ("A1", "01", None, None, "unrestricted", "C62"): 7,
        ("A1", "02", "L1", "V1", "quality", "C62"): 7,
    }
    blocked = [r for r in held.all() if r["status"] == "blocked"]
    assert [(r["item_id"], r["quantity"], r["unit"]) for r in blocked] == [("B2", 0, "KGM")]
    # A NULL is no zero: it stays NULL, and the hub quarantines it.
    assert [r["quantity"] for r in held.all() if (r["item_id"], r["place_id"]) == ("B2", "01")] == [None]
    assert held.sums("item_id", value="reserved") == {("A1",): 4}
    assert {r["expires_on"] for r in held.all()} == {None, date(2027, 1, 31)}


def test_u8_movements_orders_and_masters(u8: LegacyAgent) -> None:
    moves = {r["document"]: (r["kind"], r["quantity"]) for r in u8.read("stock_movements").all()}
    assert moves == {
        "01-R1": ("receipt", 10), "01-R2": ("return", -2), "11-M1": ("issue", -1),
        "09-O1": ("transfer", -7), "08-I1": ("transfer", 7),
    }  # fmt: skip
    booked = {r["booked_at"] for r in u8.held["stock_movements"].all() if r["document"] == "11-M1"}
    assert booked == {datetime(2026, 11, 22, 2, 0, tzinfo=UTC)}
    orders = {r["document"]: r for r in u8.read("purchase_orders").all()}
    first, second = orders["PO1"], orders["PO2"]
    assert (first["unit"], first["quantity"], first["received"], first["price"]) == ("XCT", 10, 2, 288)
    assert (first["base_unit"], first["base_quantity"], first["base_received"]) == ("C62", 240, 48)
    assert (first["state"], second["state"], second["unit"], second["currency"]) == ("open", "draft", "KGM", "USD")
    items = {r["item_id"]: r for r in u8.read("materials").all()}
    assert (items["A1"]["brand"], items["A1"]["gtin"], items["A1"]["active"]) == ("SKF", "6901234567892", True)
    assert (items["B2"]["gtin"], items["B2"]["active"], items["B2"]["base_unit"]) == (None, False, "KGM")
    assert [(r["item_id"], r["unit"], r["numerator"]) for r in u8.read("material_units").all()] == [("A1", "XCT", 24)]
    assert [(r["document"], r["quantity"], r["kind"]) for r in u8.read("demand").all()] == [("11-M1", 1, "production")]


def test_k3_positions_orders_and_masters(tmp_path: Path, agent: Callable[..., LegacyAgent]) -> None:
    reader = agent("kingdee-k3", database(tmp_path, (SHAPES / "k3.sql").read_text("utf-8")))
    held = reader.read("stock_positions")
    assert held.sums("place_id", "lot", "owner", "status") == {
        ("201", None, None, "unrestricted"): 7, ("201/7", "L1", None, "unrestricted"): 4,
        ("202", None, None, "quality"): 3, ("203", None, "客户代管", "unrestricted"): 1,
    }  # fmt: skip
    assert held.sums("lot", value="reserved") == {("L1",): Decimal("1.5")}
    assert date(2026, 1, 31) in {r["expires_on"] for r in held.all()}
    (order,) = reader.read("purchase_orders").all()
    assert (order["unit"], order["quantity"], order["received"], order["price"]) == ("XCT", 2, 1, 216)
    assert (order["base_quantity"], order["base_received"], order["currency"]) == (48, 24, "CNY")
    places = {r["place_id"]: (r["kind"], r["parent_id"]) for r in reader.read("locations").all()}
    assert places["201/7"] == ("bin", "201") and places["201"] == ("warehouse", None)
    (item,) = reader.read("materials").all()
    assert (item["item_code"], item["class_code"], item["mpn"], item["gtin"]) == ("01.02.0001", "01.02", "DWG-1", None)


def test_k3_movements_have_both_ends_and_no_drafts(tmp_path: Path, agent: Callable[..., LegacyAgent]) -> None:
    held = agent("kingdee-k3", database(tmp_path, (SHAPES / "k3.sql").read_text("utf-8"))).read("stock_movements")
    got = {(r["document"], r["line"], r["place_id"], r["kind"], r["quantity"], r["voided"]) for r in held.all()}
    assert got == {
        ("WIN1", "1", "201", "receipt", 10, False), ("CHG1", "1 in", "202", "transfer", 3, False),
        ("CHG1", "1 out", "201", "transfer", -3, False), ("SOUT1", "1", "201", "issue", -2, False),
        ("XOUT1", "1", "201", "issue", -6, True),
    }  # fmt: skip


def test_wms_events_become_movements_once(tmp_path: Path, agent: Callable[..., LegacyAgent]) -> None:
    reader = agent("wms-push", {"listen": "127.0.0.1:0", "secret": "s3cret"})
    source: Any = reader.source
    source.start()
    event = {"document": "R1", "line": "1", "item": "4711", "place": "A", "status": "qc", "unit": "PCS"}
    event |= {"quantity": "12.50", "at": "2026-11-22T10:00:00+08:00"}
    events = [event | {"event": "receipt"}, event | {"event": "balance"}]
    body = "\n".join(map(json.dumps, [*events, {"event": "item", "item": "4711", "name": "轴承", "unit": "PCS"}]))
    sent = httpx.post(
        f"http://127.0.0.1:{source.port}/events", content=body.encode(), headers={"X-Push-Secret": "s3cret"}
    )
    assert (sent.status_code, sent.json()) == (202, {"accepted": 3})
    assert isinstance(source.arrived, threading.Event) and source.arrived.is_set()
    (move,) = reader.read("stock_movements", "event").all()
    assert (move["item_id"], move["status"], move["unit"], move["quantity"]) == (
        "4711",
        "quality",
        "C62",
        Decimal("12.5"),
    )
    assert move["booked_at"] == move["occurred_at"] == datetime(2026, 11, 22, 2, tzinfo=UTC)
    before = len(reader.held["stock_movements"].batches)
    assert len(reader.read("stock_movements", "event").batches) == before
    assert [r["quantity"] for r in reader.read("stock_positions", "event").all()] == [Decimal("12.5")]
    assert [r["name"] for r in reader.read("materials", "event").all()] == ["轴承"]
