"""Tokens of provisioning and roles of groups, as administrators handle them: four cases per endpoint, and the page."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hub.columns import new_id
from hub.database import Tenancy, set_tenancy
from identity.scim import groups, tokens
from identity.scim.schemas import TokenIn
from tests.identity.test_endpoints import Endpoint, ask, label

TOKEN = {"name": "second", "organisation_id": "{organisation}"}
OWN = [
    Endpoint("GET", "/v1/scim/tokens", 200, scope="people:write"),
    Endpoint("GET", "/v1/scim/groups", 200, scope="people:read"),
]
NAMED = [
    Endpoint("POST", "/v1/scim/tokens", 201, TOKEN, "people:write"),
    Endpoint("DELETE", "/v1/scim/tokens/{token}", 204, scope="people:write"),
    Endpoint("PATCH", "/v1/scim/groups/{group}", 200, {"roles": ["it"]}, "people:write"),
]
EVERY = OWN + NAMED


@pytest.fixture
def things(world):
    """What each subsidiary has: a token and the groups it brought."""

    def of(organisation_id):
        boss = world.person(f"boss@{organisation_id}.example", "admin", at=organisation_id)
        set_tenancy(world.session, Tenancy((organisation_id,), organisation_id))
        me = world.principal(boss, "admin", at=organisation_id)
        made = tokens.create_token(world.session, me, TokenIn(name="first"))
        group = groups.list_all(world.session)[1].id
        ids = {"token": str(made.id), "group": str(group), "organisation": str(organisation_id)}
        return ids | {"boss": boss}

    return of


@pytest.mark.parametrize("endpoint", EVERY, ids=label)
def test_anonymous_is_told_401(client, endpoint) -> None:
    ids = dict.fromkeys(("token", "group", "organisation"), str(new_id()))
    assert ask(client, endpoint, ids).status_code == 401


@pytest.mark.parametrize("endpoint", EVERY, ids=label)
def test_without_the_scope_403(client, world, things, as_principal, endpoint) -> None:
    mine = things(world.a)
    caller = world.principal(mine["boss"], "admin", at=world.a)
    as_principal(replace(caller, scopes=caller.scopes - {endpoint.scope}))
    assert ask(client, endpoint, mine).status_code == 403


@pytest.mark.parametrize("endpoint", NAMED, ids=label)
def test_another_tenants_thing_is_not_there(client, world, things, as_principal, endpoint) -> None:
    mine, other = things(world.a), things(world.b)
    as_principal(world.principal(mine["boss"], "admin", at=world.a))
    assert ask(client, endpoint, other).status_code == 404


@pytest.mark.parametrize("endpoint", EVERY, ids=label)
def test_the_valid_call_is_answered(client, world, things, as_principal, endpoint) -> None:
    mine = things(world.a)
    as_principal(world.principal(mine["boss"], "admin", at=world.a))
    answer = ask(client, endpoint, mine)
    assert answer.status_code == endpoint.status, answer.text
    assert ("hubscim_" in answer.text) == (endpoint.status == 201 and endpoint.method == "POST")


def test_nobody_has_a_group_grant_more_than_they_hold(client, world, things, as_principal) -> None:
    mine = things(world.a)
    caller = world.principal(mine["boss"], "it", at=world.a)
    as_principal(replace(caller, scopes=caller.scopes | {"people:write"}))
    assert client.patch(f"/v1/scim/groups/{mine['group']}", json={"roles": ["admin"]}).status_code == 403


@pytest.mark.parametrize("locale", ["zh", "en"])
def test_the_page_makes_and_ends_tokens(client, world, sign_in, locale) -> None:
    world.person("root@alpha.example", "admin", at=world.a)
    form = {"csrf_token": sign_in("root@alpha.example")}
    client.patch("/v1/me", json={"locale": locale})
    made = client.post("/provisioning/tokens", data=form | {"name": "sync"})
    assert made.status_code == 200 and "hubscim_" in made.text and f"/scim/v2/{world.a}" in made.text
    page = client.get("/provisioning", headers={"accept": "text/html"})
    assert "hubscim_" not in page.text and "sync" in page.text and f'lang="{locale}"' in page.text
    (token,) = client.get("/v1/scim/tokens").json()
    admins, group, *_ = [g["id"] for g in client.get("/v1/scim/groups").json()]
    assert client.post(f"/provisioning/groups/{admins}", data=form | {"roles": ["it"]}).status_code == 422
    assert client.post(f"/provisioning/groups/{group}", data=form | {"roles": ["it"]}).status_code == 303
    assert client.post(f"/provisioning/tokens/{token['id']}", data=form).status_code == 303
    assert client.get("/v1/scim/tokens").json() == []
    assert client.post(f"/provisioning/tokens/{token['id']}", data=form).status_code == 422
