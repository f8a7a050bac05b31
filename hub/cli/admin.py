"""`hub admin`: the first person of an empty hub."""

from __future__ import annotations

from typing import Annotated

import typer

from hub.cli.console import out, plainly
from hub.database import NOBODY, make_engine, unit_of_work
from hub.settings import settings
from hub.store import opened
from identity.service import create_first_admin

app = typer.Typer(help="Accounts from the command line.", no_args_is_help=True)


@app.callback()
def _accounts() -> None:
    """Accounts from the command line."""


@app.command("create")
def create(email: Annotated[str, typer.Argument(help="The first administrator's e-mail address.")]) -> None:
    """Print a one-time link with which the first administrator sets a password. For an empty database only."""
    with plainly(), opened(settings()) as store:
        engine = make_engine(store.application_url, pool_size=1)
        with unit_of_work(engine, NOBODY) as session:
            link = create_first_admin(session, email)
        engine.dispose()
    out.print(f"Open this link once to set the password of {email}:")
    out.print(link, soft_wrap=True)
