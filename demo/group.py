"""The demonstration group as a whole: build it once, find it again, serve its legacy systems, let it live."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import psycopg

from demo import agents, files, life, plants, reference, truth
from demo.load import database_name, load_all, system_dsn
from demo.servers import LegacyServers
from demo.world import SEED, World

Report = Callable[[str, float], None]
_SHAPE = 1
_MARK = "group.json"


@dataclass(slots=True)
class DemoGroup:
    """`admin_dsn` reaches the server that holds the legacy databases; `folder` the files, the truth and the agent's
    config."""

    admin_dsn: str
    folder: Path
    scale: float
    start: datetime
    built_at: datetime
    servers: LegacyServers | None = field(default=None, repr=False)
    push_url: str | None = None

    @property
    def truth_folder(self) -> Path:
        return self.folder / "truth"

    def dsn(self, system: str) -> str:
        return system_dsn(self.admin_dsn, system)

    def organisations(self) -> tuple[plants.Organisation, ...]:
        return plants.ORGANISATIONS

    def systems(self) -> tuple[plants.System, ...]:
        return plants.SYSTEMS

    def partners(self) -> tuple[plants.Organisation, ...]:
        """A supplier and a carrier, with people of their own."""
        return plants.PARTNERS

    def people(self) -> tuple[plants.Person, ...]:
        return plants.PEOPLE + plants.PARTNER_PEOPLE

    def delegations(self) -> tuple[plants.Delegation, ...]:
        return plants.DELEGATIONS

    def disclosed(self) -> tuple[plants.Disclosed, ...]:
        return plants.DISCLOSED

    def rates(self) -> list[reference.Rate]:
        """Daily against CNY, from the first day of history to today."""
        return reference.rates(self.start, datetime.now(UTC))

    def xref(self) -> list[reference.Xref]:
        return reference.xref(self.truth_folder)

    def units(self) -> list[reference.UnitFactor]:
        return reference.units(self.truth_folder)

    def true_stock(self, system: str, *, as_exported: bool = False) -> dict[truth.StockKey, tuple[Decimal, Decimal]]:
        return truth.true_stock(self.admin_dsn, system, as_exported=as_exported)

    def start_servers(self) -> None:
        """The Odoo-like and the ERPNext-like server, in a thread of this process."""
        if self.servers is None:
            self.servers = LegacyServers(self.dsn("wugang-odoo"), self.dsn("kongxi-erpnext"))

    def stop(self) -> None:
        if self.servers is not None:
            self.servers.stop()
            self.servers = None

    def agent_config(self, hub_url: str) -> Path:
        """Writes `agent/agent.yaml` for all eight systems; the servers must be started. State lies in `agent/state`."""
        if self.servers is None:
            raise RuntimeError("Call start_servers() first: the agent's configuration names their addresses.")
        path = self.folder / "agent" / "agent.yaml"
        dsns = {s.key: self.dsn(s.key) for s in plants.SYSTEMS}
        self.push_url = agents.write_config(path, hub_url, dsns, self.folders, self.servers)
        return path

    @property
    def folders(self) -> dict[str, Path]:
        return {"duoyan-csv": self.folder / "duoyan", "luyu-xlsx": self.folder / "luyu"}

    def live(self, stop: threading.Event, events_per_minute: float = 30) -> None:
        """Blocks, and books stock movements in all plants at that rate until `stop` is set."""
        life.live(life.Plant(self.admin_dsn, self.folders, self.push_url), stop, events_per_minute)

    def export_files(self) -> None:
        """A new set of files of the two plants that only export."""
        files.export_all(self.admin_dsn, self.folders)


def build(admin_dsn: str, folder: Path, scale: float, report: Report, now: datetime | None = None) -> DemoGroup:
    """The group of `folder`, made if it is not there yet; a part of one is made anew. `report` hears (what, share
    done)."""
    found = find(admin_dsn, folder)
    if found is not None:
        return found
    folder.mkdir(parents=True, exist_ok=True)
    report("materials and two years of stock", 0.02)
    world = World(scale, now or datetime.now(UTC), SEED)
    load_all(world, admin_dsn, lambda what, part: report(what, 0.2 + 0.6 * part))
    report("the truth beside it", 0.82)
    truth.write_truth(world, folder / "truth")
    group = DemoGroup(admin_dsn, folder, scale, world.start, world.now)
    report("exports of the plants without interface", 0.9)
    group.export_files()
    mark = {"shape": _SHAPE, "scale": scale, "start": world.start.isoformat(), "built_at": world.now.isoformat()}
    (folder / _MARK).write_text(json.dumps(mark))
    report("the group stands", 1.0)
    return group


def find(admin_dsn: str, folder: Path) -> DemoGroup | None:
    """An earlier group, whole: its mark is written last, and every database must be there."""
    mark = folder / _MARK
    if not mark.exists():
        return None
    known = json.loads(mark.read_text())
    with psycopg.connect(admin_dsn) as con:
        names = {row[0] for row in con.execute("select datname from pg_database")}
    if known.get("shape") != _SHAPE or not {database_name(s.key) for s in plants.SYSTEMS} <= names:
        return None
    start, built_at = (datetime.fromisoformat(known[k]) for k in ("start", "built_at"))
    return DemoGroup(admin_dsn, folder, known["scale"], start, built_at)
