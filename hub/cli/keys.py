"""`hub keys`: the signing keys of the OpenID provider."""

from __future__ import annotations

import typer

from hub.cli.console import out, plainly
from hub.database import NOBODY, make_engine, unit_of_work
from hub.settings import settings
from hub.store import opened
from identity.oauth import keys

app = typer.Typer(help="Signing keys of the OpenID provider.", no_args_is_help=True)


@app.callback()
def _keys() -> None:
    """Signing keys of the OpenID provider."""


@app.command("rotate")
def rotate() -> None:
    """Make a new key. It is published at once and signs after 15 minutes; those before it stay known for a day more."""
    with plainly(), opened(settings()) as store:
        engine = make_engine(store.application_url, pool_size=1)
        with unit_of_work(engine, NOBODY) as session:
            kid = keys.rotate(session)
        engine.dispose()
    out.print(f"New key {kid}: published now, signs in {keys.LEAD.seconds // 60} minutes.")
