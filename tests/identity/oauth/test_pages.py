"""Pages of clients and consents: what a form says is what is made, in both languages, and secrets are shown once."""

from __future__ import annotations

import re

import pytest

from identity.oauth.tokens import OPENID
from identity.scopes import SAYS, SCOPES
from tests.identity.oauth.conftest import CALLBACK


@pytest.fixture
def admin(client, world, sign_in):
    world.person("boss@alpha.example", "admin", at=world.a)
    sign_in("boss@alpha.example")
    return {"csrf_token": client.headers["x-csrf-token"]}


def test_every_scope_says_in_both_languages_what_it_allows() -> None:
    assert set(SAYS) == SCOPES | OPENID


def test_client_is_made_its_secret_renewed_and_ended_by_forms(client, admin) -> None:
    form = {"client_name": "<b>Portal</b>", "kind": "web", "redirect_uris": CALLBACK, "scopes": ["openid", "email"]}
    page = client.post("/clients", data=admin | form).text
    assert "&lt;b&gt;Portal" in page and "<b>Portal" not in page
    secret = re.search(r"Secret, shown only now|密钥，只显示这一次", page)
    assert secret
    (made,) = client.get("/v1/clients").json()["items"]
    assert made["redirect_uris"] == [CALLBACK] and len(made["secrets"]) == 1
    assert client.post(f"/clients/{made['id']}", data=admin | {"action": "secret"}).status_code == 200
    assert client.post(f"/clients/{made['id']}", data=admin | {"action": "disable"}).status_code == 303
    assert client.post(f"/clients/{made['id']}", data=admin | {"action": "delete"}).status_code == 303
    assert client.get("/v1/clients").json()["items"] == []


@pytest.mark.parametrize(
    "wrong", [{"redirect_uris": "http://evil.example"}, {"client_name": ""}, {"scopes": ["rates:write"]}, {"kind": "x"}]
)
def test_wrong_form_is_explained_and_makes_nothing(client, admin, wrong) -> None:
    form = {"client_name": "P", "kind": "web", "redirect_uris": CALLBACK, "scopes": ["openid"]} | wrong
    if wrong == {"kind": "x"}:
        form["redirect_uris"] = ""
    assert client.post("/clients", data=admin | form).status_code == 422
    assert client.get("/v1/clients").json()["items"] == []


@pytest.mark.parametrize("language", ["zh", "en"])
def test_consent_is_asked_once_listed_and_taken_back(make_app, ann, client, language) -> None:
    client.patch("/v1/me", json={"locale": language})
    app = make_app(is_trusted=False, client_name="Portal")
    page = app.authorize(scope="openid inventory:read").text
    assert {"zh": "查看库存", "en": "see stock"}[language] in page
    fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page))
    allowed = client.post("/oauth/authorize", data=fields | {"decision": "allow"})
    assert "code=" in allowed.headers["location"]
    assert "code=" in app.authorize(scope="openid inventory:read").headers["location"]
    assert app.authorize(scope="openid inventory:read email").status_code == 200
    assert "Portal" in client.get("/account/apps").text
    csrf = {"csrf_token": client.headers["x-csrf-token"]}
    client.post(f"/account/apps/{app.id}/withdraw", data=csrf)
    assert app.authorize(scope="openid inventory:read").status_code == 200
    denied = client.post("/oauth/authorize", data=fields | {"decision": "deny"})
    assert "error=access_denied" in denied.headers["location"]


def test_a_forged_consent_is_refused(make_app, ann, client) -> None:
    app = make_app(is_trusted=False)
    fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', app.authorize().text))
    forged = client.post("/oauth/authorize", data=fields | {"decision": "allow", "csrf_token": "x"})
    assert forged.status_code == 403


def test_person_of_several_organisations_chooses_one(make_app, ann, client, world) -> None:
    world.member(ann, "planner", at=world.b)
    app = make_app()
    page = app.authorize(prompt="select_account")
    assert page.status_code == 200 and str(world.b) in page.text
    chosen = app.authorize(organization="beta")
    assert "code=" in chosen.headers["location"]
    assert "access_denied" in app.authorize(organization="group").headers["location"]
    own = make_app(at=world.b)
    assert "code=" in own.authorize().headers["location"]
