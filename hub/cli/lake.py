"""`hub lake`: small files made into large ones, the lake moved to another place or made anew."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from sqlalchemy import Engine

from hub import lake
from hub.cli.build import published
from hub.cli.console import out, plainly, steps
from hub.database import make_engine
from hub.settings import settings
from hub.store import opened

OLD = timedelta(days=1)
app = typer.Typer(help="The tables of the lake.", no_args_is_help=True)


@contextmanager
def _engine() -> Iterator[Engine]:
    with opened(settings()) as store:
        engine = make_engine(store.application_url, pool_size=2)
        try:
            yield engine
        finally:
            engine.dispose()


@app.command("append")
def append() -> None:
    """Bring applied batches into bronze."""
    from masterdata.lake.append import append_pending

    with plainly(), _engine() as engine:
        out.print(f"[green]✓[/] {append_pending(engine):,} batches appended.")


@app.command("compact")
def compact(table: Annotated[str, typer.Option(help="schema.table; default all.")] = "") -> None:
    """Rewrite small files into few, sorted ones; let go snapshots older than a day that no publication needs, files
    that nothing names, and lineage of a month ago."""
    from hub.lake.catalog import names
    from masterdata.lake import openlineage
    from masterdata.lake.build import pinned

    before = datetime.now(UTC) - OLD
    openlineage.forget()
    with plainly(), _engine() as engine, steps() as report:
        every, keep = [table] if table else names(engine), pinned(engine)
        for number, name in enumerate(every):
            report(name, number / len(every))
            files = lake.compact(engine, name)
            gone = lake.expire(engine, name, keep, before)
            orphans = lake.remove_orphans(engine, name)
            out.print(
                f"[green]✓[/] {name}: {files:,} files replaced, {gone:,} snapshots and {orphans:,} files removed."
            )


@app.command("migrate")
def migrate(url: Annotated[str, typer.Argument(help="file:///folder or s3://bucket/folder, empty.")]) -> None:
    """Copy every table to another place and let the catalog name it there. Set HUB_LAKE_URL to it afterwards."""
    with plainly(), _engine() as engine, steps() as report:
        moved = lake.migrate(engine, url, report)
    for one in moved:
        out.print(f"  {one.name:<40}{one.rows:>14,} rows {one.files:>8,} files {one.size / 2**20:>10,.1f} MiB")
    out.print(f"[green]✓[/] {len(moved)} tables are at {url}. Now set HUB_LAKE_URL={url} and start the hub again.")


@app.command("rebuild")
def rebuild() -> None:
    """Make the lake anew from landed bodies, where its folder is lost, was moved, or bronze is damaged; then build."""
    from masterdata.lake.rebuild import rebuild as make_anew

    with plainly(), _engine() as engine, steps() as report:
        report("bronze, from landed bodies", 0.0)
        out.print(f"[green]✓[/] {make_anew(engine):,} batches read again.")
        published(engine, report, "command")
    out.print("[green]✓[/] The marts are published anew.")
