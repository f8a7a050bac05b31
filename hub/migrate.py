"""The schema, brought to this version of the program: one migrator at a time, waits bounded, newer ones refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from hub.errors import Conflict, Unavailable
from hub.migrations.fences import APP_ROLE
from hub.settings import settings
from hub.store import application_password

OLDEST = 150000
ADVISORY_LOCK = 7_240_001


def config(connection: Connection | None = None) -> Config:
    made = Config()
    made.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    made.attributes["connection"] = connection
    return made


def head() -> str | None:
    return ScriptDirectory.from_config(config()).get_current_head()


def current(url: str) -> str | None:
    """The revision of the database; None: empty."""
    with _connection(url) as connection:
        return _current(connection)


def upgrade(url: str, revision: str = "head") -> bool:
    """Bring the database to `revision` as its owner; True when anything changed. Refuses a newer schema."""
    with _migrator(url) as connection:
        before = _current(connection)
        known = {script.revision for script in ScriptDirectory.from_config(config()).walk_revisions()}
        if before is not None and before not in known:
            raise Conflict(
                f"The database has schema {before}, newer than this program (newest it knows: {head()}). "
                "Install the newer version, or restore the backup made before the upgrade."
            )
        _application_role(connection)
        command.upgrade(config(connection), revision)
        return _current(connection) != before


def downgrade(url: str, revision: str) -> None:
    """Undo migrations down to `revision` ("base": all). Data go with them."""
    with _migrator(url) as connection:
        command.downgrade(config(connection), revision)


def prepare_role(url: str) -> None:
    """Make the application role without any schema, for a restore."""
    with _connection(url) as connection:
        _application_role(connection)


def check(url: str) -> None:
    """Raise where models and migrated schema differ."""
    with _connection(url) as connection:
        command.check(config(connection))


def _current(connection: Connection) -> str | None:
    revision = MigrationContext.configure(connection).get_current_revision()
    connection.commit()
    return revision


@contextmanager
def _connection(url: str) -> Iterator[Connection]:
    engine = create_engine(url, poolclass=NullPool)
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


@contextmanager
def _migrator(url: str) -> Iterator[Connection]:
    with _connection(url) as connection:
        version: int = connection.execute(text("select current_setting('server_version_num')::int")).scalar_one()
        if version < OLDEST:
            raise Unavailable(f"PostgreSQL {version // 10000} is too old: 15 or newer is needed.")
        connection.execute(text("set lock_timeout = '10s'"))
        connection.execute(text("set statement_timeout = '15min'"))
        connection.commit()
        _lock(connection)
        yield connection
        connection.execute(text("select pg_advisory_unlock(:key)"), {"key": ADVISORY_LOCK})
        connection.commit()


def _lock(connection: Connection) -> None:
    try:
        connection.execute(text("select pg_advisory_lock(:key)"), {"key": ADVISORY_LOCK})
        connection.commit()
    except DBAPIError as error:
        raise Unavailable("Another process is migrating this database. Wait for it, then start again.") from error


def _application_role(connection: Connection) -> None:
    """Make the application role, give it this URL's password, and check that it can bypass nothing. Where its address
    is given, it has a password of its own and is left as it is."""
    role = text("select rolsuper or rolbypassrls from pg_roles where rolname = :name")
    powerful = connection.execute(role, {"name": APP_ROLE}).scalar()
    password = application_password(connection.engine.url)
    if powerful:
        raise Conflict(f"Role {APP_ROLE} may bypass row security: alter role {APP_ROLE} nosuperuser nobypassrls")
    try:
        if powerful is None:
            connection.execute(text(f"create role {APP_ROLE} login nobypassrls"))
        if password and settings().application_url is None:
            connection.execute(text(f"alter role {APP_ROLE} login password '{password}'"))
        connection.commit()
    except DBAPIError as error:
        raise Unavailable(
            f"The role {APP_ROLE} could not be made. Ask who runs PostgreSQL for: create role {APP_ROLE} login "
            f"nobypassrls; then set HUB_APPLICATION_URL to the address with that role and its password."
        ) from error
