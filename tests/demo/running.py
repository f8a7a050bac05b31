"""A demonstration group at work: a hub with PostgreSQL of its own, eight legacy systems, the agent that reads them."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx
import psycopg
from sqlalchemy import Engine

from benchmarks import harness
from connectors.config import read_config
from connectors.spool import Spool
from demo import agents
from demo.agents import PUSH_SECRET
from demo.group import DemoGroup
from demo.wms import Pusher
from hub.cli import demo
from hub.database import make_engine
from hub.errors import HubError
from hub.settings import settings
from hub.store import Store, opened
from hub.supervisor import Child, Supervisor

PUSHED = "wugang-wms"


@dataclass
class Running:
    """Everything that starts processes is called by the main thread, for they end with their thread."""

    store: Store
    supervisor: Supervisor
    group: DemoGroup

    def child(self, name: str) -> Child:
        return next(child for child in self.supervisor.children if child.name == name)

    def database(self) -> psycopg.Connection[Any]:
        """The hub's own, past row security."""
        return psycopg.connect(self.store.reading_url, autocommit=True)

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with self.database() as db:
            return db.execute(query, values).fetchall()

    def engine(self) -> Engine:
        """As the application: the caller disposes of it."""
        return make_engine(self.store.application_url, 2)

    @property
    def config(self) -> Path:
        return self.group.folder / "agent" / "agent.yaml"

    def client(self, email: str) -> httpx.Client:
        """A browser's session of a person of the group."""
        password = next(person.password for person in self.group.people() if person.email == email)
        client = httpx.Client(base_url=settings().local, timeout=60)
        try:
            answer = client.post("/v1/session", json={"email": email, "password": password})
            client.headers["x-csrf-token"] = answer.raise_for_status().json()["csrf_token"]
        except httpx.HTTPError:
            client.close()
            raise
        return client

    def hub(self, *arguments: str) -> subprocess.Popen[bytes]:
        """A command of the hub, under way; what it says goes to the log `command`."""
        with (self.supervisor.folder / "command.log").open("ab") as log:
            environ = {**os.environ, **self.store.environment}
            return subprocess.Popen([sys.executable, "-m", "hub", *arguments], env=environ, stdout=log, stderr=log)

    def build(self, seconds: float = 1_800) -> None:
        """Build the marts; the worker may be building at the moment."""
        under_way = [self.hub("build", "--reason", "test")]

        def built() -> bool:
            if under_way[0].poll():
                under_way[0] = self.hub("build", "--reason", "test")
            return under_way[0].poll() == 0

        assert self.attend(built, seconds), (self.supervisor.folder / "command.log").read_text("utf-8")[-2_000:]

    def attend(self, until: Callable[[], bool], seconds: float) -> bool:
        """Keep all alive until `until` answers yes; False when time runs out before."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.store.ensure()
            self.supervisor.revive()
            with suppress(psycopg.Error, sqlite3.Error, OSError, HubError):
                if until():
                    return True
            time.sleep(0.2)
        return False

    def settle(self, seconds: float) -> None:
        """Until all that is booked by now was exported, pushed, read, sent and applied. Nothing may be booked
        meanwhile."""
        since = [""]
        assert self.attend(lambda: self._exported(since), 60), "The plants do not export."
        assert self.attend(lambda: not self.waiting(since[0]), seconds), self.waiting(since[0])

    def end_agent(self) -> None:
        """No more reads; returns when the hub has applied what it has."""
        agent = self.child("agent")
        agent.is_wanted = False
        if agent.process is not None:
            agent.process.terminate()
            agent.process.wait(60)
        landed = "select 1 from batch where state in ('announced', 'landed')"
        assert self.attend(lambda: not self.rows(landed), 300), self.rows(landed)

    def _exported(self, since: list[str]) -> bool:
        """New files, written at or after `since`: a whole second, as some clocks tell no other, and none before it."""
        time.sleep(1)
        since[0] = self.rows("select date_trunc('second', clock_timestamp())::text")[0][0]
        self.group.export_files()
        return True

    def waiting(self, since: str) -> list[tuple[Any, ...]]:
        """What is not read, sent or applied yet of that which was booked before `since`."""
        pusher = Pusher(self.group.dsn(PUSHED), self.group.push_url or "", PUSH_SECRET)
        with suppress(httpx.HTTPError):
            pusher.send()
        with psycopg.connect(self.group.dsn(PUSHED)) as db:
            unsent = db.execute("select code, place from move where not sent").fetchall()
        spools = self.spools()
        kept = [(name, held) for name, held in spools.items() if held.get("refused") or spools[PUSHED].get("ready")]
        return [*unsent, *kept, *self.rows(_WAITING, since, PUSHED, since)]

    def spools(self) -> dict[str, dict[str, int]]:
        """How many batches the agent's spools hold, by state."""
        configured, found = read_config(self.config), {}
        for system in configured.config.systems:
            spool = Spool(configured.folder_of(system) / "spool", exclusive=False)
            found[system.system] = spool.counts()
            spool.close()
        return found


_WAITING = """
select s.key, t.stream, f.read_through::text, f.error from source_system s
cross join (values ('stock_positions'), ('stock_movements')) t (stream)
left join feed f on f.system_id = s.id and f.stream = t.stream
where (f.read_through is null or f.read_through < %s) and s.key <> %s
union all select s.key, b.state, count(*)::text, min(b.error) from batch b join source_system s on s.id = b.system_id
where b.state in ('held', 'failed') or b.state in ('announced', 'landed') and b.announced_at < %s
group by s.key, b.state
"""


@contextmanager
def running(scale: float) -> Iterator[Running]:
    """A group of that scale; the environment is afterwards what it was."""
    before, folder = dict(os.environ), Path(tempfile.mkdtemp(prefix="hub-demo-"))
    folder.chmod(0o755)
    harness._configure(folder)
    supervisor = Supervisor(folder / "logs")
    group = None
    try:
        with opened(settings()) as store:
            try:
                with patch.dict(agents._PARAMETERS["qingyu-u8"], every="30s"):
                    group = demo._raise(supervisor, store, scale, lambda *_: None)
                yield Running(store, supervisor, group)
            finally:
                supervisor.end()
                if group is not None:
                    group.stop()
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.environ.clear()
        os.environ.update(before)
        settings.cache_clear()
