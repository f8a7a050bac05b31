"""The demonstration group as a whole: build it once, find it again, serve its legacy systems, let it live."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg

from demo import files, plants, truth
from demo.load import database_name, load_all, system_dsn
from demo.world import SEED, World

Report = Callable[[str, float], None]
_SHAPE = 1
_MARK = "group.json"


@dataclass(frozen=True, slots=True)
class DemoGroup:
    """`admin_dsn` reaches the server that holds the legacy databases; `folder` the files, the truth and the agent's config."""

    admin_dsn: str
    folder: Path
    scale: float
    start: datetime
    built_at: datetime

    @property
    def truth_folder(self) -> Path:
        return self.folder / "truth"

    def dsn(self, system: str) -> str:
        return system_dsn(self.admin_dsn, system)

    def organisations(self) -> tuple[plants.Organisation, ...]:
        return plants.ORGANISATIONS

    def systems(self) -> tuple[plants.System, ...]:
        return plants.SYSTEMS

    def people(self) -> tuple[plants.Person, ...]:
        return plants.PEOPLE

    def export_files(self) -> None:
        """A new set of files of the two plants that only export."""
        local = datetime.now(UTC).replace(tzinfo=None) + timedelta(hours=8)
        files.export_csv(self.dsn("duoyan-csv"), self.folder / "duoyan", local)
        files.export_xlsx(self.dsn("luyu-xlsx"), self.folder / "luyu", local)


def build(admin_dsn: str, folder: Path, scale: float, report: Report, now: datetime | None = None) -> DemoGroup:
    """The group of `folder`, made if it is not there yet; a part of one is made anew. `report` hears (what, share done)."""
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
    return DemoGroup(admin_dsn, folder, known["scale"], *(datetime.fromisoformat(known[k]) for k in ("start", "built_at")))
