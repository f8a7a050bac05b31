"""What all commands share: the console, errors in words, progress for whatever takes longer than two seconds."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from sqlalchemy.exc import OperationalError

from hub import logs
from hub.errors import HubError
from hub.logs import clean

out = Console(highlight=False)
Report = Callable[[str, float], None]


@contextmanager
def plainly() -> Iterator[None]:
    """Known errors end the command with their words instead of a traceback; logs say warnings alone, if not set up."""
    if not logging.getLogger().handlers:
        logs.configure(level=logging.WARNING)
    try:
        yield
    except HubError as error:
        out.print(f"[red]✗[/] {error.title}: {clean(error.detail)}", soft_wrap=True)
        raise typer.Exit(1) from None
    except (OperationalError, psycopg.OperationalError) as error:
        said = clean(str(error.orig if isinstance(error, OperationalError) else error)).strip()
        out.print(f"[red]✗[/] The database does not answer: {said}", soft_wrap=True)
        out.print("Look at HUB_DATABASE_URL, or at server.log in the data folder; `hub doctor` tells more.")
        raise typer.Exit(1) from None


@contextmanager
def steps() -> Iterator[Report]:
    """`report(what, share)` moves one line on the terminal; lines of their own where there is none."""
    if not out.is_terminal:
        yield _line_per_step()
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=out, transient=True) as progress:
        task = progress.add_task("", total=1.0)

        def report(what: str, share: float) -> None:
            progress.update(task, description=what, completed=share)

        yield report


def _line_per_step() -> Report:
    said: list[str] = []

    def report(what: str, _share: float) -> None:
        if [what] != said[-1:]:
            said.append(what)
            out.print(f"  {what} …")

    return report
