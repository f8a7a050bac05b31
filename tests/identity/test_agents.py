"""Agents: enrolled once, known by their key, told plainly why a token is refused."""

from __future__ import annotations

import time
from uuid import uuid4

import pytest
from joserfc import jwt
from joserfc.jwk import OKPKey
from sqlalchemy import select

from hub.columns import new_id
from hub.models import IdempotencyKey
from tests.conftest import GROUP
from tests.identity.conftest import PASSWORD


def bearer(agent_id: str, key: OKPKey, **changes) -> dict[str, str]:
    now = int(time.time())
    claims = {"iss": agent_id, "sub": agent_id, "aud": "group-hub", "iat": now, "exp": now + 300, "jti": str(uuid4())}
    kid = changes.pop("kid", agent_id)
    claims = {k: v for k, v in (claims | changes).items() if v is not None}
    token = jwt.encode({"alg": "Ed25519", "kid": kid}, claims, key, algorithms=["Ed25519"])
    return {"authorization": f"Bearer {token}"}


@pytest.fixture
def enrolled(client, world, as_principal, app):
    """An agent of alpha that may send system u8 of alpha and beta: its id and key."""
    as_principal(world.principal(new_id(), "admin", at=GROUP))
    grants = [{"system": "u8", "organisation_ids": [str(world.a), str(world.b)]}]
    given = {"name": "plant", "grants": grants, "organisation_id": str(world.a)}
    made = client.post("/v1/agents", json=given)
    assert made.status_code == 201, made.text
    app.dependency_overrides.clear()
    key = OKPKey.generate_key("Ed25519")
    code = made.json()["code"].lower().replace("-", " ")
    answer = client.post("/v1/agents/enrol", json={"code": code, "public_key": key.as_dict(private=False)})
    assert answer.json() == {
        "agent_id": made.json()["agent_id"],
        "systems": [{"system": "u8", "organisations": ["alpha", "beta"]}],
    }
    return made.json()["agent_id"], key, made.json()["code"]


def test_codes_and_passwords_are_not_kept_for_repetitions(client, world, sign_in) -> None:
    world.person("root@group.example", "admin", at=GROUP)
    sign_in("root@group.example")
    client.headers["idempotency-key"] = "k"
    made = client.post("/v1/agents", json={"name": "second"})
    renewed = client.post(f"/v1/agents/{made.json()['agent_id']}/code")
    changed = client.put("/v1/me/password", json={"current": PASSWORD, "password": "another long password"})
    assert [a.status_code for a in (made, renewed, changed)] == [201, 201, 204]
    assert world.session.scalars(select(IdempotencyKey)).all() == []


def test_a_code_enrols_once(client, enrolled) -> None:
    key = OKPKey.generate_key("Ed25519").as_dict(private=False)
    again = client.post("/v1/agents/enrol", json={"code": enrolled[2], "public_key": key})
    assert again.status_code == 401 and "used or expired" in again.json()["detail"]


def test_an_agent_reads_what_it_is_granted_and_nothing_of_people(client, world, enrolled) -> None:
    agent_id, key, _ = enrolled
    me = client.get("/v1/me", headers=bearer(agent_id, key)).json()
    assert (me["kind"], sorted(me["readable"])) == ("agent", sorted([str(world.a), str(world.b)]))
    assert me["scopes"] == ["batches:write"] and me["organisation_id"] is None
    assert client.get("/v1/people", headers=bearer(agent_id, key)).status_code == 403


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"aud": "other"}, "aud must be group-hub"),
        ({"iss": "x"}, "iss and sub"),
        ({"sub": str(uuid4())}, "iss and sub"),
        ({"jti": None}, "no jti"),
        ({"exp": None}, "iat and exp"),
        ({"iat": int(time.time()) + 60_000, "exp": int(time.time()) + 60_100}, "ahead of the hub's"),
        ({"iat": int(time.time()) - 700, "exp": int(time.time()) - 500}, "ended"),
        ({"exp": int(time.time()) + 3_600}, "lives longer than 300"),
        ({"kid": "nobody"}, "agent's id as its kid"),
        ({"kid": str(uuid4())}, "No agent is enrolled"),
    ],
)
def test_a_refused_token_says_why(client, enrolled, changes, words) -> None:
    agent_id, key, _ = enrolled
    answer = client.get("/v1/agents/self", headers=bearer(agent_id, key, **changes))
    assert answer.status_code == 401 and words in answer.json()["detail"]


@pytest.mark.parametrize("skew", [-350, 50])
def test_a_clock_a_minute_off_is_tolerated(client, enrolled, skew) -> None:
    agent_id, key, _ = enrolled
    at = int(time.time()) + skew
    assert client.get("/v1/agents/self", headers=bearer(agent_id, key, iat=at, exp=at + 300)).status_code == 200


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "e30.e30.", "eyJhbGciOiJub25lIn0.e30.", "x" * 5_000])
def test_rubbish_is_no_token(client, enrolled, token) -> None:
    headers = {"authorization": f"Bearer {token}"}
    assert client.get("/v1/agents/self", headers=headers).status_code == 401


def test_another_key_or_algorithm_does_not_fit(client, enrolled) -> None:
    agent_id, key, _ = enrolled
    assert client.get("/v1/me", headers=bearer(agent_id, OKPKey.generate_key("Ed25519"))).status_code == 401
    from joserfc.jwk import OctKey

    secret = OctKey.import_key(key.as_dict(private=False)["x"])
    claims = {"iss": agent_id, "sub": agent_id, "aud": "group-hub", "iat": 0, "exp": 9e9, "jti": "1"}
    forged = jwt.encode({"alg": "HS256", "kid": agent_id}, claims, secret)
    assert client.get("/v1/me", headers={"authorization": f"Bearer {forged}"}).status_code == 401


def test_a_disabled_agent_is_refused(client, world, enrolled, app, as_principal) -> None:
    agent_id, key, _ = enrolled
    as_principal(world.principal(new_id(), "it", at=world.a))
    assert client.patch(f"/v1/agents/{agent_id}", json={"is_disabled": True}).json()["is_disabled"] is True
    app.dependency_overrides.clear()
    answer = client.get("/v1/me", headers=bearer(agent_id, key))
    assert answer.status_code == 401 and "disabled" in answer.json()["detail"]


def test_a_key_is_rotated_once_per_token(client, enrolled) -> None:
    agent_id, key, _ = enrolled
    newer, headers = OKPKey.generate_key("Ed25519"), bearer(agent_id, key)
    body = {"public_key": newer.as_dict(private=False)}
    assert client.put("/v1/agents/self/key", json=body, headers=headers).status_code == 204
    assert client.put("/v1/agents/self/key", json=body, headers=headers).status_code == 401
    rotated = bearer(agent_id, newer)
    assert client.put("/v1/agents/self/key", json=body, headers=rotated).status_code == 204
    assert client.put("/v1/agents/self/key", json=body, headers=rotated).status_code == 409


@pytest.mark.parametrize(
    "key",
    [
        {},
        {"kty": "OKP", "crv": "X25519", "x": "AA"},
        {"kty": "OKP", "crv": "Ed25519", "x": 7},
        {"kty": "OKP", "crv": "Ed25519", "x": "A" * 43, "d": "A" * 43},
        {"kty": "RSA"},
    ],
)
def test_only_an_ed25519_public_key_enrols(client, enrolled, key) -> None:
    assert client.post("/v1/agents/enrol", json={"code": "x", "public_key": key}).status_code == 422


def test_health_is_kept_and_shown_to_its_organisation_alone(client, world, enrolled, app, as_principal) -> None:
    agent_id, key, _ = enrolled
    report = {"at": "2026-11-22T00:00:00Z", "systems": [{"system": "u8", "hub_error": None}]}
    url = "/v1/agents/self/health"
    assert client.post(url, json=report, headers=bearer(agent_id, key)).status_code == 204
    assert client.post(url, json={"systems": [{"x": "\0"}]}, headers=bearer(agent_id, key)).status_code == 422
    as_principal(world.principal(new_id(), "planner", at=world.a))
    (shown,) = client.get("/v1/agents").json()["items"]
    assert shown["health"]["systems"] == report["systems"] and shown["last_seen_at"]
    assert [g["organisation_ids"] for g in shown["grants"]] == [[str(world.a)]]
    as_principal(world.principal(new_id(), "planner", at=world.b))
    assert client.get("/v1/agents").json()["items"] == []
