"""Recorded legacy data by the real agent into a running hub: what the database holds is what was expected, exactly."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from hub.postgres import Server
from tests.connectors.sources.servers import OdooServer
from tests.legacy.conftest import recorded
from tests.legacy.databases import ADVENTUREWORKS_BEFORE, load_postgres
from tests.legacy.test_odoo import advance, expected_on_hand
from tests.legacy_hub.conftest import Hub, Key

pytestmark = pytest.mark.slow
NAMES = {"us": "p00", "chicago": "p01", "sz": "p02", "own": "p03"}
ODOO = {"companies": "1=p00,2=p01,3=p02"}
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
    known = hub.facts("odoo")
    hub.sync("odoo", "odoo-17", connection, **ODOO)
    assert hub.facts("odoo") == known
    advance(server, "rpc_after_full")
    hub.sync("odoo", "odoo-17", connection, **ODOO)
    gone = {r["id"] for r in recorded("odoo17/expected_before.json.gz")["items"]}
    gone -= {r["id"] for r in recorded("odoo17/expected_after.json.gz")["items"]}
    stale = {k: v for k, v in before.items() if int(k[1]) in gone}
    assert named(hub.on_hand("odoo"), server) == odoo_expected("expected_after") | stale
    a_day_later(hub, "odoo")
    hub.sync("odoo", "odoo-17", connection, **ODOO)
    assert named(hub.on_hand("odoo"), server) == odoo_expected("expected_after")


def test_erpnext(hub: Hub, erpnext: Any) -> None:
    companies = ",".join(f"{name}={key}" for name, key in COMPANIES.items())
    hub.sync("erpnext", "erpnext-15", erpnext[1], companies=companies)
    rows = recorded("erpnext15/expected_before.json.gz")["on_hand"]
    wanted = {(COMPANIES[r["company"]], r["item_code"], r["location"], None, None): r["on_hand"] for r in rows}
    assert hub.on_hand("erpnext") == {k: v for k, v in wanted.items() if v}


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


def test_northwind(hub: Hub, server: Server) -> None:
    url = load_postgres(server, "northwind_hub", recorded("northwind/northwind.sql.gz"))
    hub.sync("northwind", "northwind", {"url": url})
    held = {k[1]: v for k, v in hub.on_hand("northwind").items()}
    rows = recorded(BOTH)["northwind"]["on_hand"]
    assert held == {str(r["item_id"]): Decimal(r["on_hand"]) for r in rows if r["on_hand"]}
