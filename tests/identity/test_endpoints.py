"""Four cases per endpoint: anonymous, without the scope, another tenant's thing, and the valid call."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple
from uuid import UUID

import pytest

from hub.columns import new_id
from hub.database import Tenancy, set_tenancy
from identity.invitations import service as invitations
from identity.invitations.schemas import InvitationIn
from identity.models import Agent
from identity.partners import service as partners
from identity.partners.schemas import PartnerGrantIn
from identity.principal import Principal
from identity.scopes import AGENT_SCOPES
from identity.sessions.service import Browser, open_session
from tests.conftest import GROUP
from tests.identity.conftest import PASSWORD


class Endpoint(NamedTuple):
    """`path` and `body` may name {person}, {agent}, {session}, {organisation}, …: a thing of the caller's."""

    method: str
    path: str
    status: int
    body: dict | None = None
    scope: str = "settings:self"


JWK = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
ORGANISATION = {"key": "gamma", "name_zh": "丙", "name_en": "Gamma", "parent_id": "{organisation}"}
INVITATION = {"email": "new@alpha.example", "name": "New", "roles": ["planner"], "organisation_id": "{organisation}"}
GRANT = {"partner": "bolts", "roles": ["planner"], "organisation_id": "{organisation}"}
AGENT = {"name": "second", "grants": [{"system": "u8", "organisation_ids": ["{organisation}"]}]}

OWN = [
    Endpoint("GET", "/v1/me", 200, scope=""),
    Endpoint("PATCH", "/v1/me", 204, {"density": "compact"}),
    Endpoint("GET", "/v1/sessions", 200),
    Endpoint("GET", "/v1/session/organisations", 200),
    Endpoint("POST", "/v1/me/merge-token", 201),
    Endpoint("POST", "/v1/me/merges", 404, {"token": "no token"}),
    Endpoint("POST", "/v1/invitations/accept", 404, {"token": "no token"}),
    Endpoint("POST", "/v1/me/email", 202, {"email": "mine@new.example", "password": PASSWORD}),
    Endpoint("GET", "/v1/people", 200, scope="people:read"),
    Endpoint("GET", "/v1/invitations", 200, scope="people:read"),
    Endpoint("GET", "/v1/partner-grants", 200, scope="people:read"),
    Endpoint("GET", "/v1/agents", 200, scope="feeds:read"),
    Endpoint("GET", "/v1/organisations", 200, scope="feeds:read"),
]
NAMED = [
    Endpoint("DELETE", "/v1/sessions/{session}", 204),
    Endpoint("PUT", "/v1/session/organisation", 204, {"organisation_id": "{organisation}"}),
    Endpoint("GET", "/v1/people/{person}", 200, scope="people:read"),
    Endpoint("PATCH", "/v1/people/{person}", 200, {"roles": ["buyer"]}, scope="people:write"),
    Endpoint("DELETE", "/v1/people/{person}", 204, scope="people:write"),
    Endpoint("POST", "/v1/people/{person}/password-reset", 202, scope="people:write"),
    Endpoint("POST", "/v1/people/{person}/erasure", 204, scope="people:write"),
    Endpoint("POST", "/v1/invitations", 201, INVITATION, scope="people:write"),
    Endpoint("POST", "/v1/invitations/{invitation}/link", 201, scope="people:write"),
    Endpoint("DELETE", "/v1/invitations/{invitation}", 204, scope="people:write"),
    Endpoint("POST", "/v1/partner-grants", 201, GRANT, scope="people:write"),
    Endpoint("GET", "/v1/partner-grants/{grant}", 200, scope="people:read"),
    Endpoint("PATCH", "/v1/partner-grants/{grant}", 200, {"roles": ["buyer"]}, scope="people:write"),
    Endpoint("DELETE", "/v1/partner-grants/{grant}", 204, scope="people:write"),
    Endpoint("GET", "/v1/partner-grants/{grant}/people", 200, scope="people:read"),
    Endpoint("DELETE", "/v1/partner-grants/{grant}/people/{guest}", 204, scope="people:write"),
    Endpoint("GET", "/v1/organisations/{organisation}", 200, scope="feeds:read"),
    Endpoint("POST", "/v1/organisations", 201, ORGANISATION, scope="people:write"),
    Endpoint("PATCH", "/v1/organisations/{below}", 200, {"name_en": "New"}, scope="people:write"),
    Endpoint("POST", "/v1/organisations/{below}/closing", 200, {}, scope="people:write"),
    Endpoint("DELETE", "/v1/organisations/{below}/closing", 200, scope="people:write"),
    Endpoint("GET", "/v1/organisations/{organisation}/exports", 200, scope="people:write"),
    Endpoint("POST", "/v1/organisations/{organisation}/exports", 202, scope="people:write"),
    Endpoint("GET", "/v1/organisations/{organisation}/exports/{export}/file", 404, scope="people:write"),
    Endpoint("PUT", "/v1/partner-grants/{grant}/people/{guest}", 404, {"roles": ["buyer"]}, scope="people:write"),
    Endpoint("GET", "/v1/agents/{agent}", 200, scope="feeds:read"),
    Endpoint("PATCH", "/v1/agents/{agent}", 200, {"is_disabled": True}, scope="systems:write"),
    Endpoint("POST", "/v1/agents/{agent}/code", 201, scope="systems:write"),
    Endpoint("POST", "/v1/agents", 201, AGENT, scope="systems:write"),
]
AGENTS = [
    Endpoint("GET", "/v1/agents/self", 200, scope="batches:write"),
    Endpoint("POST", "/v1/agents/self/health", 204, {"systems": []}, scope="batches:write"),
    Endpoint("PUT", "/v1/agents/self/key", 204, {"public_key": JWK}, scope="batches:write"),
]
EVERY = OWN + NAMED + AGENTS


def label(endpoint: Endpoint) -> str:
    return f"{endpoint.method} {endpoint.path}"


def sharing(world, boss, organisation_id, make_org):
    """An invitation of it, and a grant of it to a partner of its own, which somebody uses."""
    partner = make_org(f"p-{organisation_id}", kind="carrier").id
    me = world.principal(boss, "admin", at=organisation_id)
    set_tenancy(world.session, me.tenancy)
    invitation = invitations.invite(world.session, me, InvitationIn(roles=["planner"])).invitation
    given = PartnerGrantIn(partner=f"p-{organisation_id}", roles=["planner", "buyer"])
    grant = partners.grant(world.session, me, given)
    guest = world.person(f"guest@{organisation_id}.example", at=partner)
    away = Principal("person", new_id(), "Partner", partner, (partner,), frozenset())
    set_tenancy(world.session, away.tenancy)
    partners.assign(world.session, away, grant.id, guest, ["planner"])
    return {"invitation": invitation.id, "grant": grant.id, "guest": guest}


@pytest.fixture
def things(world, make_org):
    """What each subsidiary has: a person, an agent, a session of that person, itself."""

    def of(organisation_id):
        person = world.person(f"p@{organisation_id}.example", "planner", at=organisation_id)
        agent = Agent(id=new_id(), organisation_id=organisation_id, name="plant")
        world.session.add(agent)
        world.session.flush()
        boss = world.person(f"boss@{organisation_id}.example", "admin", at=organisation_id)
        shared = sharing(world, boss, organisation_id, make_org)
        opened = open_session(world.session, boss, Browser("10.0.0.1", "test"))
        set_tenancy(world.session, Tenancy((organisation_id,), organisation_id))
        below = make_org(f"b-{organisation_id}", parent_id=organisation_id).id
        set_tenancy(world.session, Tenancy((organisation_id, below), organisation_id))
        ids = {"person": person, "agent": agent.id, "session": opened.session_id, "organisation": organisation_id}
        ids |= {"below": below, "export": new_id()}
        return {name: str(value) for name, value in (ids | shared).items()} | {"boss": boss}

    return of


def fill(value, ids):
    if isinstance(value, str) and "{" in value:
        return value.format(**ids)
    if isinstance(value, dict):
        return {k: fill(v, ids) for k, v in value.items()}
    return [fill(v, ids) for v in value] if isinstance(value, list) else value


def ask(client, endpoint, ids):
    return client.request(endpoint.method, fill(endpoint.path, ids), json=fill(endpoint.body, ids))


@pytest.mark.parametrize("endpoint", EVERY, ids=label)
def test_anonymous_is_told_401(client, endpoint) -> None:
    names = ("person", "agent", "session", "organisation", "invitation", "grant", "guest", "export", "below")
    ids = dict.fromkeys(names, str(new_id()))
    answer = ask(client, endpoint, ids)
    assert answer.status_code == 401 and answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("endpoint", [e for e in EVERY if e.scope], ids=label)
def test_without_the_scope_403(client, world, things, as_principal, endpoint) -> None:
    mine = things(world.a)
    caller = world.principal(mine["boss"], "admin", at=world.a)
    as_principal(replace(caller, scopes=(caller.scopes | {"batches:write"}) - {endpoint.scope}))
    answer = ask(client, endpoint, mine)
    assert answer.status_code == 403 and endpoint.scope in answer.json()["detail"]


@pytest.mark.parametrize("endpoint", NAMED, ids=label)
def test_another_tenants_thing_is_not_there(client, world, things, as_principal, endpoint) -> None:
    mine, other = things(world.a), things(world.b)
    as_principal(world.principal(mine["boss"], "admin", at=world.a))
    assert ask(client, endpoint, other).status_code == 404
    as_principal(world.principal(other["boss"], "admin", at=world.b, session_id=None))
    assert client.get(f"/v1/people/{other['person']}").json()["roles"] == ["planner", "buyer"]


@pytest.mark.parametrize("endpoint", OWN + NAMED, ids=label)
def test_the_valid_call_is_answered(client, world, things, as_principal, endpoint) -> None:
    mine = things(world.a)
    caller = world.principal(mine["boss"], "admin", at=world.a)
    as_principal(replace(caller, readable=(world.a, UUID(mine["below"]))))
    answer = ask(client, endpoint, mine)
    assert answer.status_code == endpoint.status, answer.text


@pytest.mark.parametrize("endpoint", AGENTS, ids=label)
def test_the_agents_own_call_is_answered(client, world, things, as_principal, endpoint) -> None:
    agent = UUID(things(world.a)["agent"])
    as_principal(Principal("agent", agent, "plant", world.a, (world.a,), AGENT_SCOPES, token_id="1"))
    answer = ask(client, endpoint, {})
    assert answer.status_code == endpoint.status, answer.text


def test_nobody_grants_more_than_they_hold(client, world, things, as_principal) -> None:
    mine = things(world.a)
    caller = world.principal(mine["boss"], "planner", at=world.a)
    as_principal(replace(caller, scopes=caller.scopes | {"people:write", "people:read"}))
    answer = client.patch(f"/v1/people/{mine['person']}", json={"roles": ["admin"]})
    assert answer.status_code == 403 and "batches:release" in answer.json()["detail"]


def test_administrators_cannot_shut_themselves_out(client, world, things, as_principal) -> None:
    mine = things(world.a)
    as_principal(world.principal(mine["boss"], "admin", at=world.a))
    url = f"/v1/people/{mine['boss']}"
    answers = [client.delete(url), *(client.patch(url, json=b) for b in ({"roles": ["buyer"]}, {"is_disabled": True}))]
    assert [a.status_code for a in answers] == [409, 409, 409]


def test_a_list_goes_on_where_it_stopped(client, world, as_principal) -> None:
    people = [world.person(f"p{i}@alpha.example", "planner", at=world.a) for i in range(5)]
    as_principal(world.principal(people[0], "admin", at=world.a))
    seen, after = [], None
    while True:
        page = client.get("/v1/people", params={"limit": 2} | ({"after": after} if after else {})).json()
        seen += [p["person_id"] for p in page["items"]]
        if (after := page["next"]) is None:
            break
    assert seen == [str(p) for p in people]
    assert client.get("/v1/people", params={"after": "WzEsMl0"}).status_code == 422


def test_group_admins_manage_a_subsidiary(client, world, as_principal) -> None:
    head = world.person("head@group.example", "admin", at=GROUP)
    as_principal(world.principal(head, "admin", at=GROUP))
    invitation = INVITATION | {"organisation_id": str(world.b), "roles": ["admin"]}
    made = client.post("/v1/invitations", json=invitation)
    assert made.status_code == 201 and made.json()["invitation"]["organisation_id"] == str(world.b)


def test_nothing_tells_whether_an_address_has_an_account_elsewhere(client, world, things, as_principal) -> None:
    mine, _ = things(world.a), things(world.b)
    as_principal(world.principal(mine["boss"], "admin", at=world.a))
    answers = []
    for email in (f"p@{world.b}.example", "nobody@beta.example"):
        given = {"email": email, "roles": ["planner"], "organisation_id": str(world.a)}
        made = client.post("/v1/invitations", json=given)
        told = made.json()["invitation"]
        answers.append((made.status_code, {n: told[n] for n in ("roles", "name", "state", "used_by", "locale")}))
    assert answers[0] == answers[1] and answers[0][0] == 201
