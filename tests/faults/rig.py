"""A whole group at work under faults: hub processes and PostgreSQL of its own, a plant's database read by a real agent,
a warehouse that pushes to it, an agent's uplink that sends calls and batches; and someone who kills them."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import psycopg
import yaml

from benchmarks.harness import Deployment, deployment
from connectors.uplink import Unavailable, Uplink
from hub.supervisor import Child
from tests.faults.forms import MAPPING, PLANT, pushed_event, spooled
from tests.faults.world import SEED, Count, Delivery, Line, currency, value

TABLE, WIRE, PUSH = "p00", "p01", "p02"
SECRET = "push-secret"
SENDERS = 4
TARGETS = ("hub", "agent", "postgres")


@dataclass(frozen=True)
class Phase:
    """The plant's clock moves on: rows up to `reach` are there, balances are those of `at`."""

    at: datetime
    reach: int
    count: Count | None = None


@dataclass
class Script:
    """What happens: phases of the plant's database, deliveries over the wire, calls of the pushing warehouse."""

    table: list[Line]
    phases: list[Phase]
    wire: list[Delivery]
    pushed: list[list[Line]]
    versions: dict[str, int]


@dataclass
class Rig:
    """One run. Everything that starts processes is called by the main thread, for they end with their thread."""

    hub: Deployment
    script: Script
    agent: Child = field(init=False)
    door: str = ""
    sent: int = 0
    pushed: int = 0
    phase: int = 0
    fell: list[str] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        port = _free_port()
        self.door = f"http://127.0.0.1:{port}/events"
        self._make_plant()
        self.agent = _start_agent(self.hub, port)

    def _make_plant(self) -> None:
        self.hub.server.create_database("plant")
        with self.plant() as db:
            db.execute(PLANT)
            with db.cursor().copy("copy plant.moves from stdin") as copy:
                for n, m in enumerate(self.script.table, 1):
                    row = (*m.key, m.quantity, m.kind, m.booked_at, m.modified_at, m.is_voided)
                    copy.write_row((n, m.document, m.line, *row))
            with db.cursor().copy("copy plant.stock from stdin") as copy:
                for n, phase in enumerate(self.script.phases, 1):
                    for key, quantity in phase.count.quantities.items() if phase.count else ():
                        copy.write_row((n, *key, quantity, value(key, quantity), currency(key)))

    def plant(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self.hub.server.dsn("plant"), autocommit=True)

    def ask(self, query: str) -> Any:
        with self.hub.owner() as db:
            row = db.execute(query).fetchone()
        return row[0] if row else None

    @property
    def progress(self) -> float:
        """From 0 to 1: how much of the wire, the table and the pushed calls has come through."""
        script = self.script
        shares = (
            self.sent / len(script.wire),
            self._cursor("stock_movements") / len(script.table),
            self.pushed / len(script.pushed),
        )
        return sum(shares) / 3

    def _cursor(self, stream: str) -> int:
        path = self.hub.folder / "state" / "systems" / TABLE / "spool" / "spool.db"
        try:
            with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
                row = db.execute("select state from stream where stream = ?", [stream]).fetchone()
        except sqlite3.Error:
            return 0
        return int(json.loads(row[0])["cursor"] or 0) if row else 0

    # Who delivers

    def send(self) -> None:
        """Deliveries over an agent's real uplink, several at once, each until the hub has it durably."""
        assert self.hub.agent is not None
        uplink = Uplink(self.hub.address, self.hub.agent)
        with ThreadPoolExecutor(SENDERS) as pool:
            list(pool.map(lambda d: self._deliver(uplink, d), self.script.wire))
        uplink.close()

    def _deliver(self, uplink: Uplink, one: Delivery) -> None:
        with spooled(self.hub.folder, one, WIRE) as batch:
            self._insist(lambda: uplink.send(batch), Unavailable)
        self.sent += 1

    def push(self) -> None:
        with httpx.Client(timeout=30, headers={"x-push-secret": SECRET}) as client:
            for n, lines in enumerate(self.script.pushed):
                self._keep_pace(n / len(self.script.pushed))
                body = "\n".join(json.dumps(pushed_event(line)) for line in lines).encode()
                self._insist(lambda body=body: client.post(self.door, content=body).raise_for_status(), httpx.HTTPError)
                self.pushed += 1

    def advance(self) -> None:
        """The plant's clock, phase by phase; the last balances are read before they can no longer be."""
        for n, phase in enumerate(self.script.phases, 1):
            self._keep_pace((n - 1) / len(self.script.phases))
            closed = phase.count is None
            if closed and self.script.phases[n - 2].count is not None:
                self._wait_for_snapshot(self.script.phases[n - 2].at)
            values = [phase.at, n, phase.reach, closed]
            self._insist(lambda values=values: self._write(_CLOCK, values), psycopg.Error)
            self.phase = n

    def _write(self, statement: str, values: list[Any]) -> None:
        with self.plant() as db:
            db.execute(statement, values)

    def _wait_for_snapshot(self, at: datetime) -> None:
        query = f"select coalesce(max(s.observed_at) >= '{at.isoformat()}', false) from snapshot s"
        while not self.stop.is_set() and not self._insist(lambda: self.ask(query), psycopg.Error):
            self.stop.wait(0.2)

    def _keep_pace(self, share: float) -> None:
        """Wait until the wire has come as far, so that all three deliver throughout the run."""
        while not self.stop.is_set() and self.sent / len(self.script.wire) < share - 0.02:
            self.stop.wait(0.05)

    def _insist(self, attempt: Callable[[], Any], *errors: type[Exception]) -> Any:
        """Again until it works, as a sender must whose call was cut off: it may have been heard or not."""
        while not self.stop.is_set():
            try:
                return attempt()
            except errors:
                self.stop.wait(0.1)
        raise RuntimeError("the run was given up")

    # Who keeps alive, who kills

    def play(self, kills: int, seconds: float) -> None:
        """Everything at once; returns when all has settled. `kills` of each target at moments of a fixed seed."""
        plan = _kill_plan(kills)
        threads = [threading.Thread(target=self._guarded, args=(f,)) for f in (self.send, self.push, self.advance)]
        for thread in threads:
            thread.start()
        try:
            self._attend(threads, plan, time.monotonic() + seconds)
        finally:
            self.stop.set()
            for thread in threads:
                thread.join()

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            self.fell.append(f"{work.__name__}: {type(error).__name__}: {error}")
            raise

    def _attend(self, threads: list[threading.Thread], plan: list[tuple[float, str]], deadline: float) -> None:
        checked = 0.0
        while True:
            self.hub.server.ensure()
            self.hub.supervisor.revive()
            assert not self.fell, self.fell
            assert time.monotonic() < deadline, f"not settled: {self.waiting()}"
            if plan and self.progress >= plan[0][0]:
                self.kill(plan.pop(0)[1])
            elif not any(t.is_alive() for t in threads) and time.monotonic() - checked > 1:
                checked = time.monotonic()
                if not plan and not self.waiting():
                    return
            time.sleep(0.03)

    def kill(self, target: str) -> None:
        """Without a chance to say goodbye."""
        if target == "postgres":
            pid = self.hub.server.pid()
            if pid:
                os.kill(pid, signal.SIGKILL)
            return
        children = [self.agent] if target == "agent" else [self.hub.process("api"), self.hub.process("worker")]
        for child in children:
            if child.process is not None and child.is_alive:
                child.process.kill()

    def waiting(self) -> list[str]:
        """What has not come to rest yet."""
        try:
            with self.hub.owner() as db:
                rows = db.execute(_WAITING, {"end": self.script.phases[-1].at}).fetchall()
                known = dict(db.execute(_VERSIONS).fetchall())
        except psycopg.Error as error:
            return [f"database: {error}"]
        told = [f"{name}: {n}" for name, n in rows if n]
        told += [
            f"{s}: {known.get(s, 0)} of {n} versions" for s, n in self.script.versions.items() if known.get(s) != n
        ]
        return told + [f"{s}: {n} batches in the spool" for s in (TABLE, PUSH) if (n := _ready(self.hub.folder, s))]


_CLOCK = "update plant.clock set at = %s, phase = %s, reach = %s, is_closed = %s"
_WAITING = """
select 'batches ' || state, count(*) from batch where state <> 'applied' group by state
union all select 'clock of the plant', count(*) from (select 1) x where not exists (
    select from coverage c join source_system s on s.id = c.system_id
    where s.key = 'p00' and c.read_through = %(end)s)
"""
_VERSIONS = """
select s.key, count(*) from movement m join position p on p.organisation_id = m.organisation_id and p.id = m.position_id
join source_system s on s.id = p.system_id group by 1
"""


def _kill_plan(kills: int) -> list[tuple[float, str]]:
    chance = random.Random(SEED)
    return sorted((chance.uniform(0.02, 0.95), target) for target in TARGETS for _ in range(kills))


def _ready(folder: Path, system: str) -> int:
    """Batches the agent still holds; 1 while its spool cannot be read."""
    path = folder / "state" / "systems" / system / "spool" / "spool.db"
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            return int(db.execute("select count(*) from batch where state <> 'acknowledged'").fetchone()[0])
    except sqlite3.Error:
        return 1


def _start_agent(hub: Deployment, port: int) -> Child:
    (hub.folder / "plant.yaml").write_text(MAPPING, "utf-8")
    url = hub.server.dsn("plant").replace("postgresql:", "postgresql+psycopg:")
    connection = {"url": f"{url}&options=-csearch_path%3Dplant%2Cpg_catalog"}
    systems = [
        {"system": TABLE, "mapping": "plant.yaml", "organisation": TABLE, "connection": connection},
        {
            "system": PUSH,
            "mapping": "wms-push",
            "organisation": PUSH,
            "connection": {"listen": f"127.0.0.1:{port}", "secret": SECRET},
        },
    ]
    config = hub.folder / "agent.yaml"
    config.write_text(yaml.safe_dump({"hub": hub.address, "state": "state", "systems": systems}), "utf-8")
    return hub.supervisor.start("agent", ["-m", "connectors.cli", "run", "--config", str(config)], {})


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(script: Script) -> Iterator[Rig]:
    """A rig on a hub of its own; the environment is afterwards what it was."""
    before = dict(os.environ)
    try:
        with deployment(plants=3) as hub:
            yield Rig(hub, script)
    finally:
        os.environ.clear()
        os.environ.update(before)
