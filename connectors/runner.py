"""The agent at work: one thread per stream reads, one thread per system sends, one tells the hub how things are.
What fails in one stream stays in it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog

from connectors.config import Configured, SystemConfig, redacted
from connectors.contract import Sync
from connectors.document import DocumentError
from connectors.mapping import Mapping
from connectors.reader import SystemParts, read_stream
from connectors.sources import open_source
from connectors.sources.base import Abort, Retry, Source
from connectors.spool import Spool, SpoolError
from connectors.streams import Plan
from connectors.uplink import Refused, Unavailable, Uplink, backoff

HEALTH_SECONDS = 15.0
PURGE_SECONDS = 3_600.0
IDLE_SECONDS = 60.0

log = structlog.get_logger("agent")


class System:
    """One legacy system as the agent works it: mapping, spool, plans, and a source opened when it is first read."""

    def __init__(self, configured: Configured, config: SystemConfig) -> None:
        self.name, self._configured, self._config = config.system, configured, config
        self.mapping: Mapping = configured.mapping(config)
        self.folder: Path = configured.folder_of(config)
        self.spool = Spool(self.folder / "spool")
        self.plans = {s: Plan.resume(self.mapping, s, self.spool.state(s)) for s in self.mapping.spec.streams}
        self.hub_error: str | None = None
        self.written, self.changed = threading.Event(), threading.Event()
        self._source: Source | None = None
        self._parts: SystemParts | None = None
        self._opening = threading.Lock()

    @property
    def pushed(self) -> bool:
        return self.mapping.spec.source == "push"

    def source(self) -> Source:
        """The open source; raises Abort where the connection cannot be."""
        with self._opening:
            if self._source is None:
                connection = self._configured.connection(self._config)
                self._source = open_source(
                    self.mapping.spec.source, connection, zone=self.mapping.spec.zone, state=self.folder
                )
            return self._source

    def parts(self) -> SystemParts:
        source = self.source()
        if self._parts is None:
            self._parts = SystemParts(self.name, self.mapping, source, self.spool)
        return self._parts

    def close(self) -> None:
        for transform in self._parts.kept.values() if self._parts else ():
            transform.close()
        close = getattr(self._source, "close", None)
        if close:
            close()
        self.spool.close()

    def read(self, stream: str, sync: Sync) -> bool:
        """Read once; whatever happens is in the plan's health afterwards. True if the read was complete."""
        plan, began = self.plans[stream], datetime.now(UTC)
        before = plan.health.last_error
        try:
            outcome = read_stream(self.parts(), stream, sync)
        except (Retry, Abort, DocumentError, SpoolError) as error:
            plan.failed(self._words(error), retry=isinstance(error, Retry))
        except Exception as error:  # noqa: BLE001  the runner is a door: a fault in one stream must not end the others
            plan.failed(self._words(f"unexpected {type(error).__name__}: {error}"), retry=True)
        else:
            plan.succeeded(began, sync, outcome.rows)
            if outcome.batches:
                self.written.set()
            if outcome.rows:
                log.info(
                    "stream_read",
                    system=self.name,
                    stream=stream,
                    sync=sync,
                    rows=outcome.rows,
                    batches=len(outcome.batches),
                )
        if plan.health.last_error != before:
            log.warning("stream_health_changed", system=self.name, stream=stream, error=plan.health.last_error)
            self.changed.set()
        return plan.health.last_error is None

    def failed(self, error: Exception) -> None:
        """None of the streams can be read."""
        for plan in self.plans.values():
            plan.failed(self._words(error), retry=isinstance(error, Retry))
        self.changed.set()

    def _words(self, error: object) -> str:
        return redacted(str(error), self._config.connection)[:1_000]

    def send_ready(self, uplink: Uplink, stop: threading.Event) -> bool:
        """Send what waits; False when the hub cannot take it now (raises nothing)."""
        while batches := self.spool.batches("ready", 20):
            for batch in batches:
                if stop.is_set():
                    return True
                try:
                    uplink.send(batch)
                except Refused as error:
                    self.spool.refuse(batch.header.batch_id, str(error))
                    log.error("batch_refused", system=self.name, batch=str(batch.header.batch_id), problem=str(error))
                    self.changed.set()
                else:
                    self.spool.acknowledge(batch.header.batch_id)
                if batch.header.sync != "event":
                    break
        return True

    def report(self) -> dict[str, Any]:
        counts = self.spool.counts()
        refused = [
            {"batch_id": str(b.header.batch_id), "stream": b.header.stream, "problem": b.problem}
            for b in self.spool.batches("refused", 20)
        ]
        return {
            "system": self.name,
            "mapping": self.mapping.name,
            "streams": [plan.health.report(stream) for stream, plan in self.plans.items()],
            "spool": {
                "ready": counts.get("ready", 0),
                "refused": counts.get("refused", 0),
                "acknowledged": counts.get("acknowledged", 0),
            },
            "refused": refused,
            "hub_error": self.hub_error,
        }


@dataclass
class Agent:
    """All systems of one configuration."""

    configured: Configured
    uplink: Uplink
    stop: threading.Event = field(default_factory=threading.Event)
    systems: list[System] = field(default_factory=list)
    _threads: list[threading.Thread] = field(default_factory=list)

    def open(self) -> None:
        """Open every spool. Raises SpoolBusy where another agent works, DocumentError for a bad mapping."""
        try:
            self.systems.extend(System(self.configured, s) for s in self.configured.config.systems)
        except BaseException:  # an interruption leaves no spool locked either
            self.close()
            raise

    def close(self) -> None:
        self.stop.set()
        for system in self.systems:
            system.written.set()
        for thread in self._threads:
            thread.join(timeout=10)
        for system in self.systems:
            system.close()
        self.uplink.close()

    def start(self) -> None:
        """Begin to read and send, in threads."""
        for system in self.systems:
            self._begin(f"send {system.name}", self._send, system)
            if system.pushed:
                self._begin(f"push {system.name}", self._follow_push, system)
                continue
            for stream in system.plans:
                self._begin(f"read {system.name} {stream}", self._follow, system, stream)
        self._begin("health", self._tell)

    def _begin(self, name: str, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def once(self, report: Callable[[str], None]) -> bool:
        """Read every stream once and send all there is. False if anything is left undone."""
        complete = True
        for system in self.systems:
            for stream, plan in system.plans.items():
                report(f"{system.name}: {stream}")
                sync: Sync = "event" if system.pushed else "incremental"
                if not system.pushed and (
                    not system.mapping.cursor(stream) or plan.last_full is None or _full_due(plan)
                ):
                    sync = "full"
                complete &= system.read(stream, sync)
            report(f"{system.name}: sending")
            complete &= self._drain(system)
        self._report()
        return complete

    def _drain(self, system: System) -> bool:
        for attempt in range(1, 6):
            try:
                system.send_ready(self.uplink, self.stop)
                system.hub_error = None
                return system.spool.counts().get("refused", 0) == 0
            except Unavailable as error:
                system.hub_error = str(error)
                self.stop.wait(backoff(attempt, error.after))
        return False

    def _follow(self, system: System, stream: str) -> None:
        plan = system.plans[stream]
        while not self.stop.is_set():
            now = datetime.now(UTC)
            planned = plan.next_read(now)
            wait = (planned[0] - now).total_seconds() if planned else IDLE_SECONDS
            if wait > 0:
                self.stop.wait(min(wait, IDLE_SECONDS))
            elif planned:
                system.read(stream, planned[1])

    def _follow_push(self, system: System) -> None:
        """Pushed rows are read when they arrive, every stream of the system in turn."""
        while not self.stop.is_set():
            try:
                arrived: threading.Event = system.source().arrived  # type: ignore[attr-defined]
            except Exception as error:  # noqa: BLE001  a door: whatever keeps the source shut may be mended meanwhile
                system.failed(error)
                self.stop.wait(IDLE_SECONDS)
                continue
            arrived.clear()
            failed = [stream for stream in system.plans if not system.read(stream, "event")]
            self._wait_for(arrived, 1.0 if failed else HEALTH_SECONDS)

    def _wait_for(self, arrived: threading.Event, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self.stop.is_set() and time.monotonic() < until:
            if arrived.wait(0.5):
                return

    def _send(self, system: System) -> None:
        attempt, purged = 0, -PURGE_SECONDS
        while not self.stop.is_set():
            system.written.clear()
            try:
                system.send_ready(self.uplink, self.stop)
                if time.monotonic() - purged > PURGE_SECONDS:
                    system.spool.purge(datetime.now(UTC))
                    purged = time.monotonic()
                attempt, wait = 0, IDLE_SECONDS
                self._hub_state(system, None)
            except Unavailable as error:
                attempt += 1
                wait = backoff(attempt, error.after)
                self._hub_state(system, str(error))
            except Exception as error:  # noqa: BLE001  a door too: what it cannot do now, it tries again
                attempt += 1
                wait = backoff(attempt)
                self._hub_state(system, f"sending failed: {type(error).__name__}: {error}")
            if attempt:
                self.stop.wait(wait)
            else:
                system.written.wait(wait)

    def _hub_state(self, system: System, error: str | None) -> None:
        if system.hub_error != error:
            log.warning("hub_state_changed", system=system.name, error=error)
            system.hub_error = error
            system.changed.set()

    def _tell(self) -> None:
        while not self.stop.is_set():
            try:
                self._report()
            except Exception as error:  # noqa: BLE001  a door: a report that fails is followed by the next
                log.warning("health_not_told", error=f"{type(error).__name__}: {error}")
            for _ in range(int(HEALTH_SECONDS * 2)):
                if self.stop.wait(0.5) or any(s.changed.is_set() for s in self.systems):
                    break

    def _report(self) -> None:
        """Health to the hub and, for `hub-agent status`, to a file."""
        for system in self.systems:
            system.changed.clear()
        report = {"at": datetime.now(UTC).isoformat(), "systems": [s.report() for s in self.systems]}
        try:
            self._keep(report)
        except OSError as error:
            report["error"] = f"health.json cannot be written: {error.strerror}"
            log.warning("health_not_kept", error=str(error))
        try:
            self.uplink.health(report)
        except (Unavailable, Refused) as error:
            log.debug("health_not_sent", error=str(error))

    def _keep(self, report: dict[str, Any]) -> None:
        path = self.configured.state / "health.json"
        temporary = path.with_suffix(".part")
        temporary.write_text(json.dumps(report, ensure_ascii=False, indent=1), "utf-8")
        temporary.replace(path)


def _full_due(plan: Plan) -> bool:
    now = datetime.now(UTC)
    planned = plan.mapping.full(plan.stream).due(plan.last_full, now, plan.mapping.spec.zone)
    return planned is not None and planned <= now
