"""`hub build` makes the marts of the lake, `hub sql` reads them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

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


@contextmanager
def _engine() -> Iterator[Engine]:
    with opened(settings()) as store:
        engine = make_engine(store.application_url)
        try:
            yield engine
        finally:
            engine.dispose()
