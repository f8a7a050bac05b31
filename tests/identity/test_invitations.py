"""Invitations: the link works for whoever opens it, once, and for an address only once that is shown to be theirs."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import select, text

from hub.database import Tenancy, set_tenancy
from hub.models import Mail
from identity.models import Membership, Person
from tests.conftest import GROUP

NEW = "a new long password"


@pytest.fixture
def boss(client, world, sign_in):
    world.person("boss@alpha.example", "admin", at=world.a)
    sign_in("boss@alpha.example")


def invite(client, **given) -> dict:
    made = client.post("/v1/invitations", json={"roles": ["planner"]} | given)
    assert made.status_code == 201, made.text
    return made.json()


def token_in(link: str) -> dict[str, str]:
    return dict(re.findall(r"(token|proof)=([\w-]+)", link))


def mailed(world, recipient: str) -> dict[str, str]:
    set_tenancy(world.session, Tenancy((world.a,), world.a))
    found = select(Mail).where(Mail.recipient == recipient).order_by(Mail.created_at.desc())
    return token_in(world.session.scalars(found).first().body)


def leave(client) -> None:
    client.cookies.clear()
    client.headers.pop("x-csrf-token", None)


def test_whoever_is_signed_in_joins_with_that_account(client, world, sign_in, boss) -> None:
    link = invite(client, email="somebody@else.example", roles=["buyer"])["link"]
    world.person("ann@beta.example", "planner", at=world.b)
    sign_in("ann@beta.example")
    given = {"token": token_in(link)["token"]}
    assert client.post("/v1/invitations/accept", json=given).json() == {"organisation_id": str(world.a)}
    assert client.post("/v1/invitations/accept", json=given).status_code == 404
    assert client.get("/v1/me").json()["organisation_id"] == str(world.b)
    assert client.put("/v1/session/organisation", json={"organisation_id": str(world.a)}).status_code == 204
    assert "inventory:read" in client.get("/v1/me").json()["scopes"]


def test_the_mailed_link_makes_an_account_with_that_address(client, world, boss) -> None:
    invite(client, email="New@Alpha.example")
    given = mailed(world, "new@alpha.example") | {"name": "New", "password": NEW}
    leave(client)
    assert client.post("/v1/invitations/account", json=given | {"password": "short"}).status_code == 422
    made = client.post("/v1/invitations/account", json=given)
    assert made.status_code == 201, made.text
    assert client.get("/v1/me").json()["email"] == "new@alpha.example"
    assert client.post("/v1/invitations/account", json=given).status_code == 404


def test_the_link_alone_proves_no_address(client, world, boss) -> None:
    link = invite(client, email="ceo@group.example")["link"]
    leave(client)
    given = token_in(link) | {"name": "Not the CEO", "password": NEW}
    assert client.post("/v1/invitations/account", json=given).status_code == 403
    address = {"token": given["token"], "email": "mine@home.example"}
    assert client.post("/v1/invitations/address", json=address).status_code == 202
    proven = given | mailed(world, "mine@home.example")
    assert client.post("/v1/invitations/account", json=proven).status_code == 201
    assert client.get("/v1/me").json()["email"] == "mine@home.example"


def test_an_account_without_any_organisation_joins_by_mail_and_signs_in(client, world, sign_in, boss) -> None:
    person = world.person("ann@alpha.example", "planner", at=world.a)
    assert client.delete(f"/v1/people/{person}").status_code == 204
    invite(client, email="ann@alpha.example")
    leave(client)
    given = mailed(world, "ann@alpha.example")
    assert client.post("/v1/invitations/accept-mailed", json={"token": given["token"]}).status_code == 409
    assert client.post("/v1/invitations/accept-mailed", json=given).status_code == 200
    assert client.get("/v1/me").status_code == 401
    sign_in("ann@alpha.example")


@pytest.mark.parametrize(
    "change",
    [
        "update invitation set revoked_at = now()",
        "update invitation set expires_at = now()",
        "update invitation set used_at = now()",
        "delete from membership where organisation_id = :a and 'people:write' = any (scopes)",
        "update person set disabled_at = now() where email = 'boss@alpha.example'",
        "update organisation set closed_at = now() where id = :a",
    ],
)
def test_what_is_over_opens_nothing(client, world, sign_in, boss, change) -> None:
    given = {"token": token_in(invite(client)["link"])["token"]}
    world.person("ann@beta.example", "planner", at=world.b)
    sign_in("ann@beta.example")
    set_tenancy(world.session, Tenancy((GROUP, world.a), GROUP if "organisation set" in change else world.a))
    assert world.session.execute(text(change), {"a": world.a} if ":a" in change else {}).rowcount == 1
    assert client.post("/v1/invitations/accept", json=given).status_code == 404


def test_a_link_sent_again_replaces_the_one_before(client, world, sign_in, boss) -> None:
    made = invite(client, email="ann@beta.example")
    again = client.post(f"/v1/invitations/{made['invitation']['id']}/link").json()["link"]
    world.person("ann@beta.example", "planner", at=world.b)
    sign_in("ann@beta.example")
    answers = [
        client.post("/v1/invitations/accept", json={"token": token_in(link)["token"]}).status_code
        for link in (made["link"], again)
    ]
    assert answers == [404, 200]


def test_joining_adds_to_what_a_member_may_do(client, world, sign_in, boss) -> None:
    person = world.person("ann@alpha.example", "planner", at=world.a)
    link = invite(client, roles=["it"])["link"]
    sign_in("ann@alpha.example")
    client.post("/v1/invitations/accept", json={"token": token_in(link)["token"]})
    set_tenancy(world.session, Tenancy((world.a,), world.a))
    held = world.session.get(Membership, (world.a, person), populate_existing=True).scopes
    assert {"systems:write", "inventory:read"} <= set(held)


def test_a_used_invitation_cannot_be_taken_back(client, world, sign_in, boss) -> None:
    made = invite(client)
    own = client.headers["x-csrf-token"], client.cookies["hub_session"]
    world.person("ann@beta.example", "planner", at=world.b)
    sign_in("ann@beta.example")
    client.post("/v1/invitations/accept", json={"token": token_in(made["link"])["token"]})
    client.headers["x-csrf-token"] = own[0]
    client.cookies.clear()
    client.cookies.set("hub_session", own[1])
    assert client.delete(f"/v1/invitations/{made['invitation']['id']}").status_code == 409
    (told,) = client.get("/v1/invitations").json()["items"]
    assert told["state"] == "used" and told["used_by"] is not None


def test_a_suppliers_administrator_invites_people_of_the_supplier_alone(client, world, sign_in) -> None:
    world.person("boss@bolts.example", "admin", at=world.supplier)
    sign_in("boss@bolts.example")
    assert set(client.get("/v1/me").json()["scopes"]) == {"settings:self", "people:read", "people:write"}
    refused = client.post("/v1/invitations", json={"roles": ["steward"]})
    assert refused.status_code == 422 and "sales" in refused.json()["detail"]
    made = invite(client, roles=["admin"], email="two@bolts.example")
    elsewhere = {"roles": ["planner"], "organisation_id": str(world.a)}
    assert client.post("/v1/invitations", json=elsewhere).status_code == 404
    given = {"name": "Two", "password": NEW}
    set_tenancy(world.session, Tenancy((world.supplier,), world.supplier))
    body = world.session.scalars(select(Mail.body).where(Mail.recipient == "two@bolts.example")).one()
    assert client.post("/v1/invitations/account", json=token_in(body) | given).status_code == 201
    assert "batches:release" not in client.get("/v1/me").json()["scopes"] and made


def test_scopes_beyond_the_kind_do_nothing(client, world, sign_in) -> None:
    person = world.person("ann@bolts.example", "sales", at=world.supplier)
    set_tenancy(world.session, Tenancy((world.supplier,), world.supplier))
    held = world.session.get(Membership, (world.supplier, person))
    held.scopes = ["batches:release", "inventory:read", "settings:self"]
    world.session.flush()
    sign_in("ann@bolts.example")
    assert client.get("/v1/me").json()["scopes"] == ["settings:self"]


def test_an_address_is_kept_in_small_letters_however_it_was_invited(client, world, boss) -> None:
    assert invite(client, email=" Mixed@Case.Example ")["invitation"]["email"] == "mixed@case.example"
    assert world.session.scalar(select(Person.id).where(Person.email == "mixed@case.example")) is None
