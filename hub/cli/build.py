"""`hub build` makes the marts of the lake, `hub sql` reads them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer
from rich.table import Table
from sqlalchemy import Engine

from hub.cli.console import out, plainly, steps
from hub.database import make_engine
from hub.errors import Unavailable
from hub.settings import settings
from hub.store import opened

ROWS_SHOWN = 50


def build(reason: Annotated[str, typer.Option(hidden=True)] = "command") -> None:
    """Build the marts of the lake, compare them with the live view and publish them."""
    from masterdata.lake import build as building

    with plainly(), _engine() as engine, steps() as report:
        try:
            building.build(engine, report, reason)
        except building.BuildFailed as error:
            raise Unavailable(str(error)) from error
        made = building.last(engine)
        out.print(f"[green]✓[/] {made.figures['positions']:,} positions, {made.figures['differences']:,} differences")


def sql(
    query: Annotated[str, typer.Argument(help="A query over gold.* and bronze.*, in DuckDB's SQL.")],
    organisation: Annotated[
        list[str] | None, typer.Option(help="Key of an organisation whose rows are read; default: all.")
    ] = None,
    to: Annotated[Path | None, typer.Option(help="Write the rows here: .parquet or .csv.")] = None,
) -> None:
    """Ask the lake as the last build published it; read-only."""
    from masterdata.lake import reading

    with plainly(), _engine() as engine, reading.asked(engine, query, organisation or ()) as found:
        if to is not None:
            out.print(f"{reading.write(found, to):,} rows in {to}")
            return
        table = Table(*found.schema.names)
        for row in reading.first(found, ROWS_SHOWN):
            table.add_row(*("" if value is None else str(value) for value in row.values()))
        out.print(table)


def report(
    as_of: Annotated[datetime, typer.Option(help="The instant, in the group's zone.")],
    to: Annotated[Path, typer.Option(help="Write the rows here: .parquet or .csv.")],
    known_at: Annotated[datetime | None, typer.Option(help="Count only what was recorded by then.")] = None,
    organisation: Annotated[
        list[str] | None, typer.Option(help="Key of an organisation whose rows are read; default: all.")
    ] = None,
) -> None:
    """The golden inventory of the group at an instant, as known then; the same again, whatever has arrived since."""
    from masterdata.lake import past, reading

    zone = ZoneInfo(settings().zone)
    instants = (as_of.replace(tzinfo=zone), known_at.replace(tzinfo=zone) if known_at else None)
    with plainly(), _engine() as engine:
        readable = reading.organisations_of(engine, organisation or ())
        with past.golden_as_of(engine, readable, past.Question(*instants)) as found:
            out.print(f"{reading.write(found, to):,} rows in {to}")


@contextmanager
def _engine() -> Iterator[Engine]:
    with opened(settings()) as store:
        engine = make_engine(store.application_url)
        try:
            yield engine
        finally:
            engine.dispose()
