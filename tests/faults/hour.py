"""What befalls a demonstration group at work: processes killed, batches sent again, snapshots held back, rows that
nobody can read until someone says what their unit means, builds all the while."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import httpx
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import structlog
import yaml

from connectors import identity
from connectors.cli import open_agent
from connectors.contract import BatchHeader
from connectors.runner import Agent
from connectors.spool import Spooled
from connectors.uplink import Unavailable, Uplink
from hub.columns import new_id
from hub.errors import HubError
from hub.settings import settings
from masterdata.intake import landing
from masterdata.intake.models import Landing
from tests.demo.running import PUSHED, Running

# Builds, too, take their time: PostgreSQL dies less often than others.
TARGETS = ("agent", "agent", "worker", "worker", "api", "api", "postgres", "build")
# Their balances are read whole each time: what is said of an unknown unit is over with the next read.
WHOLE = ("qingyu-u8", "songjian-k3", "baishi-jsh")
STREAMS = ("stock_positions", "stock_movements")
KILL_SECONDS, BUILD_SECONDS, TRICK_SECONDS = 30.0, 120.0, 3.0
HELD_BACK_SECONDS, DELIVERY_SECONDS = 90.0, 300.0
STEWARD = "steward@cloudcliff.example"
AWAY = (httpx.HTTPError, psycopg.Error, Unavailable, OSError, HubError)
log = structlog.get_logger("faults")

_ANY_BATCH = """
select b.header, b.sync, l.body, l.path, l."offset", l.size from batch b
join landing l on l.organisation_id = b.organisation_id and l.sha256 = b.sha256
join source_system s on s.id = b.system_id
where b.state = 'applied' and b.stream = any (%s) and s.key = any (%s) and b.rows_in > 0 and b.origin_id is null
order by random() limit 1
"""
_EVERY = "select array_agg(key::text) from source_system"
_UNREADABLE = """
select distinct s.key, q.value from quarantine q join source_system s on s.id = q.system_id
where q.state = 'open' and q.reason = 'unknown_unit'
"""


@dataclass
class Hour:
    """A running group, and the tricks played on it from a thread of their own; `done` counts what happened."""

    group: Running
    seed: int = 20_261_123
    done: Counter[str] = field(default_factory=Counter)
    stop: threading.Event = field(default_factory=threading.Event)
    held_back: list[tuple[float, Agent]] = field(default_factory=list)
    build: subprocess.Popen[bytes] | None = None
    fell: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)
        self.agent = identity.read(self.group.group.folder / "agent" / "state")

    def play(self, seconds: float, events_per_minute: float) -> None:
        """Life, tricks, kills and builds for so long; then all that was held back is let go."""
        life = threading.Thread(target=self.group.group.live, args=(self.stop, events_per_minute))
        tricks = threading.Thread(target=self._tricks)
        for thread in (life, tricks):
            thread.start()
        try:
            self._attend(seconds)
        finally:
            self.stop.set()
            while life.is_alive() or tricks.is_alive():
                self.group.attend(lambda: not (life.is_alive() or tricks.is_alive()), 5)
        assert not self.fell, self.fell
        assert self.group.attend(self._let_go, 300), "Held back to the end."

    def _attend(self, seconds: float) -> None:
        ends = time.monotonic() + seconds
        kill_at = build_at = time.monotonic() + 30
        while time.monotonic() < ends and not self.fell:
            self.group.attend(lambda: False, 0.5)
            if time.monotonic() > kill_at:
                self.kill(self.dice.choice(TARGETS))
                kill_at = time.monotonic() + self.dice.uniform(0.3, 1.7) * KILL_SECONDS
            if self.build is not None and self.build.poll() is not None:
                self._built(self.build.returncode)
            if self.build is None and time.monotonic() > build_at:
                self.build = self.group.hub("build", "--reason", "test")
                build_at = time.monotonic() + BUILD_SECONDS
        if self.build is not None:
            self._built(self.build.wait(300))

    def _built(self, code: int) -> None:
        self.done["built" if code == 0 else "builds that failed"] += 1
        log.info("build_ended", code=code)
        self.build = None

    def kill(self, target: str) -> None:
        """Without a chance to say goodbye."""
        if target == "postgres":
            server = self.group.store.server
            pids = [server.pid()] if server is not None else []
        elif target == "build":
            pids = [self.build.pid] if self.build is not None and self.build.poll() is None else []
        else:
            children = [c for c in self.group.supervisor.children if c.name.partition("-")[0] == target]
            pids = [c.process.pid for c in children if c.process is not None and c.is_alive]
        for pid in pids:
            if pid is not None:
                os.kill(pid, signal.SIGKILL)
                self.done[f"killed {target}"] += 1
        log.info("killed", target=target, pids=pids)

    # Tricks

    def _tricks(self) -> None:
        chosen = (self.send_again, self.spoil, self.mend, self.hold_back, self.deliver_late, self.release)
        while not self.stop.wait(TRICK_SECONDS):
            try:
                self.dice.choice(chosen)()
            except AWAY as error:
                log.info("trick_failed", reason=f"{type(error).__name__}: {str(error).strip()[:200]}")
                self.done["tricks cut off"] += 1
            except BaseException as error:
                self.fell.append(f"{type(error).__name__}: {error}")
                raise

    def send_again(self) -> None:
        """A landed body once more, under its own id or as a batch of its own."""
        found = self._any_batch(self.group.rows(_EVERY)[0][0])
        if found is None:
            return
        header, sync, body = found
        own = self.dice.random() < 0.5
        header |= {} if own else {"batch_id": str(new_id())}
        if sync == "event" and not body.startswith(b"PAR1"):
            content = json.dumps({**header, "lines": json.loads(body)})
            headers = {"Authorization": f"Bearer {self.agent.token()}", "Content-Type": "application/json"}
            httpx.post(f"{settings().local}/v1/events", content=content, headers=headers, timeout=60).raise_for_status()
        else:
            self._send(header, body)
        self.done[f"sent again {'under its id' if own else 'as another'}"] += 1

    def spoil(self) -> None:
        """Rows of an old batch in a unit nobody knows yet."""
        found = self._any_batch(WHOLE, STREAMS[:1])
        if found is None:
            return
        header, _, body = found
        table = pq.read_table(pa.BufferReader(body))
        table = table.slice(self.dice.randrange(table.num_rows), 3)
        at = table.schema.get_field_index("unit")
        table = table.set_column(at, table.schema.field(at), pa.array([f"篓{new_id().hex[-6:]}"] * table.num_rows))
        spoilt = pa.BufferOutputStream()
        pq.write_table(table, spoilt, compression="zstd")
        self._send(header | {"batch_id": str(new_id()), "sync": "incremental"}, spoilt.getvalue().to_pybytes())
        self.done["spoilt"] += 1

    def mend(self) -> None:
        """Say what the unknown units mean; their rows are replayed."""
        unknown = self.group.rows(_UNREADABLE)
        if unknown:
            with closing(self.group.client(STEWARD)) as client:
                for system, code in unknown:
                    said = client.post(f"/v1/systems/{system}/units", json={"code": code, "unit": "C62"})
                    said.raise_for_status()
                    self.done["mended"] += 1

    def hold_back(self) -> None:
        """Another reader reads the balances of a system now; what it read is delivered later."""
        number = self.done["held back"]
        document = yaml.safe_load(self.group.config.read_text("utf-8"))
        readable = [one for one in document["systems"] if one["system"] != PUSHED]
        document["systems"] = [self.dice.choice(readable)]
        document["state"] = f"late-{number}"
        folder = self.group.config.parent
        (folder / f"late-{number}").mkdir(exist_ok=True)
        for name in ("agent.key", "agent.json"):
            shutil.copy(folder / "state" / name, folder / f"late-{number}")
        config = folder / f"late-{number}.yaml"
        config.write_text(yaml.safe_dump(document, allow_unicode=True), "utf-8")
        agent = open_agent(config)
        if not agent.systems[0].read("stock_positions", "full"):
            agent.close()
            raise Unavailable("not read")
        self.held_back.append((time.monotonic(), agent))
        self.done["held back"] += 1

    def deliver_late(self, after: float = HELD_BACK_SECONDS) -> None:
        """What was held back for so many seconds."""
        for one in [o for o in self.held_back if time.monotonic() - o[0] > self.dice.uniform(0, after)]:
            one[1].systems[0].send_ready(one[1].uplink, threading.Event())
            self.done["batches delivered late"] += one[1].systems[0].spool.counts().get("acknowledged", 0)
            assert not one[1].systems[0].spool.counts().get("refused"), one[1].systems[0].report()["refused"]
            one[1].close()
            self.held_back.remove(one)

    def release(self) -> None:
        """Snapshots that the gate holds are what the plant says."""
        held = self.group.rows("select id::text from batch where state = 'held'")
        if held:
            with closing(self.group.client(STEWARD)) as client:
                for (batch,) in held:
                    # A newer snapshot may have overtaken it meanwhile.
                    answer = client.post(f"/v1/batches/{batch}/release", json={"reason": "true"})
                    self.done["released"] += answer.is_success

    def _let_go(self) -> bool:
        with suppress(httpx.HTTPError, Unavailable):
            self.deliver_late(0)
            self.mend()
            self.release()
            return not self.held_back and not self.group.rows("select 1 from quarantine where state = 'open'")
        return False

    def _any_batch(self, systems: Any, streams: Any = STREAMS) -> tuple[dict[str, Any], str, bytes] | None:
        """Header, sync and body of some applied batch."""
        for header, sync, *body in self.group.rows(_ANY_BATCH, list(streams), list(systems)):
            kept, path, offset, size = body
            with landing.open_body(Landing(body=kept, path=path, offset=offset, size=size)) as file:
                return header, sync, file.read()
        return None

    def _send(self, header: dict[str, Any], body: bytes) -> None:
        """Until it is delivered, as a sender must: a batch announced and left would stay open."""
        with closing(Uplink(settings().local, self.agent)) as uplink, _on_disk(header, body) as batch:
            deadline = time.monotonic() + DELIVERY_SECONDS
            while True:
                try:
                    return uplink.send(batch)
                except Unavailable:
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(0.5)


@contextmanager
def _on_disk(header: dict[str, Any], body: bytes) -> Iterator[Spooled]:
    """The batch as in an agent's spool."""
    path = settings().home / f"again-{threading.get_ident()}.parquet"
    path.write_bytes(body)
    rows = pq.read_metadata(path).num_rows
    known = {"rows": rows, "size": len(body), "sha256": hashlib.sha256(body).hexdigest()}
    try:
        yield Spooled(0, BatchHeader(**(header | known)), path)
    finally:
        path.unlink()
