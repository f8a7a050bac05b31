"""`hub audit`: the log of who did what, held to its seals, shown where its chain ends, written out."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer
from sqlalchemy import select
from sqlalchemy.orm import Session

from hub.cli.console import out, plainly
from hub.database import Tenancy, make_engine, unit_of_work
from hub.errors import NotFound, Unprocessable
from hub.housekeeping import organisations
from hub.models import Organisation
from hub.settings import settings
from hub.store import opened
from identity.audit import export as exporting
from identity.audit import service
from identity.audit.verify import Verified
from identity.audit.verify import verify as held_to_seals

app = typer.Typer(help="The audit log.", no_args_is_help=True)
Keys = Annotated[list[str] | None, typer.Option("--organisation", help="Key of an organisation; default: all.")]


@contextmanager
def _session() -> Iterator[Session]:
    with opened(settings()) as store:
        engine = make_engine(store.application_url, pool_size=1)
        try:
            with unit_of_work(engine, Tenancy(organisations(engine))) as session:
                yield session
        finally:
            engine.dispose()


def _chosen(session: Session, keys: list[str] | None) -> list[Organisation]:
    found = session.scalars(select(Organisation).order_by(Organisation.rank, Organisation.key)).all()
    if unknown := set(keys or ()) - {o.key for o in found}:
        raise NotFound(f"There is no organisation {', '.join(sorted(unknown))}.")
    return [o for o in found if not keys or o.key in keys]


@app.command("verify")
def verify(
    organisation: Keys = None,
    heads: Annotated[Path | None, typer.Option(help="What `hub audit head` printed earlier.")] = None,
) -> None:
    """Hold every log to its seals; name each row or seal that was altered, removed, inserted or reordered, and end with
    1 if there is one. With --heads also what was cut off at the end is found."""
    broken = False
    with plainly(), _session() as session:
        kept = _read_heads(heads)
        for one in _chosen(session, organisation):
            found = held_to_seals(session, one.id, kept.get(one.key))
            broken = broken or bool(found.findings)
            _say(one.key, found)
    raise typer.Exit(1 if broken else 0)


def _say(key: str, found: Verified) -> None:
    sign = "[red]✗[/]" if found.findings else "[green]✓[/]"
    since = f", begins after seal {found.begins_after:,}" if found.begins_after else ""
    said = f"{found.rows:,} events in {found.seals:,} seals, {found.unsealed:,} not sealed yet{since}"
    out.print(f"{sign} {key}: {said}", soft_wrap=True)
    for finding in found.findings:
        out.print(f"    {finding}", soft_wrap=True)


@app.command("head")
def head(organisation: Keys = None) -> None:
    """Print where each chain ends. Keep it where the database's administrator cannot write: it proves the end."""
    with plainly(), _session() as session:
        for one in _chosen(session, organisation):
            found = service.head_of(session, one.id)
            if found is not None:
                typer.echo(
                    f"{one.key} {found.number} {found.digest.hex()} {found.sealed_at.astimezone(UTC).isoformat()}"
                )


def _read_heads(path: Path | None) -> dict[str, tuple[int, bytes]]:
    """The last line of an organisation counts: the file may grow."""
    try:
        lines = [line.split() for line in path.read_text().splitlines()] if path else []
        return {line[0]: (int(line[1]), bytes.fromhex(line[2])) for line in lines if line}
    except (OSError, ValueError, IndexError) as error:
        raise Unprocessable(f"{path} holds no heads as `hub audit head` prints them: {error}") from error


@app.command("export")
def export(
    organisation: Keys = None,
    since: Annotated[datetime | None, typer.Option("--from", help="In the group's zone.")] = None,
    until: Annotated[datetime | None, typer.Option("--to", help="In the group's zone; not included.")] = None,
    format: Annotated[str, typer.Option(help="jsonl or cef.")] = "jsonl",
) -> None:
    """Write the log to standard output, oldest first."""
    zone = ZoneInfo(settings().zone)
    begin, end = (at.replace(tzinfo=zone) if at else None for at in (since, until))
    with plainly(), _session() as session:
        form = _form(format)
        for one in _chosen(session, organisation):
            service.record(session, "audit_exported", organisations=[one.id], format=form, since=begin, until=end)
            for lines in exporting.lines(service.stream(session, service.Wanted(one.id, "", None, begin, end)), form):
                sys.stdout.write(lines)


def _form(given: str) -> exporting.Format:
    for form in exporting.FORMS:
        if form == given:
            return form
    raise Unprocessable(f"{given} is no format. There are {', '.join(exporting.FORMS)}.")
