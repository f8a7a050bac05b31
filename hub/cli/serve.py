"""`up`, `migrate`, and the processes that `up` keeps alive: `api`, several behind one port, and `worker`."""

from __future__ import annotations

import asyncio
import gc
import shutil
import socket
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import httpx
import typer

from hub import logs, metrics
from hub import migrate as migration
from hub.backups import back_up
from hub.cli.console import Report, out, plainly, steps
from hub.errors import Unavailable
from hub.settings import Settings, settings
from hub.store import Store, application_url, opened
from hub.supervisor import Supervisor

if TYPE_CHECKING:
    from fastapi import FastAPI

READY_SECONDS = 180.0
LogFile = Annotated[Path | None, typer.Option("--log", help="Write the log here, a new file each day.")]


def up() -> None:
    """Run the hub: embedded PostgreSQL unless HUB_DATABASE_URL is set, backup, migration, API and worker."""
    logs.configure(settings().home / "logs" / "up.jsonl", settings().log_days)
    with plainly(), opened(settings()) as store, steps() as report:
        prepare(store, report)
        supervisor = Supervisor(settings().home / "logs")
        supervisor.on_signals()
        try:
            start(supervisor, store.environment, report)
            out.print(f"[green]✓[/] The hub answers at [bold]{settings().address}[/]. Ctrl-C ends it.")
            supervisor.run(store.ensure)
        finally:
            supervisor.end()


def migrate(
    without_backup: Annotated[bool, typer.Option("--without-backup", help="You have made one yourself.")] = False,
) -> None:
    """Bring the database to this version, after a backup. Refuses a newer schema."""
    with plainly(), opened(settings()) as store, steps() as report:
        changed = migration.upgrade(store.url) if without_backup else prepare(store, report)
        out.print(f"[green]✓[/] {'Migrated to' if changed else 'Already at'} schema {migration.head()}.")


def api(
    log: LogFile = None, fd: Annotated[int | None, typer.Option(help="An inherited listening socket.")] = None
) -> None:
    """An HTTP process."""
    import uvicorn

    # A thread that waits for the interpreter between two statements must not wait out a whole 5 ms of the loop's.
    sys.setswitchinterval(0.0005)

    logs.configure(log, settings().log_days)
    config = uvicorn.Config(
        _made,
        factory=True,
        host=settings().host,
        port=settings().port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=2,
    )
    uvicorn.Server(config).run(None if fd is None else [socket.socket(fileno=fd)])


def _made() -> FastAPI:
    """The application, set aside from garbage collection: going through it took a tenth of a second at a time."""
    from hub.app import create_app

    app = create_app()
    gc.collect()
    gc.freeze()
    return app


def worker(log: LogFile = None) -> None:
    """The process that works off the job queue; run as many as needed."""
    from hub.worker import run

    logs.configure(log, settings().log_days)
    with plainly():
        asyncio.run(run(application_url(settings())))


def prepare(store: Store, report: Report) -> bool:
    """A backup if there is something to lose, then the migration; True when the schema changed."""
    before = migration.current(store.url)
    if before is not None and before != migration.head():
        report("backup before the upgrade", 0.1)
        back_up(store.reading_url, settings())
    report("database schema", 0.2)
    return migration.upgrade(store.url)


def start(supervisor: Supervisor, environment: Mapping[str, str], report: Report) -> None:
    """API and worker; returns when the API answers. All but one start after it, so that people wait for one only."""
    listening = _listen(settings())
    counted = settings().home / "metrics"
    shutil.rmtree(counted, ignore_errors=True)
    counted.mkdir(parents=True)
    environment = {**environment, metrics.FOLDER: str(counted)}

    def process(name: str, *arguments: str, of: socket.socket | None = None) -> None:
        log = settings().home / "logs" / f"{name}.jsonl"
        supervisor.start(name, ["-m", "hub", *arguments, "--log", str(log)], environment, of)

    api = ("api", "--fd", str(listening.fileno()))
    process("api", *api, of=listening)
    report("waiting for the hub to answer", 0.9)
    wait_ready(settings(), supervisor)
    for number in range(2, settings().api_processes + 1):
        process(f"api-{number}", *api, of=listening)
    process("worker", "worker")


def _listen(given: Settings) -> socket.socket:
    """The port, once for all HTTP processes: whichever is free takes the next caller."""
    family = socket.AF_INET6 if ":" in given.host else socket.AF_INET
    try:
        both = given.host == "::"
        return socket.create_server((given.host, given.port), family=family, backlog=2048, dualstack_ipv6=both)
    except OSError as error:
        raise Unavailable(
            f"Port {given.port} of {given.host} cannot be used: {error.strerror}. Choose another with HUB_PORT."
        ) from error


def wait_ready(given: Settings, supervisor: Supervisor) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not _answers(f"{given.local}/readyz"):
        dead = [child for child in supervisor.children if not child.is_alive]
        if dead or time.monotonic() > deadline:
            which = dead[0] if dead else supervisor.children[-1]
            said = which.output.read_text(errors="replace").strip()[-600:]
            raise Unavailable(f"The hub did not start. {which.output} ends: {said}")
        if supervisor.stop.wait(0.05):
            raise typer.Exit(130)


def _answers(address: str) -> bool:
    try:
        return httpx.get(address, timeout=2).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False
