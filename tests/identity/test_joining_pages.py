"""By forms alone, as a person does it: joining, grants to a partner, closing, a new address, two accounts into one."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import select

from hub.database import Tenancy, set_tenancy
from hub.models import Mail
from tests.conftest import GROUP
from tests.identity.conftest import PASSWORD

HTML = {"accept": "text/html"}
NEW = "a new long password"


@pytest.fixture
def enter(client):
    """Signs in by the form; the answer is the CSRF token of its pages."""

    def door(email: str, next: str = "/account") -> str:
        client.post("/signin", data={"email": email, "password": PASSWORD, "next": next}, headers=HTML)
        page = client.get("/account/identity", headers=HTML).text
        return re.search(r'name="csrf_token" value="([^"]+)"', page)[1]

    return door


def mailed(world, at, recipient: str) -> str:
    set_tenancy(world.session, Tenancy((at,), at))
    found = select(Mail.body).where(Mail.recipient == recipient).order_by(Mail.created_at.desc())
    return re.search(r"https?://[^/\s]+(/\S+)", world.session.scalars(found).first())[1]


def test_a_mailed_invitation_becomes_an_account(client, world, enter) -> None:
    world.person("boss@alpha.example", "admin", at=world.a)
    form = {"csrf_token": enter("boss@alpha.example"), "organisation_id": str(world.a), "email": "new@alpha.example"}
    made = client.post("/invitations", data=form | {"roles": ["planner"]}, headers=HTML)
    assert made.status_code == 200 and "/invitation?token=" in made.text
    assert client.post("/invitations", data=form, headers=HTML).status_code == 422
    client.cookies.clear()
    address = mailed(world, world.a, "new@alpha.example")
    page = client.get(address + "&lang=en", headers=HTML)
    assert "Make the account and join" in page.text and page.status_code == 200
    given = dict(re.findall(r"(token|proof)=([\w-]+)", address)) | {"name": "New", "password": NEW}
    short = client.post("/invitation", data=given | {"password": "short"}, headers=HTML)
    assert short.status_code == 422 and 'value="New"' in short.text
    assert client.post("/invitation", data=given, headers=HTML).status_code == 303
    assert client.get("/account", headers=HTML).status_code == 200
    assert client.get(address, headers=HTML).status_code == 404


def test_whoever_is_signed_in_joins_by_one_button(client, world, enter) -> None:
    world.person("boss@alpha.example", "admin", at=world.a)
    form = {"csrf_token": enter("boss@alpha.example"), "organisation_id": str(world.a), "roles": ["planner"]}
    link = re.search(r"/invitation\?token=([\w-]+)", client.post("/invitations", data=form, headers=HTML).text)[1]
    world.person("ann@beta.example", "planner", at=world.b)
    csrf = enter("ann@beta.example")
    assert "ann@beta.example" in client.get(f"/invitation?token={link}", headers=HTML).text
    joined = client.post("/invitation/accept", data={"csrf_token": csrf, "token": link}, headers=HTML)
    assert joined.headers["location"] == "/organisations/switch"
    page = client.get("/organisations/switch", headers=HTML).text
    assert page.count('name="organisation_id"') == 2
    form = {"csrf_token": csrf, "organisation_id": str(world.a), "next": "/inventory"}
    assert client.post("/organisations/switch", data=form).headers["location"] == "/inventory"
    again = client.post("/invitation/accept", data={"csrf_token": csrf, "token": link}, headers=HTML)
    assert again.status_code == 404


def test_a_grant_is_given_assigned_and_taken_back(client, world, enter) -> None:
    world.person("boss@alpha.example", "admin", at=world.a)
    world.person("boss@bolts.example", "admin", at=world.supplier)
    guest = world.person("guest@bolts.example", "sales", at=world.supplier)
    form = {"csrf_token": enter("boss@alpha.example"), "organisation_id": str(world.a), "partner": "bolts"}
    assert client.post("/partners", data=form | {"roles": ["it"]}).status_code == 422
    assert client.post("/partners", data=form | {"roles": ["planner"], "until": "2099-12-31"}).status_code == 303
    (grant,) = client.get("/v1/partner-grants").json()
    form = {"csrf_token": enter("boss@bolts.example"), "of": str(world.supplier)}
    assigned = form | {"person_id": str(guest), "roles": ["planner"]}
    assert client.post(f"/partners/{grant['id']}/people", data=assigned).status_code == 303
    assert client.get("/partners", headers=HTML).text.count("guest@bolts.example") == 1
    form = {"csrf_token": enter("boss@alpha.example"), "of": str(world.a)}
    assert "guest@bolts.example" in client.get("/partners", headers=HTML).text
    assert client.post(f"/partners/{grant['id']}", data=form | {"action": "revoke"}).status_code == 303
    assert "guest@bolts.example" not in client.get("/partners", headers=HTML).text


def test_an_organisation_is_renamed_closed_and_opened_by_head_office(client, world, enter) -> None:
    world.person("head@group.example", "admin", at=GROUP)
    form = {"csrf_token": enter("head@group.example")}
    new = {"key": "gamma", "name_zh": "丙", "name_en": "Gamma", "kind": "carrier", "parent_id": str(GROUP)}
    assert client.post("/organisations", data=form | new).status_code == 303
    url = f"/organisation/{world.a}"
    for action in ({"action": "save", "name_en": "Alpha Works"}, {"action": "close"}, {"action": "export"}):
        answer = client.post(url, data=form | action)
        assert answer.status_code == 303
    told = client.get(f"/v1/organisations/{world.a}").json()
    assert told["name_en"] == "Alpha Works" and told["closed_at"]
    page = client.get(f"/organisation?of={world.a}", headers=HTML).text
    assert 'value="reopen"' in page
    assert client.post(url, data=form | {"action": "reopen"}).status_code == 303
    assert client.post(url, data=form | {"action": "close", "on": "someday"}).status_code == 422
    assert client.get(f"/v1/organisations/{world.a}").json()["closed_at"] is None


def test_a_new_address_is_confirmed_by_a_button_and_not_by_looking(client, world, enter) -> None:
    world.person("ann@alpha.example", "planner", at=world.a)
    form = {"csrf_token": enter("ann@alpha.example"), "action": "email", "email": "ann@new.example"}
    assert client.post("/account/identity", data=form, headers=HTML).status_code == 422
    assert client.post("/account/identity", data=form | {"password": PASSWORD}, headers=HTML).status_code == 200
    address = mailed(world, world.a, "ann@new.example")
    assert client.get(address, headers=HTML).status_code == 200
    assert client.get("/v1/me").json()["email"] == "ann@alpha.example"
    token = {"token": address.partition("token=")[2]}
    assert "ann@new.example" in client.post("/email", data=token, headers=HTML).text
    assert client.post("/email", data=token, headers=HTML).status_code == 404
    undo = mailed(world, world.a, "ann@alpha.example")
    assert undo.startswith("/email/undo?") and client.get(undo, headers=HTML).status_code == 200
    back = client.post("/email/undo", data={"token": undo.partition("token=")[2]}, headers=HTML)
    assert "ann@alpha.example" in back.text


def test_an_account_is_given_up_for_the_one_signed_in_to_next(client, world, enter) -> None:
    world.person("old@alpha.example", "planner", at=world.a)
    world.person("kept@beta.example", "planner", at=world.b)
    form = {"csrf_token": enter("old@alpha.example"), "action": "start"}
    left = client.post("/account/identity", data=form, headers=HTML)
    assert left.headers["location"] == "/signin?next=%2Faccount%2Fidentity"
    assert client.get("/account", headers=HTML).status_code == 303
    form = {"csrf_token": enter("kept@beta.example"), "action": "merge"}
    assert 'value="merge"' in client.get("/account/identity", headers=HTML).text
    assert client.post("/account/identity", data=form, headers=HTML).status_code == 200
    assert {o["key"] for o in client.get("/v1/session/organisations").json()} == {"alpha", "beta"}
    assert 'value="merge"' not in client.get("/account/identity", headers=HTML).text
