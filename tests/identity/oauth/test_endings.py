"""Whatever ends a person, membership, organisation, session, client or key ends tokens, and clients are told."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from fastapi import Request
from sqlalchemy import text

from hub.database import Tenancy, set_tenancy
from hub.models import Organisation
from identity.oauth import service
from identity.oauth.schemas import ClientPatch
from identity.people import service as people
from identity.people.schemas import PersonPatch
from identity.principal import find_caller
from tests.conftest import GROUP

TOLD = "https://app.example/logout"
JOBS = text("select args from procrastinate_jobs where task_name = 'identity.tell_logout' order by id")


@pytest.fixture
def boss(world):
    person = world.person("boss@alpha.example", "admin", at=world.a)
    return world.principal(person, "admin", at=world.a)


@pytest.fixture
def app_of(make_app, ann):
    return make_app(backchannel_logout_uri=TOLD)


@dataclass
class Scene:
    session: Any
    boss: Any
    ann: UUID
    world: Any
    app: Any


@pytest.fixture
def scene(session, boss, ann, world, app_of) -> Scene:
    return Scene(session, boss, ann, world, app_of)


def disable_person(on: Scene) -> None:
    people.change_person(on.session, on.boss, on.ann, PersonPatch(is_disabled=True))


def end_membership(on: Scene) -> None:
    people.remove_member(on.session, on.boss, on.world.a, on.ann)


def close_organisation(on: Scene) -> None:
    set_tenancy(on.session, Tenancy((GROUP, on.world.a), GROUP))
    organisation = on.session.get(Organisation, on.world.a)
    organisation.closed_at = datetime.now(UTC)
    on.session.flush()


def end_session(on: Scene) -> None:
    on.app.http.delete("/v1/session")


def change_password(on: Scene) -> None:
    set_tenancy(on.session, Tenancy(person=on.ann))
    on.session.execute(text("update person set password_hash = 'other' where id = :id"), {"id": on.ann})


def disable_client(on: Scene) -> None:
    set_tenancy(on.session, Tenancy((GROUP,), GROUP))
    service.change_client(
        on.session, on.world.principal(on.ann, "admin", at=GROUP), on.app.id, ClientPatch(is_disabled=True)
    )


ENDINGS = [disable_person, end_membership, close_organisation, end_session, disable_client]


@pytest.mark.parametrize("ending", ENDINGS)
def test_tokens_end_and_the_client_is_told_once(ending: Any, scene) -> None:
    app_of, session, ann = scene.app, scene.session, scene.ann
    held = app_of.tokens()
    assert app_of.call("/v1/me", held["access_token"]).status_code == 200
    ending(scene)
    assert app_of.call("/v1/me", held["access_token"]).status_code == 401
    assert app_of.refresh(held["refresh_token"]).json()["error"] in ("invalid_grant", "invalid_client")
    told = session.execute(JOBS).scalars().all()
    assert [(one["client_id"], one["person_id"]) for one in told] == [(app_of.client_id, str(ann))]
    assert told[0]["session_id"] is not None


def test_offline_access_outlives_the_session_but_not_a_new_password(scene, app_of) -> None:
    held = app_of.tokens(scope="openid offline_access inventory:read")
    end_session(scene)
    later = app_of.refresh(held["refresh_token"])
    assert later.status_code == 200
    change_password(scene)
    assert app_of.refresh(later.json()["refresh_token"]).json()["error"] == "invalid_grant"


def test_a_withdrawn_consent_ends_what_was_granted(app_of, session, ann) -> None:
    held = app_of.tokens()
    set_tenancy(session, Tenancy(person=ann))
    service.withdraw(session, ann, app_of.id)
    assert app_of.call("/v1/me", held["access_token"]).status_code == 401


def test_a_secret_that_is_ended_ends_its_tokens_and_a_new_one_overlaps(make_app, world, session) -> None:
    robot = make_app(grant_types=["client_credentials"], redirect_uris=[], scopes=["feeds:read"], at=world.a)
    admin = world.principal(world.a, "admin", at=GROUP)
    token = robot.token(grant_type="client_credentials").json()["access_token"]
    (first,) = service.secrets_of(session, [robot.id])[robot.id]
    new, _ = service.renew_secret(session, admin, robot.id)
    assert robot.token(grant_type="client_credentials").status_code == 200
    service.end_secret(session, admin, robot.id, first.id)
    assert robot.call("/v1/agents", token).status_code == 401
    assert robot.token(grant_type="client_credentials").status_code == 401
    robot.secret = new
    assert robot.token(grant_type="client_credentials").status_code == 200


def test_a_persons_token_is_bound_to_what_the_membership_still_holds(app_of, session, boss, ann) -> None:
    token = app_of.tokens(scope="feeds:read")["access_token"]
    assert app_of.call("/v1/agents", token).status_code == 200
    set_tenancy(session, Tenancy(boss.readable, boss.organisation_id))
    session.execute(text("update membership set scopes = '{settings:self}' where person_id = :id"), {"id": ann})
    assert app_of.call("/v1/agents", token).status_code == 403


def test_a_stream_that_goes_on_ends_with_its_token(scene) -> None:
    token = scene.app.tokens()["access_token"]
    asked = Request({"type": "http", "headers": [(b"authorization", f"Bearer {token}".encode())]})
    caller = find_caller(asked, scene.session)
    assert caller is not None and caller.readable == (scene.world.a,)
    end_session(scene)
    assert find_caller(asked, scene.session) is None
    assert find_caller(Request({"type": "http", "headers": []}), scene.session) is None


def test_an_application_adds_no_way_to_sign_in_in_its_persons_name(app_of) -> None:
    token = app_of.tokens(scope="openid settings:self")["access_token"]
    bearer = {"authorization": f"Bearer {token}"}
    asked = [("/v1/me/passkeys/options", None), ("/v1/me/totp", None), ("/v1/me/recovery-codes", None)]
    answers = [app_of.http.post(path, json=body, headers=bearer).status_code for path, body in asked]
    given = {"current": "correct horse battery", "password": "another long phrase"}
    answers.append(app_of.http.put("/v1/me/password", json=given, headers=bearer).status_code)
    assert answers == [403, 403, 403, 403]
