"""`doctor`, `backup`, `restore`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hub import backups
from hub.cli.console import out, plainly, steps
from hub.diagnosis import SIGNS, examine
from hub.errors import HubError
from hub.settings import settings
from hub.store import opened

COLOURS = {"ok": "green", "warn": "yellow", "bad": "red"}


def doctor() -> None:
    """Say what is wrong and what to do. Ends with 1 when something is."""
    with plainly(), opened(settings()) as store:
        findings = examine(store, settings())
    for finding in findings:
        sign = f"[{COLOURS[finding.state]}]{SIGNS[finding.state]}[/]"
        out.print(f"{sign} [bold]{finding.what}[/]: {finding.says}", soft_wrap=True)
        if finding.do:
            out.print(f"    → {finding.do}", soft_wrap=True)
    raise typer.Exit(1 if any(finding.state == "bad" for finding in findings) else 0)


def backup(into: Annotated[Path | None, typer.Argument(help="Folder; default HUB_HOME/backups.")] = None) -> None:
    """Back up the database and the landing files it names."""
    with plainly(), opened(settings()) as store, steps() as report:
        report("database, then landing files", 0.5)
        made = backups.back_up(store.reading_url, settings(), into)
    out.print(f"[green]✓[/] {made.folder}: {made.size / 2**20:,.1f} MiB, {made.files} landing files.")


def restore(folder: Annotated[Path, typer.Argument(help="A backup's folder.")]) -> None:
    """Put a backup into an empty database and verify it. Stop the hub first."""
    with plainly(), opened(settings()) as store, steps() as report:
        if store.server is not None and not store.server.owned:
            raise HubError("The hub is running on this data folder. Stop it, then restore.")
        report("database and landing files", 0.3)
        counts = backups.restore(store.url, settings(), folder)
    for table, rows in counts.items():
        out.print(f"  {table:<14}{rows:>14,}")
    out.print("[green]✓[/] Restored and verified. `hub up` migrates it to this version and starts.")
