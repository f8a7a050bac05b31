"""Child processes kept alive: restarted when they die, ended together, never left behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import structlog

from hub.errors import HubError
from hub.postgres import die_with_parent

log = structlog.get_logger("hub.supervisor")

TICK_SECONDS = 0.2
PATIENCE_SECONDS = 25.0
# A child that lives this long is started again at once when it dies; before, after a growing wait.
SETTLED_SECONDS, LONGEST_WAIT = 30.0, 10.0


@dataclass(slots=True)
class Child:
    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    output: Path
    listening: socket.socket | None = None
    process: subprocess.Popen[bytes] | None = None
    began: float = 0.0
    failures: int = 0
    due: float = 0.0
    is_wanted: bool = True

    def start(self) -> None:
        self.output.parent.mkdir(parents=True, exist_ok=True)
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                self.command,
                env={**os.environ, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                # Ctrl-C in a terminal reaches the supervisor alone, which ends its children in order.
                start_new_session=True,
                pass_fds=() if self.listening is None else (self.listening.fileno(),),
                preexec_fn=die_with_parent(),  # noqa: PLW1509 - one prepared C call, nothing of Python's
            )
        self.began = time.monotonic()

    @property
    def is_alive(self) -> bool:
        return self.process is not None and self.process.poll() is None


@dataclass(slots=True)
class Supervisor:
    """`start` and `run` belong to one thread: on Linux children end with the thread that started them."""

    folder: Path
    stop: threading.Event = field(default_factory=threading.Event)
    children: list[Child] = field(default_factory=list)

    def start(
        self,
        name: str,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        listening: socket.socket | None = None,
    ) -> Child:
        """Run `python arguments` from now on; what it says goes to `folder`/name.log. `listening` is handed down: while
        the child starts again, its callers wait instead of being refused."""
        child = Child(name, [sys.executable, *arguments], environment, self.folder / f"{name}.log", listening)
        child.start()
        self.children.append(child)
        return child

    def run(self, tick: Callable[[], object] = lambda: None) -> None:
        """Until `stop` is set; `tick` is called five times a second, ever less often while it fails."""
        failures, due = 0, 0.0
        while not self.stop.wait(TICK_SECONDS):
            if time.monotonic() >= due:
                failures = 0 if _succeeds(tick) else failures + 1
                due = time.monotonic() + _wait(failures) if failures else 0.0
            _succeeds(self.revive)

    def revive(self) -> None:
        now = time.monotonic()
        for child in self.children:
            if child.is_alive or not child.is_wanted:
                continue
            if child.due == 0.0:
                child.failures = 0 if now - child.began > SETTLED_SECONDS else child.failures + 1
                child.due = now + _wait(child.failures)
                code = child.process.returncode if child.process else None
                log.warning("process_died", child=child.name, code=code, log=str(child.output))
            elif now >= child.due:
                child.due = 0.0
                child.start()

    def end(self) -> None:
        """Ask all to end, the youngest first; after 25 s without asking."""
        for child in reversed(self.children):
            child.is_wanted = False
            if child.process is not None and child.is_alive:
                child.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + PATIENCE_SECONDS
        for child in reversed(self.children):
            if child.listening is not None:
                child.listening.close()
            if child.process is None:
                continue
            try:
                child.process.wait(max(deadline - time.monotonic(), 0.1))
            except subprocess.TimeoutExpired:
                log.warning("process_killed", child=child.name)
                child.process.kill()
                child.process.wait()

    def on_signals(self) -> None:
        """Ctrl-C and TERM set `stop`; a second one changes nothing, the children are being ended."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: self.stop.set())


def _wait(failures: int) -> float:
    """Seconds until the next try."""
    return min(TICK_SECONDS * 2.0 ** min(failures, 10), LONGEST_WAIT)


def _succeeds(work: Callable[[], object]) -> bool:
    """What a full disk or a missing process refuses now may go well later."""
    try:
        work()
    except (HubError, OSError, psycopg.Error) as error:
        log.warning("supervision_failed", error=str(error))
        return False
    return True
