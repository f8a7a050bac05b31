"""`hub demo`: the demonstration group, its legacy systems, the hub and an agent on this machine, alive until Ctrl-C."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy.engine import make_url

from hub import logs, postgres
from hub.cli.console import Report, out, plainly, steps
from hub.cli.serve import prepare, start
from hub.database import make_engine
from hub.errors import Conflict, Unavailable
from hub.settings import settings
from hub.store import Store, opened
from hub.supervisor import Supervisor

AGENT_COMMAND = ("-c", "from connectors.cli import app; app()")


def demo(
    scale: Annotated[float, typer.Option(help="1: about 5,000 source materials and 500,000 movements.")] = 1.0,
    events: Annotated[float, typer.Option(help="Stock movements a minute while it runs.")] = 30.0,
) -> None:
    """Show the hub on a group of seven plants with eight legacy systems. The second start goes on from the first."""
    _own_home()
    logs.configure(settings().home / "logs" / "demo.jsonl", settings().log_days)
    with plainly(), opened(settings()) as store:
        if store.server is not None and not store.server.owned:
            raise Conflict(f"A demonstration is running already: {settings().address}")
        supervisor = Supervisor(settings().home / "logs")
        supervisor.on_signals()
        group = None
        try:
            with steps() as report:
                group = _raise(supervisor, store, scale, report)
            _welcome(group)
            _live(supervisor, store, group, events)
        finally:
            out.print("Ending …")
            supervisor.stop.set()
            supervisor.end()
            if group is not None:
                group.stop()


def demo_reset() -> None:
    """Delete the demonstration's data; the next `hub demo` starts over."""
    _own_home()
    home = settings().home
    with plainly():
        if settings().database_url is not None:
            raise Conflict("The demonstration runs on HUB_DATABASE_URL. Drop its databases there (hub and demo_*).")
        postgres.destroy(home / "postgres")
        shutil.rmtree(home, ignore_errors=True)
    out.print("[green]✓[/] The demonstration's data are gone.")


def _own_home() -> None:
    """The demonstration never shares a data folder with a hub in use."""
    os.environ["HUB_HOME"] = str((settings().home / "demo").absolute())
    settings.cache_clear()


def _raise(supervisor: Supervisor, store: Store, scale: float, report: Report) -> Any:
    """Everything but life: schema, group, hub, legacy servers, agent."""
    from demo.group import build

    prepare(store, report)
    admin = make_url(store.url).set(database="postgres").render_as_string(hide_password=False)
    group = build(admin, settings().home / "group", scale, lambda what, part: report(what, 0.1 + 0.6 * part))
    report("the group enters the hub", 0.75)
    code = _found(store, group)
    start(supervisor, store.environment, report)
    report("legacy servers and agent", 0.95)
    group.start_servers()
    _agent(supervisor, group.agent_config(settings().local), code)
    return group


def _found(store: Store, group: Any) -> str | None:
    from hub.cli.founding import found

    owner, application = make_engine(store.url, 1), make_engine(store.application_url, 1)
    try:
        return found(owner, application, group).code
    finally:
        owner.dispose()
        application.dispose()


def _agent(supervisor: Supervisor, config: Path, code: str | None) -> None:
    """Enrol the agent when the hub is new, then keep it running."""
    state = config.parent / "state"
    if code is not None:
        shutil.rmtree(state, ignore_errors=True)
        command = [
            sys.executable,
            *AGENT_COMMAND,
            "enrol",
            "--hub",
            settings().local,
            "--state",
            str(state),
            "--name",
            "demo",
        ]
        done = subprocess.run([*command, "--code", code], capture_output=True, text=True, check=False)
        if done.returncode:
            raise Unavailable(f"The agent could not enrol: {(done.stdout + done.stderr).strip()[-500:]}")
    supervisor.start("agent", [*AGENT_COMMAND, "run", "--config", str(config)], {})


def _welcome(group: Any) -> None:
    for person in group.people():
        name = f"{person.name_zh} {person.name_en}"
        roles = ", ".join(person.roles)
        out.print(
            f"  {person.email:<30}{person.password:<22}{roles:<12}{person.organisation:<12}{name}", soft_wrap=True
        )
    out.print(f"[green]✓[/] [bold]{settings().address}[/]  stock is moving. Ctrl-C ends it.")
    out.print("The first time, figures grow for some minutes: the agent delivers two years of stock.", soft_wrap=True)
    out.print(f"Logs: {settings().home / 'logs'}", soft_wrap=True)


def _live(supervisor: Supervisor, store: Store, group: Any, events: float) -> None:
    life = threading.Thread(target=group.live, args=(supervisor.stop, events), name="life", daemon=True)
    life.start()
    supervisor.run(store.ensure)
    life.join(15)
