"""The door: sign-in, what a session carries, who is refused and how."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from hub.database import Tenancy, set_tenancy
from tests.conftest import GROUP
from tests.identity.conftest import PASSWORD


def test_sign_in_gives_a_guarded_cookie_and_the_session_works(client, world, sign_in) -> None:
    person = world.person("ann@alpha.example", "planner", at=world.a)
    answer = client.post("/v1/session", json={"email": " Ann@Alpha.example ", "password": PASSWORD})
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=lax" in cookie and "secure" in cookie
    me = client.get("/v1/me").json()
    assert (me["id"], me["organisation_id"], me["readable"]) == (str(person), str(world.a), [str(world.a)])
    assert "inventory:read" in me["scopes"] and "people:read" not in me["scopes"]


def test_unknown_account_and_wrong_password_are_answered_alike(client, world) -> None:
    world.person("ann@alpha.example", "planner", at=world.a)
    wrong = client.post("/v1/session", json={"email": "ann@alpha.example", "password": "x" * 12})
    unknown = client.post("/v1/session", json={"email": "nobody@alpha.example", "password": "x" * 12})
    assert wrong.status_code == unknown.status_code == 401
    assert {**wrong.json(), "trace_id": ""} == {**unknown.json(), "trace_id": ""}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"sec-fetch-site": "same-origin"}, 201),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "https://testserver"}, 201),
        ({}, 201),
    ],
)
def test_only_our_own_pages_may_sign_in(client, world, headers, status) -> None:
    world.person("ann@alpha.example", "planner", at=world.a)
    given = {"email": "ann@alpha.example", "password": PASSWORD}
    assert client.post("/v1/session", json=given, headers=headers).status_code == status


def test_unsafe_requests_need_the_sessions_own_csrf_token(client, world, sign_in) -> None:
    world.person("ann@alpha.example", "planner", at=world.a)
    token = sign_in("ann@alpha.example")
    del client.headers["x-csrf-token"]
    for given, status in ((None, 403), ("", 403), (token[:-1], 403), ("é", 403), (token, 204)):
        headers = {} if given is None else {"x-csrf-token": given.encode("latin-1")}
        assert client.patch("/v1/me", json={"theme": "dark"}, headers=headers).status_code == status, given


def test_a_form_carries_the_csrf_token_as_a_field(client, world, sign_in) -> None:
    world.person("ann@alpha.example", "planner", at=world.a)
    token = sign_in("ann@alpha.example")
    del client.headers["x-csrf-token"]
    assert client.post("/account/settings", data={"locale": "en"}).status_code == 403
    assert client.post("/account/settings", data={"locale": "en", "csrf_token": token}).status_code == 303
    assert client.get("/v1/me").json()["locale"] == "en"


def test_signing_out_ends_the_session_for_good(client, world, sign_in) -> None:
    world.person("ann@alpha.example", "planner", at=world.a)
    sign_in("ann@alpha.example")
    kept = client.cookies["hub_session"]
    assert client.delete("/v1/session").status_code == 204
    client.cookies.set("hub_session", kept)
    assert client.get("/v1/me").status_code == 401


@pytest.mark.parametrize(
    "change",
    [
        "delete from membership where person_id = :id",
        "update person set disabled_at = now() where id = :id",
        "update organisation set closed_at = now() where key = 'alpha'",
    ],
)
def test_who_is_disabled_or_no_member_any_more_is_out_at_once(client, world, sign_in, change) -> None:
    person = world.person("ann@alpha.example", "planner", at=world.a)
    sign_in("ann@alpha.example")
    assert client.get("/v1/me").status_code == 200
    acting = GROUP if "organisation" in change else world.a
    set_tenancy(world.session, Tenancy((GROUP, world.a), acting))
    assert world.session.execute(text(change), {"id": person} if ":id" in change else {}).rowcount == 1
    assert client.get("/v1/me").status_code == 401


def test_head_office_reads_all_and_may_act_below_itself(client, world, sign_in) -> None:
    world.person("head@group.example", "admin", at=GROUP)
    sign_in("head@group.example")
    assert set(client.get("/v1/me").json()["readable"]) == {str(o) for o in world.everything}
    assert client.put("/v1/session/organisation", json={"organisation_id": str(world.b)}).status_code == 204
    me = client.get("/v1/me").json()
    assert me["organisation_id"] == str(world.b) and len(me["readable"]) == 4 and "rates:write" in me["scopes"]


def test_nobody_acts_for_an_organisation_without_membership(client, world, sign_in) -> None:
    world.person("ann@alpha.example", "admin", at=world.a)
    sign_in("ann@alpha.example")
    assert client.put("/v1/session/organisation", json={"organisation_id": str(world.b)}).status_code == 404
    me = client.get("/v1/me").json()
    assert me["organisation_id"] == str(world.a) and "rates:write" not in me["scopes"]


def test_two_memberships_are_two_views(client, world, sign_in) -> None:
    person = world.person("ann@alpha.example", "admin", at=world.a)
    world.member(person, "planner", at=world.b)
    sign_in("ann@alpha.example")
    assert client.put("/v1/session/organisation", json={"organisation_id": str(world.b)}).status_code == 204
    me = client.get("/v1/me").json()
    assert me["readable"] == [str(world.b)] and "people:write" not in me["scopes"]
