"""Four cases per endpoint of strong sign-in: anonymous, without the scope, another's thing, and the valid call."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from hub.columns import new_id
from hub.database import Tenancy, set_tenancy
from hub.models import Mail
from identity.sessions.service import Browser, open_session
from identity.strong import devices
from identity.strong.models import Passkey
from tests.conftest import GROUP
from tests.identity.test_endpoints import Endpoint, ask, label

POLICY = "/v1/organisations/{organisation}/sign-in-policy"
OWN = [
    Endpoint("GET", "/v1/me/factors", 200),
    Endpoint("POST", "/v1/me/passkeys/options", 200),
    Endpoint("POST", "/v1/me/passkeys", 422, {"credential": {}, "name": "x"}),
    Endpoint("POST", "/v1/me/totp", 201),
    Endpoint("POST", "/v1/me/totp/confirmation", 404, {"code": "000000"}),
    Endpoint("DELETE", "/v1/me/totp", 404),
    Endpoint("POST", "/v1/me/recovery-codes", 201),
    Endpoint("POST", "/v1/me/step-up", 403, {"code": "000000"}),
    Endpoint("POST", "/v1/me/step-up/passkey/options", 200),
    Endpoint("POST", "/v1/me/step-up/passkey", 422, {"credential": {}}),
]
NAMED = [
    Endpoint("PATCH", "/v1/me/passkeys/{passkey}", 200, {"name": "Key"}),
    Endpoint("DELETE", "/v1/me/passkeys/{passkey}", 204),
    Endpoint("DELETE", "/v1/me/devices/{device}", 204),
    Endpoint("GET", POLICY, 200, scope="people:read"),
    Endpoint("PUT", POLICY, 200, {"second_factor": "any"}, scope="people:write"),
    Endpoint("DELETE", "/v1/people/{person}/factors", 204, scope="people:write"),
]
OPEN = ["/v1/session/second-factor", "/v1/session/passkey/options", "/v1/session/passkey"]


@pytest.fixture
def things(world):
    """What each subsidiary has: a person, and an administrator with a passkey and a known device."""

    def of(organisation_id):
        person = world.person(f"p@{organisation_id}.example", "planner", at=organisation_id)
        boss = world.person(f"boss@{organisation_id}.example", "admin", at=organisation_id)
        open_session(world.session, boss, Browser("10.0.0.1", "test"))
        key = Passkey(
            id=new_id(),
            person_id=boss,
            credential_id=boss.bytes,
            public_key=b"",
            sign_count=0,
            is_synced=False,
            name="k",
        )
        world.session.add(key)
        world.session.flush()
        (device,) = devices.list_devices(world.session, boss)
        set_tenancy(world.session, Tenancy((organisation_id,), organisation_id))
        ids = {"passkey": key.id, "device": device.id, "person": person, "organisation": organisation_id}
        return {name: str(value) for name, value in ids.items()} | {"boss": boss}

    return of


def signed_in(world, boss):
    """In a browser of their own, a moment ago, with both factors."""
    own = {"session_id": new_id(), "authenticated_at": datetime.now(UTC), "amr": ("pwd", "otp", "mfa")}
    return world.principal(boss, "admin", at=world.a, **own)


@pytest.mark.parametrize("endpoint", OWN + NAMED, ids=label)
def test_anonymous_is_told_401(client, endpoint) -> None:
    ids = dict.fromkeys(("passkey", "device", "person", "organisation"), str(new_id()))
    assert ask(client, endpoint, ids).status_code == 401


@pytest.mark.parametrize("endpoint", OWN + NAMED, ids=label)
def test_without_the_scope_403(client, world, things, as_principal, endpoint) -> None:
    mine = things(world.a)
    caller = signed_in(world, mine["boss"])
    as_principal(replace(caller, scopes=caller.scopes - {endpoint.scope}))
    answer = ask(client, endpoint, mine)
    assert answer.status_code == 403 and endpoint.scope in answer.json()["detail"]


@pytest.mark.parametrize("endpoint", NAMED, ids=label)
def test_anothers_thing_is_not_there(client, world, things, as_principal, endpoint) -> None:
    mine, other = things(world.a), things(world.b)
    as_principal(signed_in(world, mine["boss"]))
    assert ask(client, endpoint, other).status_code == 404


@pytest.mark.parametrize("endpoint", OWN + NAMED, ids=label)
def test_the_valid_call_is_answered(client, world, things, as_principal, endpoint) -> None:
    mine = things(world.a)
    as_principal(signed_in(world, mine["boss"]))
    answer = ask(client, endpoint, mine)
    assert answer.status_code == endpoint.status, answer.text


@pytest.mark.parametrize("path", OPEN)
def test_only_our_own_pages_may_sign_in(client, path) -> None:
    body = {"code": "000000", "credential": {}}
    given = {"code": "000000"} if "second" in path else {"credential": body["credential"]}
    assert client.post(path, json=given, headers={"sec-fetch-site": "cross-site"}).status_code == 403
    assert client.post(path, json=given).status_code == (
        200 if path.endswith("options") else 401 if "second" in path else 422
    )


def test_an_administrator_resets_the_factors_of_who_lost_them(client, world, ann, sign_in) -> None:
    ann.add_totp()
    kept = dict(client.cookies)
    ann.leave()
    world.person("boss@alpha.example", "admin", at=world.a)
    sign_in("boss@alpha.example")
    assert client.delete(f"/v1/people/{ann.id}/factors").status_code == 204
    set_tenancy(world.session, Tenancy((world.a,), world.a))
    (mail,) = world.session.scalars(select(Mail))
    assert mail.recipient == "ann@alpha.example" and "重置" in mail.subject
    ann.leave()
    client.cookies.update(kept)
    assert client.get("/v1/me").status_code == 401
    ann.leave()
    sign_in("ann@alpha.example")
    assert client.get("/v1/me/factors").json()["has_totp"] is False


def test_who_belongs_to_more_than_the_caller_administers_keeps_their_factors(client, world, ann, sign_in) -> None:
    ann.add_totp()
    world.member(ann.id, "admin", at=GROUP)
    world.person("boss@alpha.example", "admin", at=world.a)
    sign_in("boss@alpha.example")
    assert client.delete(f"/v1/people/{ann.id}/factors").status_code == 403


def test_nobody_resets_their_own(client, ann) -> None:
    assert client.delete(f"/v1/people/{ann.id}/factors").status_code == 409
