"""`hub lake`: small files made into large ones, the lake moved to another place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from sqlalchemy import Engine

from hub import lake
from hub.cli.console import out, plainly, steps
from hub.database import make_engine
from hub.settings import settings
from hub.store import opened

app = typer.Typer(help="The tables of the lake.", no_args_is_help=True)


@contextmanager
def _engine() -> Iterator[Engine]:
    with opened(settings()) as store:
        engine = make_engine(store.application_url, pool_size=2)
        try:
            yield engine
        finally:
            engine.dispose()


@app.command("compact")
def compact(table: Annotated[str, typer.Option(help="schema.table; default all.")] = "") -> None:
    """Rewrite small files into few, sorted ones."""
    with plainly(), _engine() as engine, steps() as report:
        from hub.lake.catalog import names

        every = [table] if table else names(engine)
        for number, name in enumerate(every):
            report(name, number / len(every))
            out.print(f"[green]✓[/] {name}: {lake.compact(engine, name):,} files replaced.")


@app.command("migrate")
def migrate(url: Annotated[str, typer.Argument(help="file:///folder or s3://bucket/folder, empty.")]) -> None:
    """Copy every table to another place and let the catalog name it there. Set HUB_LAKE_URL to it afterwards."""
    with plainly(), _engine() as engine, steps() as report:
        moved = lake.migrate(engine, url, report)
    for one in moved:
        out.print(f"  {one.name:<40}{one.rows:>14,} rows {one.files:>8,} files {one.size / 2**20:>10,.1f} MiB")
    out.print(f"[green]✓[/] {len(moved)} tables are at {url}. Now set HUB_LAKE_URL={url} and start the hub again.")
