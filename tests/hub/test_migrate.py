"""Migrations: models and schema agree, up-down-up leaves nothing, a newer schema is refused, one migrator at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import Engine, text
from sqlalchemy.exc import ProgrammingError

from hub import migrate
from hub.database import Tenancy, unit_of_work
from hub.errors import Conflict
from hub.models import Organisation
from hub.postgres import Server
from hub.store import application_of


@pytest.fixture
def empty(server: Server) -> Iterator[str]:
    url = server.create_database("empty")
    yield url
    server.drop_database("empty")


def objects(server: Server, database: str) -> set[tuple[Any, ...]]:
    query = """select 'table', relname::text from pg_class where relnamespace = 'public'::regnamespace
               union select 'function', proname::text from pg_proc where pronamespace = 'public'::regnamespace
               union select 'type', typname::text from pg_type where typnamespace = 'public'::regnamespace"""
    with server.connect(database) as connection:
        return set(connection.execute(query).fetchall())


def test_models_and_migrated_schema_agree(server: Server, database: Any) -> None:
    migrate.check(database.url)


def test_up_down_up(server: Server, empty: str) -> None:
    assert migrate.upgrade(empty) is True
    first = objects(server, "empty")
    migrate.downgrade(empty, "base")
    left = {name for kind, name in objects(server, "empty") if kind in ("table", "function")}
    extensions = {"alembic_version", "alembic_version_pkc"}
    assert left - extensions == set()
    assert migrate.upgrade(empty) is True
    assert objects(server, "empty") == first
    assert migrate.upgrade(empty) is False


def test_newer_schema_is_refused(server: Server, empty: str) -> None:
    migrate.upgrade(empty, "20261122_01")
    with server.connect("empty") as connection:
        connection.execute("update alembic_version set version_num = '20991231_01'")
    with pytest.raises(Conflict, match=r"20991231_01, newer than this program"):
        migrate.upgrade(empty)


def test_two_migrators_at_once_do_the_work_once(empty: str) -> None:
    changed: list[bool] = []
    threads = [threading.Thread(target=lambda: changed.append(migrate.upgrade(empty))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(changed) == [False, False, True]


@pytest.mark.parametrize(
    ("owner", "application"),
    [
        ("postgresql://hub@/hub?host=/run/x", "postgresql://hub_app@/hub?host=%2Frun%2Fx"),
        ("postgresql://o@db:5432/h?sslmode=require", "postgresql://hub_app@db:5432/h?sslmode=require"),
    ],
)
def test_application_url_keeps_everything_but_the_user(owner: str, application: str) -> None:
    assert application_of(owner) == application


def test_application_password_follows_from_the_owners_and_does_not_tell_it() -> None:
    urls = [application_of(f"postgresql://hub:{word}@db/hub") for word in ("secret", "secret", "other")]
    assert urls[0] == urls[1] != urls[2]
    assert "secret" not in urls[0]


def test_a_password_of_the_owner_reaches_the_role(server: Server, empty: str) -> None:
    url = empty.replace("postgresql://hub@", "postgresql://hub:pass@")
    migrate.upgrade(url, "20261122_01")
    with server.connect() as connection:
        row = connection.execute("select rolpassword from pg_authid where rolname = 'hub_app'").fetchone()
        connection.execute(sql.SQL("alter role hub_app password null"))
    assert row
    assert row[0].startswith("SCRAM-SHA-256$")


def test_application_owns_nothing_and_cannot_alter(engine: Engine, server: Server) -> None:
    with server.connect("hub_test") as connection:
        owned = connection.execute("select count(*) from pg_class where relowner = 'hub_app'::regrole").fetchone()
    assert owned == (0,)
    with pytest.raises(ProgrammingError, match="must be owner"), engine.begin() as application:
        application.execute(text("alter table outbox disable row level security"))


def test_session_fixture_reads_and_writes_inside_row_security(
    session: Any, make_org: Any, act_for: Any, group: Any
) -> None:
    made = make_org("qingyu")
    assert {row.key for row in session.query(Organisation)} == {"group", "qingyu"}
    assert made.parent_id == group
    act_for(group, readable=(group,))
    session.expire_all()
    assert [row.key for row in session.query(Organisation)] == ["group"]


def test_committed_copy_keeps_what_is_written_and_is_another_database(committed_db: Any, engine: Engine) -> None:
    with psycopg.connect(committed_db.url) as connection:
        assert connection.execute("select current_database()").fetchone() == (committed_db.name,)
    with unit_of_work(committed_db.engine, Tenancy()) as session:
        assert session.execute(text("select current_user")).scalar_one() == "hub_app"
