"""Dangerous acts ask for a proof from within ten minutes; agents prove themselves with every request."""

from __future__ import annotations

import time

import pytest
from sqlalchemy import text

from hub.database import Tenancy, set_tenancy
from hub.errors import Forbidden, TooManyRequests
from identity.strong import factors, step_up
from tests.identity.conftest import PASSWORD
from tests.identity.strong.authenticator import PRESENT

HTML = {"accept": "text/html", "referer": "https://testserver/people?of=1"}
NEW = "a wholly new password"


@pytest.fixture
def age(world, ann):
    """The last proof of Ann's sessions was eleven minutes ago."""

    def go() -> None:
        set_tenancy(world.session, Tenancy(person=ann.id))
        gone = "interval '11 minutes'"
        world.session.execute(
            text(f"update login_session set authenticated_at = now() - {gone}, stepped_up_at = stepped_up_at - {gone}")
        )
        world.session.flush()

    return go


DANGEROUS = [
    ("PATCH", "/v1/people/{id}", {"roles": ["buyer"]}),
    ("DELETE", "/v1/people/{id}/factors", None),
    ("PUT", "/v1/organisations/{id}/sign-in-policy", {}),
    ("POST", "/v1/agents", {"name": "plant"}),
    ("POST", "/v1/agents/{id}/code", None),
    ("PUT", "/v1/me/password", {"current": PASSWORD, "password": NEW}),
    ("POST", "/v1/me/passkeys/options", None),
    ("POST", "/v1/me/passkeys", {"credential": {}, "name": "x"}),
    ("DELETE", "/v1/me/passkeys/{id}", None),
    ("POST", "/v1/me/totp", None),
    ("POST", "/v1/me/totp/confirmation", {"code": "000000"}),
    ("DELETE", "/v1/me/totp", None),
    ("POST", "/v1/me/recovery-codes", None),
]


@pytest.mark.parametrize("act", DANGEROUS, ids=lambda act: f"{act[0]} {act[1]}")
def test_a_dangerous_act_asks_for_a_recent_proof(client, ann, age, act) -> None:
    method, path, body = act
    age()
    refused = client.request(method, path.format(id=ann.id), json=body)
    assert (refused.status_code, refused.json()["type"]) == (403, "step-up-required")
    assert client.post("/v1/me/step-up", json={"password": PASSWORD}).status_code == 204
    answer = client.request(method, path.format(id=ann.id), json=body)
    assert answer.json().get("type") != "step-up-required" if answer.content else answer.status_code == 204


@pytest.mark.parametrize("path", ["/people/{id}", "/agents", "/agents/{id}", "/account/security", "/policy"])
def test_a_page_leads_to_the_confirmation_and_back(client, ann, age, path) -> None:
    age()
    form = {"csrf_token": client.headers["x-csrf-token"]}
    answer = client.post(path.format(id=ann.id), data=form, headers=HTML)
    assert (answer.status_code, answer.headers["location"]) == (303, "/step-up?next=%2Fpeople")
    shown = client.get(answer.headers["location"], headers=HTML)
    assert shown.status_code == 200 and 'name="password"' in shown.text
    confirmed = client.post("/step-up", data=form | {"password": PASSWORD, "next": "/people"}, headers=HTML)
    assert (confirmed.status_code, confirmed.headers["location"]) == (303, "/people")
    assert "step-up" not in client.post(path.format(id=ann.id), data=form, headers=HTML).headers.get("location", "")


def test_who_has_a_second_factor_confirms_with_it(client, ann, age, monkeypatch) -> None:
    app, key = ann.add_totp(), ann.add_passkey(flags=PRESENT)
    now = time.time() + 60
    monkeypatch.setattr(factors.time, "time", lambda: now)
    url = f"/v1/people/{ann.id}"
    options = "/v1/me/step-up/passkey/options"
    for give in (
        lambda: client.post("/v1/me/step-up", json={"code": app.at(now)}),
        lambda: client.post("/v1/me/step-up/passkey", json={"credential": key.get(client.post(options).json())}),
    ):
        age()
        assert client.post("/v1/me/step-up", json={"password": PASSWORD}).status_code == 403
        assert client.patch(url, json={}).json()["type"] == "step-up-required"
        assert give().status_code == 204
        assert client.patch(url, json={}).status_code == 200


def test_a_stolen_session_is_no_place_to_guess_the_password(client, world, ann, app) -> None:
    me = world.principal(ann.id, "admin", at=world.a, session_id=ann.id)
    set_tenancy(world.session, me.tenancy)
    kinds = []
    for prove in [step_up.prove_password] * 4 + [step_up.by_password] * 3:
        with pytest.raises((Forbidden, TooManyRequests)) as refused:
            prove(world.session, app.state.new_session, me, "wrong password")
        kinds.append(refused.type)
    assert kinds == [Forbidden] * 5 + [TooManyRequests] * 2
    assert client.put("/v1/me/password", json={"current": PASSWORD, "password": NEW}).status_code == 429


def test_anothers_passkey_confirms_nothing(client, world, ann, sign_in) -> None:
    anns = ann.add_passkey()
    ann.leave()
    world.person("bob@alpha.example", "planner", at=world.a)
    sign_in("bob@alpha.example")
    ann.add_passkey()
    options = client.post("/v1/me/step-up/passkey/options").json()
    mine = anns.get(options)
    assert client.post("/v1/me/step-up/passkey", json={"credential": mine}).status_code == 401


def test_a_new_password_obeys_the_rules(client, ann) -> None:
    answer = client.put("/v1/me/password", json={"current": PASSWORD, "password": "ann walks the dog"})
    assert answer.status_code == 204
    answer = client.put("/v1/me/password", json={"current": "ann walks the dog", "password": "ann-12345678"})
    assert (answer.status_code, answer.json()["reason"]) == (422, "context")
