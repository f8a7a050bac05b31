"""07: of fifty at once exactly one wins, and none breaks: codes, refresh tokens, device codes."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Barrier
from typing import Any
from uuid import UUID

import pytest
from fastapi import Request
from sqlalchemy import Engine, text

from hub.columns import new_id
from hub.database import Tenancy, make_engine, unit_of_work
from hub.settings import settings
from identity.models import LoginSession, Membership
from identity.oauth import grants, service
from identity.oauth.endpoints import make_token
from identity.oauth.schemas import ClientIn
from identity.people.schemas import PersonIn
from identity.people.service import add_person
from identity.principal import Principal
from identity.scopes import ROLES
from identity.secrets import digest
from tests.conftest import GROUP
from tests.identity.oauth.conftest import CALLBACK, CHALLENGE, VERIFIER

AT_ONCE = 50
ROUNDS = int(os.environ.get("HUB_TEST_ROUNDS", "2"))
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
ACTING = Tenancy((GROUP,), GROUP)


@dataclass
class Stage:
    engine: Engine
    client_id: str
    id: UUID
    person: UUID
    session_id: UUID

    def grant(self) -> UUID:
        with unit_of_work(self.engine, Tenancy((GROUP,), GROUP, self.person)) as session:
            made = grants.new_grant(
                self.person, GROUP, self.id, ["openid"], session_id=self.session_id,
                authenticated_at=datetime.now(UTC), amr=["pwd"],
            )  # fmt: skip
            session.add(made)
        return made.id

    def run(self, sql: str, **values: Any) -> None:
        with unit_of_work(self.engine, Tenancy()) as session:
            session.execute(text(sql), values)

    def ask(self, form: dict[str, str]) -> str:
        """One call of the token endpoint in a transaction of its own: its status, and what it gives."""
        scope = {"type": "http", "method": "POST", "path": "/oauth/token", "headers": [], "query_string": b""}
        pairs = list((form | {"client_id": self.client_id}).items())
        with unit_of_work(self.engine, Tenancy()) as session:
            session.execute(text("select 1"))
            self.together.wait()
            answer = make_token(Request(scope | {"scheme": "http", "server": ("127.0.0.1", 80)}), session, pairs)
        return str(answer.status_code) + (" " + answer.body.decode() if answer.status_code == 200 else "")

    def race(self, form: dict[str, str]) -> list[str]:
        self.together = Barrier(AT_ONCE)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(lambda _: self.ask(form), range(AT_ONCE)))


@pytest.fixture
def stage(committed_db: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    monkeypatch.setattr(settings(), "home", tmp_path)
    engine = make_engine(committed_db.application_url, pool_size=AT_ONCE)
    caller = Principal("person", GROUP, "Test", GROUP, (GROUP,), frozenset(ROLES["admin"]), is_group=True)
    given = ClientIn(
        client_name="x", redirect_uris=[CALLBACK], token_endpoint_auth_method="none",
        grant_types=["authorization_code", "refresh_token", DEVICE],
    )  # fmt: skip
    with unit_of_work(engine, ACTING) as session:
        made = service.create_client(session, caller, given).client
        person = add_person(session, GROUP, PersonIn(email="ann@group.example", name="Ann", roles=["planner"]))
        session.add(Membership(organisation_id=GROUP, person_id=person, scopes=["settings:self"]))
    with unit_of_work(engine, Tenancy(person=person)) as session:
        fields = {
            "organisation_id": GROUP,
            "person_id": person,
            "csrf": "",
            "expires_at": datetime(2100, 1, 1, tzinfo=UTC),
        }
        signed_in = LoginSession(id=new_id(), token_hash=b"x", **fields)
        session.add(signed_in)
    yield Stage(engine, made.client_id, made.id, person, signed_in.id)
    engine.dispose()


def rounds(play: Callable[[int], list[str]]) -> list[Counter[str]]:
    return [Counter(one.split(" ")[0] for one in play(number)) for number in range(ROUNDS)]


ONE = Counter({"400": AT_ONCE - 1, "200": 1})


def test_07_one_code_is_redeemed_once(stage) -> None:
    def play(number: int) -> list[str]:
        values = {"h": digest(f"code{number}"), "g": stage.grant(), "u": CALLBACK, "c": CHALLENGE}
        stage.run("select oauth_keep_code(:h, :g, :u, :c, null, 60)", **values)
        form = {"grant_type": "authorization_code", "code": f"code{number}", "redirect_uri": CALLBACK}
        return stage.race(form | {"code_verifier": VERIFIER})

    assert rounds(play) == [ONE] * ROUNDS


def test_07_one_refresh_token_rotates_once_without_a_grace(stage, monkeypatch) -> None:
    monkeypatch.setattr(grants, "GRACE_SECONDS", 0)

    def play(number: int) -> list[str]:
        stage.run("select oauth_keep_refresh(:h, :g, 1)", h=digest(f"token{number}"), g=stage.grant())
        return stage.race({"grant_type": "refresh_token", "refresh_token": f"token{number}"})

    assert rounds(play) == [ONE] * ROUNDS


def test_07_within_the_grace_all_share_the_one_successor(stage) -> None:
    stage.run("select oauth_keep_refresh(:h, :g, 1)", h=digest("token"), g=stage.grant())
    answers = stage.race({"grant_type": "refresh_token", "refresh_token": "token"})
    assert {one.split(" ")[0] for one in answers} == {"200"}
    assert len({one.partition('"refresh_token":')[2].split('"')[1] for one in answers}) == 1


def test_07_one_device_code_gives_one_token(stage) -> None:
    def play(number: int) -> list[str]:
        values = {"d": digest(f"device{number}"), "c": digest(f"user{number}"), "id": stage.id}
        stage.run("select oauth_start_device(:d, :c, :id, '{openid}', 600, 5)", **values)
        stage.run("select oauth_decide_device(:c, :g)", c=values["c"], g=stage.grant())
        return stage.race({"grant_type": DEVICE, "device_code": f"device{number}"})

    assert rounds(play) == [ONE] * ROUNDS
