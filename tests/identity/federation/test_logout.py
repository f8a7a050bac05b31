"""A provider's word that a session ended: believed once, from that provider, for those sessions."""

from __future__ import annotations

import time

import pytest

from identity.federation.oidc import LOGOUT_EVENT

TOLD = {"aud": "group hub", "events": {LOGOUT_EVENT: {}}, "sid": "their-session", "jti": "1", "sub": "ann-1"}


@pytest.fixture
def tell(client, theirs, ours):
    def send(**changes):
        token = theirs.sign({k: v for k, v in (TOLD | changes).items() if v is not None})
        return client.post(f"/federation/{ours}/backchannel-logout", data={"logout_token": token})

    return send


@pytest.mark.parametrize("named", [{}, {"sub": None}, {"sid": None}])
def test_the_sessions_named_end(client, come_back, tell, named) -> None:
    come_back()
    assert client.get("/v1/me").status_code == 200
    answer = tell(**named)
    assert answer.status_code == 200 and answer.headers["cache-control"] == "no-store"
    assert client.get("/v1/me").status_code == 401


@pytest.mark.parametrize("named", [{"sid": "another"}, {"sub": "bob"}, {"sid": None, "sub": "bob"}])
def test_other_sessions_go_on(client, come_back, tell, named) -> None:
    come_back()
    assert tell(**named).status_code == 200
    assert client.get("/v1/me").status_code == 200


WRONG = [
    ({"iss": "https://evil.example"}, "another issuer"),
    ({"aud": "another"}, "another client"),
    ({"events": None}, "events"),
    ({"events": {LOGOUT_EVENT: True}}, "events"),
    ({"nonce": "n"}, "nonce"),
    ({"jti": None}, "jti"),
    ({"sid": None, "sub": None}, "neither a session nor a subject"),
    ({"sid": ["their-session"]}, "must be text"),
    ({"iat": int(time.time()) - 86_400}, "not made just now"),
    ({"exp": int(time.time()) - 3_600}, "expired"),
]


@pytest.mark.parametrize(("changes", "why"), WRONG)
def test_a_token_that_does_not_fit_ends_nothing(client, come_back, tell, changes, why) -> None:
    come_back()
    answer = tell(**changes)
    assert answer.status_code == 400 and answer.json()["error"] == "invalid_request"
    assert why in answer.json()["error_description"]
    assert client.get("/v1/me").status_code == 200


def test_a_token_counts_once(client, come_back, tell) -> None:
    come_back()
    assert tell().status_code == 200
    come_back()
    assert tell().status_code == 400 and client.get("/v1/me").status_code == 200
    assert tell(jti="2").status_code == 200 and client.get("/v1/me").status_code == 401


def test_an_id_token_is_no_logout_token(client, come_back, theirs, ours) -> None:
    come_back()
    token = theirs.sign({"aud": "group hub", "nonce": "n", "sub": "ann-1"})
    for given in (token, "", "x"):
        answer = client.post(f"/federation/{ours}/backchannel-logout", data={"logout_token": given})
        assert answer.status_code == 400
    assert client.get("/v1/me").status_code == 200


def test_one_provider_does_not_end_the_sessions_of_another(client, world, come_back, theirs, register) -> None:
    come_back()
    other = register(world.b, theirs.issuer, "beta.example")
    answer = client.post(f"/federation/{other}/backchannel-logout", data={"logout_token": theirs.sign(TOLD)})
    assert answer.status_code == 200 and client.get("/v1/me").status_code == 200
