"""A changed address, two accounts of one person united, and a person who is forgotten."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import select, text

from hub.database import Tenancy, set_tenancy
from hub.models import Mail
from identity.models import Person
from tests.conftest import GROUP
from tests.identity.conftest import PASSWORD

NEW = "ann@new.example"


@pytest.fixture
def ann(client, world, sign_in):
    person = world.person("ann@alpha.example", "planner", at=world.a)
    sign_in("ann@alpha.example")
    return person


def mailed(world, recipient: str) -> str:
    set_tenancy(world.session, Tenancy((world.a,), world.a))
    found = select(Mail.body).where(Mail.recipient == recipient).order_by(Mail.created_at.desc())
    return re.search(r"token=([\w-]+)", world.session.scalars(found).first())[1]


def ask(client, email: str = NEW, password: str = PASSWORD):
    return client.post("/v1/me/email", json={"email": email, "password": password})


def enter(client, email: str) -> int:
    return client.post("/v1/session", json={"email": email, "password": PASSWORD}).status_code


def test_a_new_address_signs_in_once_its_link_is_opened(client, world, ann) -> None:
    assert ask(client).status_code == 202
    assert client.get("/v1/me").json()["email"] == "ann@alpha.example"
    given = {"token": mailed(world, NEW)}
    assert client.post("/v1/emails", json=given).json() == {"email": NEW}
    assert client.post("/v1/emails", json=given).status_code == 404
    assert (enter(client, NEW), enter(client, "ann@alpha.example")) == (201, 401)


def test_the_old_address_takes_the_account_back(client, world, ann) -> None:
    ask(client)
    client.post("/v1/emails", json={"token": mailed(world, NEW)})
    undo = {"token": mailed(world, "ann@alpha.example")}
    assert client.post("/v1/emails/undo", json=undo).json() == {"email": "ann@alpha.example"}
    assert client.get("/v1/me").status_code == 401
    assert client.post("/v1/emails/undo", json=undo).status_code == 404
    assert (enter(client, "ann@alpha.example"), enter(client, NEW)) == (201, 401)


def test_an_address_given_up_is_nobody_elses_for_a_week(client, world, ann, sign_in) -> None:
    ask(client)
    client.post("/v1/emails", json={"token": mailed(world, NEW)})
    taken = text("select identity_is_taken('ann@alpha.example')")
    assert world.session.scalar(taken) is True
    set_tenancy(world.session, Tenancy(person=ann))
    world.session.execute(text("update email_change set undo_until = now()"))
    assert world.session.scalar(taken) is False


def test_a_taken_address_is_told_to_its_reader_alone(client, world, ann) -> None:
    world.person("bob@beta.example", "planner", at=world.b)
    answers = [ask(client, email) for email in ("bob@beta.example", "nobody@beta.example")]
    assert [(a.status_code, a.content) for a in answers] == [(202, b"")] * 2
    set_tenancy(world.session, Tenancy((world.a,), world.a))
    body = world.session.scalars(select(Mail.body).where(Mail.recipient == "bob@beta.example")).one()
    assert "/account/identity" in body and "token" not in body


def test_the_current_password_is_asked_for_a_new_address(client, world, ann) -> None:
    assert ask(client, password="wrong password").status_code == 403


@pytest.mark.parametrize("change", ["expires_at = now()", "used_at = now()"])
def test_a_link_that_is_over_changes_nothing(client, world, ann, change) -> None:
    ask(client)
    given = {"token": mailed(world, NEW)}
    set_tenancy(world.session, Tenancy(person=ann))
    world.session.execute(text(f"update email_change set {change}"))
    assert client.post("/v1/emails", json=given).status_code == 404


def merged(client, world, sign_in):
    """Ann of beta goes into ann of alpha, where she is signed in last."""
    gone = world.person("ann@beta.example", "steward", at=world.b)
    world.member(gone, "it", at=world.a)
    sign_in("ann@beta.example")
    old = client.cookies["hub_session"]
    token = client.post("/v1/me/merge-token").json()["token"]
    sign_in("ann@alpha.example")
    answer = client.post("/v1/me/merges", json={"token": token})
    assert answer.json() == {"merged_id": str(gone)}
    assert client.post("/v1/me/merges", json={"token": token}).status_code == 404
    return gone, old


def test_two_accounts_become_one(client, world, ann, sign_in) -> None:
    gone, old = merged(client, world, sign_in)
    assert {o["key"] for o in client.get("/v1/session/organisations").json()} == {"alpha", "beta"}
    assert {"systems:write", "inventory:read"} <= set(client.get("/v1/me").json()["scopes"])
    client.cookies.clear()
    client.cookies.set("hub_session", old)
    assert client.get("/v1/me").status_code == 401
    client.cookies.clear()
    sign_in("ann@beta.example")
    assert client.get("/v1/me").json()["id"] == str(ann)
    set_tenancy(world.session, Tenancy((world.b,), world.b))
    tombstone = world.session.get(Person, gone, populate_existing=True)
    assert (tombstone.merged_into_id, tombstone.password_hash) == (ann, None) and tombstone.disabled_at


def test_an_account_is_not_merged_into_itself(client, world, ann) -> None:
    token = client.post("/v1/me/merge-token").json()["token"]
    assert client.post("/v1/me/merges", json={"token": token}).status_code == 404


def test_a_merged_account_cannot_be_enabled_again(client, world, ann, sign_in) -> None:
    gone, _ = merged(client, world, sign_in)
    world.person("head@group.example", "admin", at=GROUP)
    world.member(gone, "planner", at=world.b)
    sign_in("head@group.example")
    url = f"/v1/people/{gone}"
    answer = client.patch(url, json={"is_disabled": False, "organisation_id": str(world.b)})
    assert answer.status_code == 409


def test_whoever_is_erased_is_a_pseudonym_everywhere(client, world, ann, sign_in) -> None:
    ask(client)
    world.person("boss@alpha.example", "admin", at=world.a)
    kept = client.cookies["hub_session"]
    sign_in("boss@alpha.example")
    assert client.post(f"/v1/people/{ann}/erasure").status_code == 204
    assert client.post(f"/v1/people/{ann}/erasure").status_code == 404
    client.cookies.clear()
    client.cookies.set("hub_session", kept)
    assert client.get("/v1/me").status_code == 401
    set_tenancy(world.session, Tenancy((world.a,), world.a, ann))
    person = world.session.get(Person, ann, populate_existing=True)
    assert person.name.startswith("erased-") and person.email == f"{person.name}@erased.invalid"
    left = "select (select count(*) from email_change) + (select count(*) from membership where person_id = :id)"
    assert world.session.scalar(text(left), {"id": ann}) == 0
    assert enter(client, "ann@alpha.example") == 401


def test_only_who_administers_all_of_a_person_may_erase_it(client, world, ann, sign_in) -> None:
    world.member(ann, "planner", at=world.b)
    world.person("boss@alpha.example", "admin", at=world.a)
    sign_in("boss@alpha.example")
    assert client.post(f"/v1/people/{ann}/erasure").status_code == 403
