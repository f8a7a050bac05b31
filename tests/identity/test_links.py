"""One-time links: who gets one, what it does, and that it does it once."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import select, text

from hub.database import Tenancy, set_tenancy
from hub.errors import Conflict, Unprocessable
from hub.models import Mail
from identity.service import create_first_admin
from tests.conftest import GROUP

NEW = "a new long password"


def mails(world, organisation_id) -> list[Mail]:
    set_tenancy(world.session, Tenancy((organisation_id,), organisation_id))
    return list(world.session.scalars(select(Mail).order_by(Mail.created_at)))


def token_in(body: str) -> str:
    return re.search(r"/set-password\?token=(\S+)", body)[1]


def test_a_reset_by_mail_sets_the_password_and_ends_every_session(client, world, sign_in) -> None:
    world.person("ann@alpha.example", "planner", at=world.a)
    sign_in("ann@alpha.example")
    old = client.cookies["hub_session"]
    assert client.post("/v1/password-resets", json={"email": "ann@alpha.example"}).status_code == 202
    (mail,) = mails(world, world.a)
    given = {"token": token_in(mail.body), "password": NEW}
    assert client.post("/v1/passwords", json=given).status_code == 201
    assert client.get("/v1/me").json()["email"] == "ann@alpha.example"
    client.cookies.set("hub_session", old)
    assert client.post("/v1/passwords", json=given).status_code == 404
    client.cookies.clear()
    sign_in("ann@alpha.example", NEW)


def test_a_reset_for_nobody_is_answered_alike_and_mails_nothing(client, world) -> None:
    known = world.person("ann@alpha.example", "planner", at=world.a)
    answers = [client.post("/v1/password-resets", json={"email": e}) for e in ("ann@alpha.example", "no@alpha.example")]
    assert [(a.status_code, a.content) for a in answers] == [(202, b"")] * 2
    assert [m.recipient for m in mails(world, world.a)] == ["ann@alpha.example"] and known


def test_a_mailbox_cannot_be_flooded(client, world) -> None:
    world.person("ann@alpha.example", "planner", at=world.a)
    for _ in range(6):
        assert client.post("/v1/password-resets", json={"email": "ann@alpha.example"}).status_code == 202
    assert len(mails(world, world.a)) == 3


def test_a_spent_expired_or_invented_link_opens_nothing(client, world) -> None:
    world.person("ann@alpha.example", "planner", at=world.a)
    for change in ("used_at = now()", "expires_at = now() - interval '1 second'"):
        client.post("/v1/password-resets", json={"email": "ann@alpha.example"})
        token = token_in(mails(world, world.a)[-1].body)
        assert client.get(f"/set-password?token={token}").status_code == 200
        set_tenancy(world.session, Tenancy((world.a,), world.a))
        assert world.session.execute(text(f"update one_time_link set {change}")).rowcount
        assert client.get(f"/set-password?token={token}").status_code == 404
        assert client.post("/v1/passwords", json={"token": token, "password": NEW}).status_code == 404
    assert client.post("/v1/passwords", json={"token": "x" * 43, "password": NEW}).status_code == 404


def test_a_short_password_does_not_spend_the_link(client, world) -> None:
    world.person("ann@alpha.example", "planner", at=world.a)
    client.post("/v1/password-resets", json={"email": "ann@alpha.example"})
    token = token_in(mails(world, world.a)[0].body)
    assert client.post("/v1/passwords", json={"token": token, "password": "short"}).status_code == 422
    assert client.post("/v1/passwords", json={"token": token, "password": NEW}).status_code == 201


def test_only_the_home_organisation_disables_an_account(client, world, sign_in) -> None:
    shared = world.person("ann@alpha.example", "planner", at=world.a)
    world.member(shared, "planner", at=world.b)
    world.person("boss@beta.example", "admin", at=world.b)
    sign_in("boss@beta.example")
    assert client.patch(f"/v1/people/{shared}", json={"is_disabled": True}).status_code == 403


def test_who_belongs_to_more_than_the_caller_administers_is_reset_from_above(client, world, sign_in) -> None:
    promoted = world.person("ann@alpha.example", "planner", at=world.a)
    world.member(promoted, "admin", at=GROUP)
    world.person("boss@alpha.example", "admin", at=world.a)
    world.person("root@group.example", "admin", at=GROUP)
    sign_in("boss@alpha.example")
    answer = client.post(f"/v1/people/{promoted}/password-reset")
    assert (answer.status_code, "above them all" in answer.json()["detail"]) == (403, True)
    sign_in("root@group.example")
    for organisation in (world.a, GROUP):
        answer = client.post(f"/v1/people/{promoted}/password-reset?organisation_id={organisation}")
        assert answer.status_code == 202
    assert (len(mails(world, world.a)), len(mails(world, GROUP))) == (0, 2)


def test_a_forgotten_password_is_mailed_from_above_all_memberships(client, world) -> None:
    promoted = world.person("ann@alpha.example", "planner", at=world.a)
    world.member(promoted, "admin", at=GROUP)
    client.post("/v1/password-resets", json={"email": "ann@alpha.example"})
    assert mails(world, world.a) == []
    (mail,) = mails(world, GROUP)
    assert client.post("/v1/passwords", json={"token": token_in(mail.body), "password": NEW}).status_code == 201


def test_a_link_made_before_a_promotion_opens_nothing_after_it(client, world) -> None:
    person = world.person("ann@alpha.example", "planner", at=world.a)
    client.post("/v1/password-resets", json={"email": "ann@alpha.example"})
    token = token_in(mails(world, world.a)[0].body)
    world.member(person, "admin", at=GROUP)
    assert client.get(f"/set-password?token={token}").status_code == 404
    assert client.post("/v1/passwords", json={"token": token, "password": NEW}).status_code == 404


def test_the_first_administrator_is_made_until_somebody_can_sign_in(client, session) -> None:
    with pytest.raises(Unprocessable):
        create_first_admin(session, "no address")
    first = create_first_admin(session, "Root@group.example")
    again = create_first_admin(session, "root@group.example")
    session.flush()
    assert first != again
    given = {"token": token_in(again), "password": NEW}
    assert client.post("/v1/passwords", json=given).status_code == 201
    me = client.get("/v1/me").json()
    assert me["organisation_id"] == str(GROUP) and "people:write" in me["scopes"]
    with pytest.raises(Conflict):
        create_first_admin(session, "other@group.example")
