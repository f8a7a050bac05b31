"""AdventureWorks and Northwind as real PostgreSQL databases: on hand, orders, suppliers, to the unit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from hub.postgres import Server
from tests.legacy.agent import LegacyAgent
from tests.legacy.conftest import recorded
from tests.legacy.databases import ADVENTUREWORKS_BEFORE, load_postgres

START = Callable[..., LegacyAgent]
EXPECTED = "expected_adventureworks_northwind.json.gz"


@pytest.fixture(scope="module")
def adventureworks(server: Server) -> Iterator[str]:
    dump = recorded("adventureworks/adventureworks_production_purchasing.sql.gz")
    yield load_postgres(server, "adventureworks", dump, ADVENTUREWORKS_BEFORE)
    server.drop_database("adventureworks")


@pytest.fixture(scope="module")
def northwind(server: Server) -> Iterator[str]:
    yield load_postgres(server, "northwind", recorded("northwind/northwind.sql.gz"))
    server.drop_database("northwind")


def test_adventureworks_on_hand(adventureworks: str, agent: START) -> None:
    expected = recorded(EXPECTED)["adventureworks"]["on_hand"]
    held = agent("adventureworks", {"url": adventureworks}).read("stock_positions")
    wanted = {(str(r["item_id"]), str(r["location_id"])): Decimal(r["on_hand"]) for r in expected}
    assert len(held.all()) == len(wanted)
    assert held.sums("item_id", "place_id") == {k: v for k, v in wanted.items() if v}


def test_adventureworks_orders_and_masters(adventureworks: str, agent: START) -> None:
    expected = recorded(EXPECTED)["adventureworks"]
    reader = agent("adventureworks", {"url": adventureworks})
    lines = {(r["document"], r["line"]): r for r in reader.read("purchase_orders").all()}
    for want in expected["open_po_lines"]:
        got = lines[str(want["purchaseorderid"]), str(want["purchaseorderdetailid"])]
        assert (got["quantity"], got["received"]) == (want["orderqty"], want["receivedqty"])
        assert (got["item_id"], got["due_on"]) == (str(want["productid"]), date.fromisoformat(want["duedate"][:10]))
        assert got["state"] in {"draft", "open"}
    states = {"draft": 1, "open": 2, "cancelled": 3, "closed": 4}
    documents = {(r["document"], states[r["state"]]) for r in lines.values()}
    counted = {status: sum(1 for _, s in documents if s == status) for status in states.values()}
    assert counted == {r["status"]: r["n"] for r in expected["po_by_status"]}
    suppliers = {r["partner_id"]: (r["partner_code"], r["name"], r["active"]) for r in reader.read("partners").all()}
    assert suppliers == {str(s["id"]): (s["code"], s["name"], s["active"]) for s in expected["suppliers"]}
    ended = {str(r["item_id"]) for r in expected["on_hand"] if r["item_ended"]}
    assert ended <= {r["item_id"] for r in reader.read("materials").all() if not r["active"]}


def test_northwind_on_hand_and_suppliers(northwind: str, agent: START) -> None:
    expected = recorded(EXPECTED)["northwind"]
    reader = agent("northwind", {"url": northwind})
    wanted = {(str(r["item_id"]),): Decimal(r["on_hand"]) for r in expected["on_hand"]}
    assert reader.read("stock_positions").sums("item_id") == {k: v for k, v in wanted.items() if v}
    items = {r["item_id"]: (r["name"], r["active"]) for r in reader.read("materials").all()}
    assert items == {str(r["item_id"]): (r["item_name"], not r["discontinued"]) for r in expected["on_hand"]}
    suppliers = {r["partner_id"]: r["name"] for r in reader.read("partners").all()}
    assert suppliers == {str(s["id"]): s["name"] for s in expected["suppliers"]}


def test_a_changed_row_comes_with_the_next_incremental_read(adventureworks: str, agent: START) -> None:
    reader = agent("adventureworks", {"url": adventureworks})
    reader.read("stock_positions")
    engine = create_engine(adventureworks, poolclass=NullPool)
    change = "update production.productinventory set quantity = 7, modifieddate = now()"
    change += " where (productid, locationid) = (1, 6)"
    with engine.begin() as connection:
        connection.execute(text(change))
    held = reader.read("stock_positions", "incremental")
    assert held.batches[-1].rows == 1
    assert held.sums("item_id", "place_id")["1", "6"] == 7
    assert reader.read("stock_positions", "incremental").batches[-1].rows == 1


@pytest.mark.parametrize(
    ("url", "words"), [("column", "not there"), ("table", "not there"), ("password", "login|role")]
)
def test_what_is_wrong_is_said_plainly(adventureworks: str, agent: START, url: str, words: str) -> None:
    from connectors.sources import Abort, open_source

    queries = {
        "column": "select nope from production.product",
        "table": "select 1 from production.nope",
        "password": "select 1",
    }
    connection: dict[str, Any] = {"url": adventureworks}
    if url == "password":
        connection["url"] = adventureworks.replace("//hub@", "//nobody-of-that-name:s3cret-word@")
    with pytest.raises(Abort, match=words) as caught:
        list(open_source("sql", connection).read({"query": queries[url]}, None))
    assert "s3cret-word" not in str(caught.value)
