"""Which database this process works on: the one of HUB_DATABASE_URL, or the embedded one of HUB_HOME."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy.engine import URL, make_url

from hub import postgres
from hub.errors import Unavailable
from hub.settings import Settings


@dataclass(frozen=True, slots=True)
class Store:
    """`url` is the owner's, for migrations and backups; the application connects by `application_url`."""

    url: str
    application_url: str
    server: postgres.Server | None = None

    @property
    def reading_url(self) -> str:
        """Reads past row security, for backups: the embedded superuser, else the owner (who then needs BYPASSRLS)."""
        return self.server.dsn(user=postgres.SUPERUSER) if self.server is not None else self.url

    @property
    def environment(self) -> dict[str, str]:
        """Tells a child process of this database."""
        return {"HUB_DATABASE_URL": self.url, "HUB_APPLICATION_URL": self.application_url}

    def ensure(self) -> None:
        """Start an embedded server again that has died."""
        if self.server is not None:
            self.server.ensure()


@contextmanager
def opened(settings: Settings) -> Iterator[Store]:
    """The database; an embedded one runs at least as long as the block."""
    if settings.database_url is not None:
        yield Store(settings.database_url.get_secret_value(), application_url(settings))
        return
    with postgres.embedded(settings.home / "postgres") as server:
        yield Store(server.dsn(), server.dsn(user=postgres.APPLICATION), server)


def application_url(settings: Settings) -> str:
    if settings.application_url is not None:
        return settings.application_url.get_secret_value()
    if settings.database_url is None:
        raise Unavailable("No database is given. Start the hub with `hub up`, or set HUB_DATABASE_URL.")
    return application_of(settings.database_url.get_secret_value())


def application_of(url: str) -> str:
    """The same database as the application role. A server that asks for passwords gets one derived from the owner's,
    so that every process computes the same and nothing needs to be kept."""
    owner = make_url(url)
    named = owner.set(username=postgres.APPLICATION, password=application_password(owner))
    return named.render_as_string(hide_password=False)


def application_password(owner: URL) -> str | None:
    if not owner.password:
        return None
    return hmac.new(str(owner.password).encode(), b"group-hub application role", hashlib.sha256).hexdigest()
