"""`hub build` makes the marts of the lake, `hub sql` reads them, `hub repair` mends what they show to differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated
from uuid import UUID
from zoneinfo import ZoneInfo

import typer
from rich.table import Table
from sqlalchemy import Engine

from hub.cli.console import Report, out, plainly, steps
from hub.database import Tenancy, make_engine, unit_of_work
from hub.errors import Unavailable, Unprocessable
from hub.housekeeping import organisations
from hub.settings import settings
from hub.store import opened

ROWS_SHOWN = 50


def build(reason: Annotated[str, typer.Option(hidden=True)] = "command") -> None:
    """Build the marts of the lake, compare them with the live view and publish them."""
    from masterdata.lake import build as building

    with plainly(), _engine() as engine, steps() as report:
        published(engine, report, reason)
        made = building.last(engine)
        out.print(f"[green]✓[/] {made.figures['positions']:,} positions, {made.figures['differences']:,} differences")


def published(engine: Engine, report: Report, reason: str) -> None:
    """Build; raises Unavailable with the words of whatever kept it from being published."""
    import duckdb

    from masterdata.lake import build as building

    try:
        building.build(engine, report, reason)
    except (building.BuildFailed, RuntimeError, OSError, duckdb.Error) as error:
        raise Unavailable(str(error)) from error


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
            rows = reading.write(found, to)
            _tell(engine, organisation or (), rows)
            out.print(f"{rows:,} rows in {to}")
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
            rows = reading.write(found, to)
            _tell(engine, organisation or (), rows)
            out.print(f"{rows:,} rows in {to}")


def _tell(engine: Engine, keys: Sequence[str], rows: int) -> None:
    """Every organisation whose rows may stand in the file learns of it."""
    from identity.audit.service import record
    from masterdata.golden.export import organisations_in

    with unit_of_work(engine, Tenancy(tuple(organisations(engine)))) as session:
        record(session, "lake_exported", organisations=organisations_in(session, keys), rows=rows)


def answer(organisation: UUID, report: UUID) -> None:
    """Make the answer of a report that somebody asked for."""
    from masterdata.reports.making import make

    with plainly(), _engine() as engine:
        make(engine, organisation, report)


def repair(
    position: Annotated[list[int] | None, typer.Argument(help="Ids of positions.")] = None,
    of_build: Annotated[
        str, typer.Option("--build", help="All that differed in this build: its id, or `latest`.")
    ] = "",
) -> None:
    """Make positions anew from the facts of the ledger, then their sums and holdings."""
    from masterdata.lake import build as building
    from masterdata.lake import repair as repairs
    from masterdata.materials import settling

    with plainly(), _engine() as engine:
        if bool(position) == bool(of_build):
            raise Unprocessable("Name positions by their ids, or a build.")
        build_id = building.last(engine).id if of_build == "latest" else _id(of_build)
        with unit_of_work(engine, Tenancy(tuple(organisations(engine)))) as session:
            done = (
                repairs.repair_build(session, build_id, "command")
                if build_id
                else repairs.repair_positions(session, position or (), "command")
            )
        settling.settle(engine)
    out.print(
        f"[green]✓[/] {done.materials:,} materials made anew; {done.positions:,} positions were not what the facts say."
    )


def _id(said: str) -> UUID | None:
    try:
        return UUID(said) if said else None
    except ValueError as error:
        raise Unprocessable(f"{said} is not the id of a build.") from error


@contextmanager
def _engine() -> Iterator[Engine]:
    with opened(settings()) as store:
        engine = make_engine(store.application_url)
        try:
            yield engine
        finally:
            engine.dispose()
