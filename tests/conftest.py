"""Fixtures every test may use. One PostgreSQL per pytest process, one template built by the migrations.

server         the running embedded server (hub.postgres.Server)
engine         the application role's engine on this process's database; row security binds it
owner_engine   the owner's engine on the same database (bound by row security too; may drop policies)
group          id of the organisation "group", the root every database has
session        one outer transaction, rolled back at the end; commits in it are savepoints. Reads and acts for `group`
make_org       make_org("qingyu", kind="subsidiary") -> Organisation below the group, readable in `session`
act_for        act_for(organisation_id, readable=None) changes whom `session` acts for
app, client    the application on a session of its own within the same outer transaction; sign in with as_principal
as_principal   as_principal(principal) answers `authenticate`; `authorize` runs as it is
committed_db   a fresh committed copy of the template, for faults, workers and push: .url, .application_url, .engine
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import hypothesis
import pytest
import structlog
from sqlalchemy import Connection, Engine, text
from sqlalchemy.orm import Session

from hub import migrate
from hub.columns import new_id
from hub.database import Tenancy, make_engine, set_tenancy
from hub.models import Organisation
from hub.postgres import Server, embedded
from hub.store import application_of

GROUP = UUID("00000000-0000-7000-8000-000000000001")
TEMPLATE = "hub_template"
# Tests kill processes, never the machine: what the kernel has taken is safe.
CONF = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "shared_buffers": "128MB"}

structlog.configure(
    processors=[structlog.stdlib.add_log_level, structlog.stdlib.render_to_log_kwargs],
    logger_factory=structlog.stdlib.LoggerFactory(),
)
hypothesis.settings.register_profile("hub", deadline=None, print_blob=True)
hypothesis.settings.load_profile("hub")


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    folder = Path(tempfile.mkdtemp(prefix="hub-test-"))
    folder.chmod(0o755)
    try:
        with embedded(folder, CONF) as running:
            yield running
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class Database:
    name: str
    url: str
    engine: Engine
    owner_engine: Engine

    @property
    def application_url(self) -> str:
        return application_of(self.url)


@pytest.fixture(scope="session")
def template(server: Server) -> str:
    url = server.create_database(TEMPLATE)
    migrate.upgrade(url)
    engine = make_engine(url)
    with engine.begin() as connection:
        connection.execute(
            text(
                "insert into organisation (id, key, kind, name_zh, name_en, seal, letter, rank, currency, zone) "
                "values (:id, 'group', 'group', '云崖集团', 'Cloudcliff Group', '云', 'C', 0, 'CNY', 'Asia/Shanghai')"
            ),
            {"id": GROUP},
        )
    engine.dispose()
    return TEMPLATE


def _copy(server: Server, template: str, name: str) -> Iterator[Database]:
    url = server.create_database(name, template)
    database = Database(name, url, make_engine(application_of(url)), make_engine(url))
    yield database
    database.engine.dispose()
    database.owner_engine.dispose()
    server.drop_database(name)


@pytest.fixture(scope="session")
def database(server: Server, template: str) -> Iterator[Database]:
    yield from _copy(server, template, "hub_test")


@pytest.fixture
def committed_db(server: Server, template: str) -> Iterator[Database]:
    yield from _copy(server, template, f"copy_{new_id().hex}")


@pytest.fixture(scope="session")
def engine(database: Database) -> Engine:
    return database.engine


@pytest.fixture(scope="session")
def owner_engine(database: Database) -> Engine:
    return database.owner_engine


@pytest.fixture(scope="session")
def group() -> UUID:
    return GROUP


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    with engine.connect() as connection, connection.begin() as outer:
        yield connection
        outer.rollback()


def _session(connection: Connection, tenancy: Tenancy) -> Session:
    return Session(
        connection, join_transaction_mode="create_savepoint", info={"tenancy": tenancy}, expire_on_commit=False
    )


@pytest.fixture
def session(connection: Connection) -> Iterator[Session]:
    with _session(connection, Tenancy((GROUP,), GROUP)) as session:
        yield session


@pytest.fixture
def act_for(session: Session) -> Callable[..., None]:
    def act(organisation_id: UUID | None, readable: tuple[UUID, ...] | None = None) -> None:
        seen = session.info["tenancy"].readable if readable is None else readable
        set_tenancy(session, Tenancy(seen, organisation_id))

    return act


@pytest.fixture
def make_org(session: Session) -> Callable[..., Organisation]:
    def make(key: str, **fields: Any) -> Organisation:
        before = session.info["tenancy"]
        made = Organisation(
            **{"id": new_id(), "key": key, "kind": "subsidiary", "parent_id": GROUP, "name_zh": key, "name_en": key}
            | fields
        )
        set_tenancy(session, Tenancy((*before.readable, made.id), made.parent_id))
        session.add(made)
        session.flush()
        set_tenancy(session, Tenancy((*before.readable, made.id), before.acting))
        return made

    return make


@pytest.fixture
def app(connection: Connection) -> Any:
    from hub.app import create_app

    made = create_app()
    made.state.new_session = lambda: _session(connection, Tenancy())
    return made


@pytest.fixture
def client(app: Any, session: Session) -> Any:
    """Flush what the test holds before it asks; the application's session is another one on the same transaction."""
    from fastapi.testclient import TestClient

    return TestClient(app, base_url="https://testserver", follow_redirects=False)


@pytest.fixture
def as_principal(app: Any) -> Callable[[Any], None]:
    from identity.principal import authenticate

    def sign_in(principal: Any) -> None:
        app.dependency_overrides[authenticate] = lambda: principal

    return sign_in


@pytest.fixture(autouse=True)
def _log_as_it_was() -> Iterator[None]:
    """What a command under test set up ends with the test: its streams are closed by then."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)
