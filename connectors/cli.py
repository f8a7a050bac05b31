"""The door of the agent: `hub-agent enrol | check | run | status | replay`."""

from __future__ import annotations

import json
import logging
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated, Any

import httpx
import structlog
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from connectors import device, identity
from connectors.check import Finding, check_stream
from connectors.config import Configured, SystemConfig, read_config, redacted
from connectors.document import DocumentError
from connectors.runner import Agent
from connectors.sources import open_source
from connectors.sources.base import SourceError
from connectors.spool import Spool, SpoolError
from connectors.uplink import TIMEOUT, Refused, Unavailable, Uplink

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Reads stock systems and brings them to the Group Hub."
)
out = Console()

ConfigPath = Annotated[
    Path, typer.Option("--config", "-c", envvar="HUB_AGENT_CONFIG", help="The agent's configuration file.")
]
DEFAULT = Path("agent.yaml")
_EXPECTED = (
    DocumentError,
    SpoolError,
    SourceError,
    identity.NotEnrolled,
    Unavailable,
    Refused,
    FileNotFoundError,
    httpx.TransportError,
)


@contextmanager
def _plainly() -> Iterator[None]:
    """What can be expected to go wrong is said in one line, without a traceback."""
    try:
        yield
    except _EXPECTED as error:
        words = f"file not found: {error.filename}" if isinstance(error, FileNotFoundError) else str(error)
        Console(stderr=True).print(f"[red]✗[/] {escape(words)}", highlight=False, soft_wrap=True)
        raise typer.Exit(2) from None


def _log_to_stderr(level: int = logging.INFO) -> None:
    shown = (
        structlog.dev.ConsoleRenderer()
        if sys.stderr.isatty()
        else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    stamp = structlog.processors.TimeStamper(fmt="iso", utc=True)
    structlog.configure(
        processors=[structlog.processors.add_log_level, stamp, shown],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


@app.command()
def enrol(
    hub: Annotated[str, typer.Option(help="Address of the hub.")],
    code: Annotated[
        str, typer.Option(help="The one-time code an administrator gave you; empty: ask in a browser.")
    ] = "",
    state: Annotated[Path, typer.Option(help="The agent's state folder.")] = Path("state"),
    name: Annotated[str, typer.Option(help="What people call this agent.")] = "agent",
    system: Annotated[list[str] | None, typer.Option(help="Without a code: a system it will send; may repeat.")] = None,
) -> None:
    """Make a key and register its public part at the hub. Without --code a person allows it in a browser."""
    with _plainly():
        if (state / "agent.key").exists():
            out.print(
                f"This state folder already has a key ({state / 'agent.key'}). Choose another --state to enrol again."
            )
            raise typer.Exit(2)
        key = identity.make_key()
        if not code:
            with httpx.Client(base_url=hub.rstrip("/"), timeout=TIMEOUT) as http:
                code = device.request_code(http, name, system or [], _ask)
        with closing(Uplink(hub, None)) as link:
            answer = link.enrol(code, identity.public_jwk(key), name)
        identity.save(state, str(answer["agent_id"]), key)
    out.print(f"[green]✓[/] Enrolled as {answer['agent_id']}. It may send for:")
    for one in answer.get("systems", []):
        out.print(f"  {one['system']}: {', '.join(one['organisations'])}")


def _ask(address: str, code: str) -> None:
    out.print(f"Open {address}\nand allow the code [bold]{code}[/]. Waiting ...", highlight=False, soft_wrap=True)


@app.command()
def check(
    config: ConfigPath = DEFAULT,
    system: Annotated[str | None, typer.Option(help="Only this system.")] = None,
    rows: Annotated[int, typer.Option(help="Rows to show per stream.")] = 3,
) -> None:
    """Read and map the first rows of every stream and say what the hub would object to. Sends nothing."""
    with _plainly():
        configured = read_config(config)
        systems = [configured.system(system)] if system else configured.config.systems
        bad = sum([_check_system(configured, s, rows) for s in systems])
    raise typer.Exit(1 if bad else 0)


def _check_system(configured: Configured, config: SystemConfig, show: int) -> int:
    """The number of things wrong."""
    out.rule(config.system)
    try:
        mapping = configured.mapping(config)
        source = open_source(
            mapping.spec.source,
            configured.connection(config),
            zone=mapping.spec.zone,
            state=configured.folder_of(config),
        )
    except (DocumentError, SourceError) as error:
        out.print(f"[red]✗[/] {escape(redacted(str(error), config.connection))}", highlight=False)
        return 1
    bad = 0
    for stream in mapping.spec.streams:
        try:
            with out.status(f"{config.system}: {stream} …"):
                finding = check_stream(mapping, source, stream, show)
        except (SourceError, DocumentError) as error:
            out.print(f"[red]✗ {stream}[/]: {escape(redacted(str(error), config.connection))}", highlight=False)
            bad += 1
            continue
        _show(finding, mapping.name)
        bad += len(finding.violations)
    close = getattr(source, "close", None)
    if close:
        close()
    return bad


def _show(finding: Finding, mapping: str) -> None:
    sign = "[red]✗[/]" if finding.violations else "[green]✓[/]"
    out.print(f"{sign} [bold]{finding.stream}[/]: {finding.rows:,} rows mapped", highlight=False)
    if finding.pairs:
        table = Table("as the source gives it", "as the hub gets it", show_lines=True)
        for raw, mapped in finding.pairs:
            table.add_row(_wrapped(json.loads(raw)), _wrapped({k: str(v) for k, v in mapped.items()}))
        out.print(table)
    for note in finding.notes:
        out.print(f"  [yellow]•[/] {escape(note)}", highlight=False)
    for v in finding.violations:
        example = f"{v.rows:,} rows, for example {escape(v.example[:300])}"
        words = f"  [red]•[/] {mapping}, line {v.line}: {escape(v.message)} — {example}"
        out.print(words, highlight=False, soft_wrap=True)


def _wrapped(values: dict[str, Any]) -> str:
    return "\n".join(f"{k}: {v}" for k, v in values.items() if v is not None)


@app.command()
def run(
    config: ConfigPath = DEFAULT,
    once: Annotated[bool, typer.Option("--once", help="Read and send once, then end.")] = False,
) -> None:
    """Read the systems by their schedules and send what they say, until stopped."""
    _log_to_stderr()
    with _plainly():
        agent = open_agent(config)
        try:
            if once:
                with out.status("starting") as status:
                    complete = agent.once(status.update)
                raise typer.Exit(0 if complete else 1)
            _until_stopped(agent)
        finally:
            agent.close()


def open_agent(config: Path) -> Agent:
    """The agent of a configuration file, its spools open, nothing started."""
    configured = read_config(config)
    agent = Agent(configured, Uplink(configured.config.hub, identity.read(configured.state)))
    agent.open()
    return agent


def _until_stopped(agent: Agent) -> None:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    agent.start()
    stop.wait()


@app.command()
def status(config: ConfigPath = DEFAULT) -> None:
    """What the agent last read, what waits, what the hub refused."""
    with _plainly():
        configured = read_config(config)
        path = configured.state / "health.json"
        if not path.exists():
            out.print("This agent has not run yet: start it with `hub-agent run`.")
            raise typer.Exit(1)
        report = json.loads(path.read_text("utf-8"))
    table = Table("system", "stream", "last read", "rows", "last error", title=f"as of {report['at']}")
    for system in report["systems"]:
        for s in system["streams"]:
            table.add_row(
                system["system"],
                s["stream"],
                s["last_read_at"] or "never",
                str(s["last_rows"] or ""),
                s["last_error"] or "",
            )
    out.print(table)
    for system in report["systems"]:
        spool = system["spool"]
        out.print(
            f"{system['system']}: {spool['ready']} waiting, {spool['refused']} refused, {spool['acknowledged']} kept",
            highlight=False,
        )
        for line in [
            system["hub_error"],
            *(f"{r['stream']} {r['batch_id']}: {r['problem']}" for r in system["refused"]),
        ]:
            if line:
                out.print(f"  [red]•[/] {escape(line)}", highlight=False)


@app.command()
def replay(
    config: ConfigPath = DEFAULT,
    system: Annotated[str | None, typer.Option(help="Only this system.")] = None,
    refused: Annotated[bool, typer.Option("--refused", help="Also send again what the hub refused.")] = False,
) -> None:
    """Send again what the hub no longer knows (after a restore); batches are kept 30 days."""
    with _plainly():
        agent = open_agent(config)
        try:
            chosen = [s for s in agent.systems if system in (None, s.name)]
            for one in chosen:
                again = _forgotten(agent.uplink, one.spool, one.name) + (
                    one.spool.batches("refused", 100_000) if refused else []
                )
                for batch in again:
                    one.spool.again(batch.header.batch_id)
                with out.status(f"{one.name}: sending {len(again)} batches"):
                    one.send_ready(agent.uplink, agent.stop)
                out.print(f"{one.name}: {len(again)} batches sent again", highlight=False)
        finally:
            agent.close()


def _forgotten(uplink: Uplink, spool: Spool, system: str) -> list[Any]:
    known = uplink.known_batches(system)
    return [b for b in spool.batches("acknowledged", 1_000_000) if str(b.header.batch_id) not in known]


if __name__ == "__main__":
    app()
