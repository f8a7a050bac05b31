"""Recorded legacy data by the real agent into a running hub: what the database holds is what was expected, exactly."""

from __future__ import annotations

import contextlib
import subprocess
from collections import Counter, defaultdict
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from hub.postgres import Server
from tests.connectors.sources.servers import OdooServer
from tests.legacy.conftest import recorded
from tests.legacy.databases import ADVENTUREWORKS_BEFORE, load_postgres, mariadb
from tests.legacy.test_odoo import advance, expected_on_hand
from tests.legacy_hub import orders
from tests.legacy_hub.conftest import Hub, Key

pytestmark = pytest.mark.slow
NAMES = {"us": "p00", "chicago": "p01", "sz": "p02", "own": "p03"}
ODOO = {"companies": "1=p00,2=p01,3=p02"}
REEL = "卷(5000pcs)"
ODOO_COMPANIES = {1: "p00", 2: "p01", 3: "p02"}
JSHERP_TENANTS = {63: "p00", 150: "p01"}
COMPANIES = {"苏州精密机械有限公司": "p00", "Nantong Trading GmbH": "p01"}
Odoo = tuple[OdooServer, dict[str, Any]]
BOTH = "expected_adventureworks_northwind.json.gz"


def odoo_expected(name: str) -> dict[Key, Decimal]:
    return {(NAMES[k[0]], *k[1:]): v for k, v in expected_on_hand(name).items()}


def named(held: dict[Key, Decimal], server: OdooServer) -> dict[Key, Decimal]:
    """Owners by name, as the expectation has them."""
    names = {str(p["id"]): p["name"] for p in server.models["res.partner"]}
    return {(*k[:4], names.get(k[4])): v for k, v in held.items()}


def test_odoo_first_sync_incremental_and_full(hub: Hub, odoo: Odoo, a_day_later: Callable[..., None]) -> None:
    """Points 9 and 10: what is stamped comes incrementally, what is deleted with the full compare; twice is once."""
    server, connection = odoo
    hub.sync("odoo", "odoo-17", connection, **ODOO)
    before = named(hub.on_hand("odoo"), server)
    assert before == odoo_expected("expected_before")
    waiting = [(stream, "unknown_unit", REEL) for stream in ("material_units", "purchase_orders")]
    assert sorted(hub.quarantined("odoo")) == waiting
    hub.say_unit("odoo", REEL, "XRL")
    assert hub.orders("odoo") == orders.odoo("expected_before", ODOO_COMPANIES)
    known = hub.facts("odoo")
    hub.sync("odoo", "odoo-17", connection, **ODOO)
    assert hub.facts("odoo") == known
    advance(server, "rpc_after_full")
    hub.sync("odoo", "odoo-17", connection, **ODOO)
    gone = {r["id"] for r in recorded("odoo17/expected_before.json.gz")["items"]}
    gone -= {r["id"] for r in recorded("odoo17/expected_after.json.gz")["items"]}
    stale = {k: v for k, v in before.items() if int(k[1]) in gone}
    assert named(hub.on_hand("odoo"), server) == odoo_expected("expected_after") | stale
    assert hub.orders("odoo") == orders.odoo("expected_after", ODOO_COMPANIES)
    a_day_later(hub, "odoo")
    hub.sync("odoo", "odoo-17", connection, **ODOO)
    assert named(hub.on_hand("odoo"), server) == odoo_expected("expected_after")


def test_erpnext(hub: Hub, erpnext: Any) -> None:
    companies = ",".join(f"{name}={key}" for name, key in COMPANIES.items())
    hub.sync("erpnext", "erpnext-15", erpnext[1], companies=companies)
    rows = recorded("erpnext15/expected_before.json.gz")["on_hand"]
    wanted = {(COMPANIES[r["company"]], r["item_code"], r["location"], None, None): r["on_hand"] for r in rows}
    assert hub.on_hand("erpnext") == {k: v for k, v in wanted.items() if v}
    held = {(f"{org} {document}", line.item): line for (org, document, _), line in hub.orders("erpnext").items()}
    assert held == orders.erpnext(COMPANIES)
    assert len(held) == len(hub.orders("erpnext"))


def test_jsherp(hub: Hub) -> None:
    """Two tenants in the same tables, lots, voided orders."""
    with mariadb(recorded("jsherp/jsherp_seeded.sql.gz"), "jsherp") as url:
        hub.sync("jsherp", "jsherp", {"url": url}, companies="63=p00,150=p01")
    told = recorded("jsherp/expected_jsherp.json.gz")
    totals: dict[Key, Decimal] = defaultdict(Decimal)
    for key, quantity in hub.on_hand("jsherp").items():
        totals[key[:3]] += quantity
    wanted = {(JSHERP_TENANTS[r["tenant"]], str(r["item_id"]), str(r["location_id"])): r for r in told["on_hand"]}
    assert totals == {k: r["on_hand"] for k, r in wanted.items() if r["on_hand"]}
    lots = {k[:4]: v for k, v in hub.on_hand("jsherp").items() if k[3]}
    assert lots == {
        (JSHERP_TENANTS[r["tenant"]], str(r["item_id"]), str(r["location_id"]), r["lot"]): r["on_hand"]
        for r in told["lots"]
    }
    held = hub.orders("jsherp")
    unreceived = {k: line._replace(received=None, base_received=None) for k, line in held.items()}
    assert unreceived == orders.jsherp(JSHERP_TENANTS)


def test_point_10_an_agent_killed_midway_loses_and_doubles_nothing(hub: Hub, server: Server) -> None:
    url = load_postgres(
        server, "aw", recorded("adventureworks/adventureworks_production_purchasing.sql.gz"), ADVENTUREWORKS_BEFORE
    )
    for seconds in (1.5, 2.5, 3.5, 4.5):
        process = hub.run("adventureworks", "adventureworks", {"url": url})
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=seconds)
        process.kill()
        process.communicate()
    hub.sync("adventureworks", "adventureworks", {"url": url})
    rows = recorded(BOTH)["adventureworks"]["on_hand"]
    wanted = {("p03", str(r["item_id"]), str(r["location_id"]), None, None): Decimal(r["on_hand"]) for r in rows}
    assert hub.on_hand("adventureworks") == {k: v for k, v in wanted.items() if v}
    assert_adventureworks_orders(hub)


def assert_adventureworks_orders(hub: Hub) -> None:
    """Open lines to the unit and the day they are due, and of the others how many orders stand in each state."""
    held = hub.orders("adventureworks")
    due = hub.due("adventureworks")
    wanted = orders.adventureworks_open()
    by_line = {k[1:]: (v.item, v.quantity, v.received, due[k]) for k, v in held.items()}
    assert {k: by_line[k] for k in wanted} == wanted
    assert {line.state for k, line in held.items() if k[1:] in wanted} <= {"draft", "open"}
    documents = {(k[1], line.state) for k, line in held.items()}
    assert Counter(state for _, state in documents) == orders.adventureworks_states()


def test_northwind(hub: Hub, server: Server) -> None:
    url = load_postgres(server, "northwind_hub", recorded("northwind/northwind.sql.gz"))
    hub.sync("northwind", "northwind", {"url": url})
    held = {k[1]: v for k, v in hub.on_hand("northwind").items()}
    rows = recorded(BOTH)["northwind"]["on_hand"]
    assert held == {str(r["item_id"]): Decimal(r["on_hand"]) for r in rows if r["on_hand"]}
