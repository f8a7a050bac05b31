"""The OpenAPI document holds: schemathesis asks every operation, in process, and judges every answer by it."""

from __future__ import annotations

import traceback
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.core.errors import SchemathesisError
from schemathesis.core.failures import Failure, FailureGroup
from sqlalchemy.orm import Session

from hub.columns import new_id
from hub.database import Tenancy
from identity.models import Membership, Person
from identity.principal import COOKIE
from identity.scopes import ROLES
from identity.sessions.service import Browser, open_session
from tests.conftest import GROUP

EXAMPLES = 12
CONFIG = Path(__file__).parent.parent / "schemathesis.toml"


@schemathesis.serializer("application/partial-upload", "text/csv")
def as_bytes(_: Any, value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


@dataclass
class Api:
    """The application on one transaction, and an administrator of the group who is really signed in."""

    app: Any
    connection: Any
    headers: dict[str, str]

    def session(self) -> Session:
        mode: Any = "create_savepoint"
        info = {"tenancy": Tenancy()}
        return Session(self.connection, join_transaction_mode=mode, info=info, expire_on_commit=False)

    def sign_in(self) -> None:
        with self.session() as session:
            session.info["tenancy"] = Tenancy((GROUP,), GROUP)
            person = Person(id=new_id(), organisation_id=GROUP, email="root@group.example", name="Root")
            session.add(person)
            session.flush()
            session.add(Membership(organisation_id=GROUP, person_id=person.id, scopes=sorted(ROLES["admin"])))
            session.flush()
            opened = open_session(session, person.id, Browser("10.0.0.1", "test"))
            session.commit()
        self.headers = {"cookie": f"{COOKIE}={opened.token}", "x-csrf-token": opened.csrf}


@asynccontextmanager
async def _without_lifetime(_: Any) -> AsyncIterator[None]:
    """schemathesis begins and ends the application around every call; what it stands on is the test's."""
    yield


@pytest.fixture(scope="module")
def api(engine: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    from hub.app import create_app
    from hub.settings import settings as hub_settings

    patch = pytest.MonkeyPatch()
    patch.setattr(hub_settings(), "home", tmp_path_factory.mktemp("home"))
    with engine.connect() as connection, connection.begin() as outer:
        made = Api(create_app(), connection, {})
        made.app.state.new_session = made.session
        made.app.router.lifespan_context = _without_lifetime
        made.sign_in()
        yield made
        outer.rollback()
    patch.undo()


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(st.data())
def ask(api: Api, operation: Any, data: st.DataObject) -> None:
    """Some calls of one operation, each undone; raises what schemathesis finds wrong with the answer."""
    case = data.draw(operation.as_strategy())
    with api.connection.begin_nested() as undone:
        case.validate_response(case.call(headers=api.headers), headers=api.headers)
        undone.rollback()


def test_every_answer_is_as_the_reference_says(api: Api) -> None:
    document = schemathesis.openapi.from_asgi("/openapi.json", api.app, config=schemathesis.Config.from_path(CONFIG))
    operations = [found.ok() for found in document.get_all_operations()]
    wrong = {}
    for operation in operations:
        try:
            ask(api, operation)
        except (FailureGroup, Failure, SchemathesisError) as failure:
            wrong[operation.label] = "".join(traceback.format_exception(failure, limit=0))
    assert wrong == {}, "\n".join(wrong.values())
    assert len(operations) > 60
