"""Signing in at an organisation's own provider: who gets in, as whom, with which roles, and how it ends."""

from __future__ import annotations

import pytest
from joserfc.jwk import RSAKey
from sqlalchemy import text

from identity.federation import oidc
from tests.conftest import GROUP
from tests.identity.conftest import PASSWORD
from tests.identity.federation.conftest import ANN, follow
from tests.identity.federation.provider import back

HTML = {"accept": "text/html"}


def reason(answer) -> str:
    """The refused page's words."""
    assert answer.status_code == 403 and "hub_session" not in answer.cookies, answer.text
    return answer.text


def test_a_person_of_the_domain_joins_at_the_first_sign_in(client, world, come_back) -> None:
    answer = come_back()
    assert (answer.status_code, answer.headers["location"]) == (303, "/inventory")
    me = client.get("/v1/me").json()
    assert (me["email"], me["name"], me["locale"]) == ("ann@alpha.example", "Ann", "en")
    assert me["organisation_id"] == str(world.a) and me["readable"] == [str(world.a)]
    assert "inventory:read" in me["scopes"] and "people:write" not in me["scopes"]


def test_the_same_subject_is_the_same_person_whatever_the_address(client, come_back, theirs) -> None:
    come_back()
    first = client.get("/v1/me").json()["id"]
    theirs.person["email"] = "ann.married@alpha.example"
    come_back()
    assert client.get("/v1/me").json()["id"] == first


def test_an_account_of_the_home_is_linked(client, world, come_back) -> None:
    ann = world.person("ann@alpha.example", "steward", at=world.a)
    come_back()
    me = client.get("/v1/me").json()
    assert me["id"] == str(ann) and "batches:release" in me["scopes"]


def test_an_address_given_to_somebody_new_does_not_open_the_old_account(world, come_back, theirs) -> None:
    come_back()
    theirs.person["sub"] = "ann-2"
    assert "linked" in reason(come_back())


ADDRESSES = [
    ({"email": "ann@beta.example"}, "no domain"),
    ({"email_verified": False}, "not say that it has verified"),
    ({"email_verified": None}, "not say that it has verified"),
    ({"email": None}, "another subject"),
    ({"email": "ann"}, "no e-mail"),
    ({"email": ["ann@alpha.example"]}, "no e-mail"),
]


@pytest.mark.parametrize(("changes", "why"), ADDRESSES)
def test_only_verified_addresses_of_own_domains_join(come_back, theirs, changes, why) -> None:
    theirs.person |= changes
    assert why in reason(come_back())


def test_an_account_at_home_elsewhere_is_not_taken_over(client, world, come_back) -> None:
    world.person("ann@alpha.example", "admin", at=GROUP)
    assert "at home in another organisation" in reason(come_back())


def test_who_was_taken_out_does_not_come_back(client, world, come_back, session) -> None:
    come_back()
    me = client.get("/v1/me").json()["id"]
    world.member(me, "planner", at=world.b)
    session.execute(text("select set_config('hub.org', :a, true)"), {"a": str(world.a)})
    session.execute(text("delete from membership where organisation_id = :a"), {"a": world.a})
    client.cookies.clear()
    assert "no member" in reason(come_back())


def test_a_disabled_account_stays_out(client, world, come_back, as_principal) -> None:
    come_back()
    me = client.get("/v1/me").json()["id"]
    boss = world.person("boss@alpha.example", "admin", at=world.a)
    as_principal(world.principal(boss, "admin", at=world.a))
    assert client.patch(f"/v1/people/{me}", json={"is_disabled": True}).status_code == 200
    assert "disabled" in reason(come_back())


def test_an_authoritative_provider_need_not_say_verified(world, theirs, register, enter) -> None:
    known = register(world.b, theirs.issuer, "beta.example", is_authoritative=True)
    theirs.person |= {"email": "bob@beta.example", "email_verified": None}
    assert enter(known).status_code == 303


def test_roles_follow_the_claim_at_each_sign_in(client, world, theirs, register, enter) -> None:
    mapping = {"role_claim": "groups", "role_mapping": {"it": ["it"], "data": ["steward"]}, "default_roles": []}
    known = register(world.b, theirs.issuer, "beta.example", **mapping)
    theirs.person |= {"email": "bob@beta.example"}
    seen = []
    for groups in (["it", "x"], ["data"], []):
        theirs.person["groups"] = groups
        assert enter(known).status_code == 303
        scopes = client.get("/v1/me").json()["scopes"]
        seen.append(("systems:write" in scopes, "batches:release" in scopes, "inventory:read" in scopes))
    assert seen == [(True, False, True), (False, True, True), (False, False, False)]


def test_no_role_no_account(world, theirs, register, enter) -> None:
    known = register(world.b, theirs.issuer, "beta.example", default_roles=[])
    theirs.person |= {"email": "bob@beta.example"}
    assert "no role" in reason(enter(known))


@pytest.mark.parametrize("email", ["ann@alpha.example", "nobody@ALPHA.example"])
def test_the_door_leads_by_the_domain_alone(client, ours, theirs, email) -> None:
    answer = client.post("/signin/organisation", data={"email": email, "next": "/trends"}, headers=HTML)
    address = follow(client, answer)
    assert f"login_hint={email.replace('@', '%40')}" in address
    assert client.get(back(address, theirs.authorize(address))).headers["location"] == "/trends"


def test_the_door_says_where_a_domain_has_no_provider(client, ours, world) -> None:
    world.person("bob@beta.example", "planner", at=world.b)
    for email in ("bob@beta.example", "nobody@beta.example"):
        answer = client.post("/signin/organisation?lang=en", data={"email": email}, headers=HTML)
        assert answer.status_code == 404 and "no sign-in of its own" in answer.text


def test_where_it_is_enforced_a_password_leads_to_the_provider(client, world, theirs, register) -> None:
    known = register(world.a, theirs.issuer, "alpha.example", is_enforced=True)
    world.person("ann@alpha.example", "planner", at=world.a)
    world.person("head@alpha.example", "planner", at=GROUP)
    form = {"email": "ann@alpha.example", "password": PASSWORD, "next": "/trends"}
    answer = client.post("/signin", data=form, headers=HTML)
    assert answer.headers["location"] == f"/federation/{known}/start?next=%2Ftrends"
    assert client.post("/v1/session", json={k: form[k] for k in ("email", "password")}).status_code == 403
    assert client.post("/signin", data=form | {"password": "wrong password"}).status_code == 401
    assert client.post("/signin", data=form | {"email": "head@alpha.example"}).headers["location"] == "/trends"


def test_signing_out_ends_their_session_too(client, come_back, theirs) -> None:
    come_back()
    csrf = client.get("/account", headers=HTML).text.split('name="csrf_token" value="')[1].split('"')[0]
    answer = client.post("/signout", data={"csrf_token": csrf})
    address = answer.headers["refresh"]
    assert f"{theirs.issuer}/logout?id_token_hint=ey" in address and "post_logout_redirect_uri=" in address
    assert client.get("/v1/me").status_code == 401


def test_keys_are_asked_for_anew_when_one_is_unknown(come_back, theirs) -> None:
    come_back()
    oidc._asked_anew.clear()
    theirs.keys.append(RSAKey.generate_key(2048, {"kid": "two"}))
    assert come_back().status_code == 303
    assert theirs.asked.count("/jwks") == 2 and theirs.asked.count("/.well-known/openid-configuration") == 1


@pytest.fixture
def begin_link(client, ours, sign_in):
    """Whoever signs in with their password begins to link themselves; the answer is the provider's address."""

    def begin(email: str) -> str:
        csrf = sign_in(email)
        return follow(client, client.post(f"/account/federation/{ours}/link", data={"csrf_token": csrf}))

    return begin


def test_a_person_at_home_elsewhere_links_their_account(client, world, theirs, begin_link, come_back) -> None:
    person = world.person("head@group.example", "admin", at=GROUP)
    world.member(person, "planner", at=world.a)
    theirs.person = ANN | {"email": "other@elsewhere.example"}
    address = begin_link("head@group.example")
    assert client.get(back(address, theirs.authorize(address))).headers["location"] == "/account"
    client.cookies.clear()
    assert come_back().status_code == 303
    assert client.get("/v1/me").json()["id"] == str(person)


def test_the_account_page_offers_and_ends_a_link(client, world, come_back) -> None:
    come_back()
    page = client.get("/account", headers=HTML).text
    action = page.split('action="/account/federation/')[1].split('"')[0]
    assert action.endswith("/unlink")
    csrf = page.split('name="csrf_token" value="')[1].split('"')[0]
    assert client.post(f"/account/federation/{action}", data={"csrf_token": csrf}).status_code == 303
    assert f'{action.removesuffix("/unlink")}/link"' in client.get("/account", headers=HTML).text


def test_nobody_links_with_the_provider_of_an_organisation_that_is_not_theirs(client, world, ours, sign_in) -> None:
    world.person("bob@beta.example", "admin", at=world.b)
    csrf = sign_in("bob@beta.example")
    assert client.post(f"/account/federation/{ours}/link", data={"csrf_token": csrf}).status_code == 404
    assert client.post(f"/account/federation/{ours}/unlink", data={"csrf_token": csrf}).status_code == 404
    del client.headers["x-csrf-token"]
    assert client.post(f"/account/federation/{ours}/link").status_code == 403


def test_a_link_is_made_by_the_person_who_began_it(client, world, theirs, begin_link, sign_in) -> None:
    world.person("ann@alpha.example", "planner", at=world.a)
    world.person("eve@alpha.example", "planner", at=world.a)
    address = begin_link("ann@alpha.example")
    sign_in("eve@alpha.example")
    assert "Another person signed in" in reason(client.get(back(address, theirs.authorize(address))))


def test_a_provider_that_is_disabled_or_of_a_closed_organisation_signs_nobody_in(client, ours, session, world) -> None:
    session.execute(text("select set_config('hub.org', :a, true)"), {"a": str(world.a)})
    session.execute(text("update identity_provider set disabled_at = now()"))
    assert client.get(f"/federation/{ours}/start").status_code == 404
    answer = client.post("/signin/organisation", data={"email": "ann@alpha.example"}, headers=HTML)
    assert answer.status_code == 404
