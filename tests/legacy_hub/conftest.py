"""A running hub for recorded data: four organisations, the legacy systems, one agent that may send for all of them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks.harness import Deployment, deployment, wait_for
from tests.legacy.conftest import erpnext, odoo
from tests.legacy_hub.orders import Line, Order

SYSTEMS = ("odoo", "erpnext", "jsherp", "adventureworks", "northwind")
Key = tuple[Any, ...]
__all__ = ["erpnext", "odoo"]


@dataclass
class Hub:
    """`p00`, `p01`, `p02` are companies; `p03` is whoever runs the system."""

    running: Deployment

    def register(self) -> None:
        with self.running.owner() as db:
            for system in SYSTEMS:
                db.execute(
                    "insert into source_system (id, organisation_id, organisations, key, kind, name_zh, name_en, zone)"
                    " select gen_random_uuid(), (select id from organisation where key = 'p03'),"
                    " (select array_agg(id) from organisation where key like 'p0_'), %s, 'x', 'x', 'x', 'UTC'",
                    [system],
                )
                db.execute(
                    "insert into agent_grant (organisation_id, agent_id, system)"
                    " select o.id, a.id, %s from organisation o, agent a where o.key like 'p0_'",
                    [system],
                )

    def run(self, system: str, mapping: str, connection: dict[str, Any], **parameters: str) -> subprocess.Popen[bytes]:
        """`hub-agent run --once` as a process."""
        one = {"system": system, "mapping": mapping, "organisation": "p03", "connection": connection}
        config = self.running.folder / f"{system}.yaml"
        whole = {"hub": self.running.address, "state": "state", "systems": [one | {"parameters": parameters}]}
        config.write_text(yaml.safe_dump(whole, allow_unicode=True), "utf-8")
        command = [sys.executable, "-m", "connectors.cli", "run", "--once", "--config", str(config)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def sync(self, system: str, mapping: str, connection: dict[str, Any], **parameters: str) -> None:
        """Run to its end and until the hub has applied all of it."""
        process = self.run(system, mapping, connection, **parameters)
        said, _ = process.communicate(timeout=300)
        assert process.returncode == 0, said.decode()
        self.settle()

    def settle(self) -> None:
        with self.running.owner() as db:
            wait_for(db, "select not exists (select from batch where state in ('announced', 'landed'))")
            assert db.execute("select stream, state, error, gate from batch where state <> 'applied'").fetchall() == []

    def quarantined(self, system: str) -> list[tuple[str, str, str]]:
        """(stream, reason, value) of each row that waits for a repair."""
        with self.running.owner() as db:
            return db.execute(_QUARANTINED, [system]).fetchall()

    def say_unit(self, system: str, code: str, unit: str) -> None:
        """A steward says what a system's own unit means; the rows that waited for it are tried again."""
        with closing(self.running.client()) as steward:
            steward.post(f"/v1/systems/{system}/units", json={"code": code, "unit": unit}).raise_for_status()
        with self.running.owner() as db:
            wait_for(db, "select not exists (select from quarantine where state = 'open')")
        self.settle()

    def on_hand(self, system: str) -> dict[Key, Decimal]:
        """(organisation, item, place, lot or None, owner or None) → quantity, zeroes left out."""
        totals: dict[Key, Decimal] = defaultdict(Decimal)
        with self.running.owner() as db:
            for *key, lot, owner, quantity in db.execute(_ON_HAND, [system]):
                totals[*key, lot or None, owner or None] += quantity
        return {k: v for k, v in totals.items() if v}

    def orders(self, system: str) -> dict[Order, Line]:
        """(organisation, order, line) → what the hub holds of it; lines a full read no longer lists are left out."""
        with self.running.owner() as db:
            return {tuple(row[:3]): Line(*row[3:]) for row in db.execute(_ORDERS, [system])}

    def due(self, system: str) -> dict[Order, str]:
        """The day each order line is due."""
        with self.running.owner() as db:
            return {tuple(row[:3]): row[3] for row in db.execute(_DUE, [system])}

    def facts(self, system: str) -> list[Any]:
        """What the ledger holds of a system beside when it was read."""
        with self.running.owner() as db:
            return db.execute(_FACTS, {"system": system}).fetchall()


_ON_HAND = """
select o.key, m.item_id, l.place_id, p.lot, p.owner, p.quantity from position p
join organisation o on o.id = p.organisation_id join source_system s on s.id = p.system_id
join source_material m on m.organisation_id = p.organisation_id and m.id = p.material_id
join place l on l.organisation_id = p.organisation_id and l.id = p.place_id where s.key = %s
"""
_QUARANTINED = """
select q.stream, q.reason, q.value from quarantine q
join source_system s on s.id = q.system_id where s.key = %s and q.state = 'open'
"""
_ORDERS = """
select o.key, p.document, p.line, m.item_id, p.fields ->> 'unit', (p.fields ->> 'quantity')::numeric,
       (p.fields ->> 'base_quantity')::numeric, (p.fields ->> 'received')::numeric,
       (p.fields ->> 'base_received')::numeric, (p.fields ->> 'price')::numeric, p.state
from purchase_order_line p
join organisation o on o.id = p.organisation_id join source_system s on s.id = p.system_id
join source_material m on m.organisation_id = p.organisation_id and m.id = p.material_id
where s.key = %s and not p.is_gone
"""
_DUE = """
select o.key, p.document, p.line, p.fields ->> 'due_on' from purchase_order_line p
join organisation o on o.id = p.organisation_id join source_system s on s.id = p.system_id where s.key = %s
"""
_FACTS = """
select p.hash, p.quantity, p.reserved, (select count(*) from movement v where v.position_id = p.id)
from position p join source_system s on s.id = p.system_id where s.key = %(system)s order by p.hash
"""


@pytest.fixture(scope="module")
def hub() -> Iterator[Hub]:
    before = dict(os.environ)
    try:
        with deployment(plants=4) as running:
            made = Hub(running)
            made.register()
            yield made
    finally:
        os.environ.clear()
        os.environ.update(before)


@pytest.fixture
def a_day_later() -> Callable[[Hub, str], None]:
    """Full reads of a system are due again."""

    def pass_day(hub: Hub, system: str) -> None:
        import sqlite3

        spool: Path = hub.running.folder / "state" / "systems" / system / "spool" / "spool.db"
        with closing(sqlite3.connect(spool)) as db, db:
            db.execute("update stream set state = json_set(state, '$.full_at', '2026-01-01T00:00:00+00:00')")

    return pass_day
