"""Setting up providers and domains: four cases per endpoint, secrets that stay secret, proofs that are looked for."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import dns.resolver
import pytest
from sqlalchemy import select

from hub import outgoing, vault
from hub.columns import new_id
from hub.database import Tenancy, set_tenancy
from identity.federation import domains
from identity.federation.models import IdentityProvider, VerifiedDomain
from tests.identity.test_endpoints import Endpoint, ask, label

PROVIDER = {"name": "Theirs", "issuer": "https://id.example", "client_id": "hub", "client_secret": "very secret"}
MADE = PROVIDER | {"organisation_id": "{organisation}", "default_roles": ["planner"]}
SCOPE = "federation:write"
OWN = [Endpoint("GET", f"/v1/{path}", 200, scope=SCOPE) for path in ("identity-providers", "domains")]
NAMED = [
    Endpoint("POST", "/v1/identity-providers", 201, MADE, SCOPE),
    Endpoint("GET", "/v1/identity-providers/{provider}", 200, scope=SCOPE),
    Endpoint("PATCH", "/v1/identity-providers/{provider}", 200, {"name": "New"}, SCOPE),
    Endpoint("DELETE", "/v1/identity-providers/{provider}", 204, scope=SCOPE),
    Endpoint("POST", "/v1/domains", 201, {"domain": "New.Example", "organisation_id": "{organisation}"}, SCOPE),
    Endpoint("POST", "/v1/domains/{domain}/verification", 200, scope=SCOPE),
    Endpoint("DELETE", "/v1/domains/{domain}", 204, scope=SCOPE),
]
EVERY = OWN + NAMED


@pytest.fixture
def zone(monkeypatch):
    """What the DNS says: names and their TXT records."""
    records: dict[str, list[str]] = {}

    def resolve(name, kind, lifetime):
        if name not in records:
            raise dns.resolver.NXDOMAIN
        return [SimpleNamespace(strings=[text.encode()[:9], text.encode()[9:]]) for text in records[name]]

    monkeypatch.setattr(dns.resolver, "resolve", resolve)
    return records


@pytest.fixture
def things(world, register, zone):
    """What each subsidiary has: a provider, and a domain whose proof is in the DNS."""

    def of(organisation_id):
        provider = register(organisation_id, "https://sso.example")
        domain = VerifiedDomain(
            id=new_id(), organisation_id=organisation_id, domain=f"d{organisation_id}.example", token="t", method="dns"
        )
        world.session.add(domain)
        world.session.flush()
        zone[domains.place(domain)] = ["v=spf1", domains.proof(domain)]
        boss = world.person(f"boss@{organisation_id}.example", "admin", at=organisation_id)
        set_tenancy(world.session, Tenancy((organisation_id,), organisation_id))
        ids = {"provider": provider, "domain": domain.id, "organisation": organisation_id}
        return {name: str(value) for name, value in ids.items()} | {"boss": boss}

    return of


@pytest.mark.parametrize("endpoint", EVERY, ids=label)
def test_anonymous_is_told_401(client, endpoint) -> None:
    assert (
        ask(client, endpoint, dict.fromkeys(("provider", "domain", "organisation"), str(new_id()))).status_code == 401
    )


@pytest.mark.parametrize("endpoint", EVERY, ids=label)
def test_without_the_scope_403(client, world, things, as_principal, endpoint) -> None:
    mine = things(world.a)
    caller = world.principal(mine["boss"], "admin", at=world.a)
    as_principal(replace(caller, scopes=caller.scopes - {SCOPE}))
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
    assert "secret" not in answer.text.replace("has_secret", "")


@pytest.fixture
def boss(world, things, as_principal):
    mine = things(world.a)
    as_principal(world.principal(mine["boss"], "admin", at=world.a))
    return mine


def test_a_secret_is_kept_sealed(client, boss, session) -> None:
    made = client.post("/v1/identity-providers", json=PROVIDER).json()
    assert made["has_secret"] and made["redirect_uri"].endswith(f"/federation/{made['id']}/callback")
    kept = session.get(IdentityProvider, made["id"]).client_secret
    assert b"very secret" not in kept and vault.unseal(kept) == b"very secret"
    assert client.post("/v1/identity-providers", json=PROVIDER).status_code == 409


BAD = [
    {"issuer": "http://id.example"}, {"issuer": "https://id.example?x=1"}, {"issuer": "https://u@id.example"},
    {"default_roles": ["king"]}, {"role_mapping": {"g": ["king"]}}, {"role_mapping": {"": ["it"]}},
    {"scopes": ["open id"]}, {"name": ""}, {"surprise": 1}, {"client_id": "a\x00b"},
]  # fmt: skip


@pytest.mark.parametrize("changes", BAD, ids=str)
def test_bad_providers_are_refused(client, boss, changes) -> None:
    assert client.post("/v1/identity-providers", json=PROVIDER | changes).status_code == 422


@pytest.mark.parametrize("changes", [{"default_roles": ["admin"]}, {"role_mapping": {"x": ["it"], "y": ["admin"]}}])
def test_nobody_has_a_provider_grant_more_than_they_hold(client, world, boss, as_principal, changes) -> None:
    caller = world.principal(boss["boss"], "it", at=world.a)
    as_principal(replace(caller, scopes=caller.scopes | {SCOPE}))
    for answer in (
        client.post("/v1/identity-providers", json=PROVIDER | changes),
        client.patch(f"/v1/identity-providers/{boss['provider']}", json=changes),
    ):
        assert answer.status_code == 403 and "people:write" in answer.json()["detail"]


def test_a_provider_is_enforced_once_somebody_has_signed_in(client, world, as_principal, come_back, ours) -> None:
    admin = world.person("root@alpha.example", "admin", at=world.a)
    as_principal(world.principal(admin, "admin", at=world.a))
    url = f"/v1/identity-providers/{ours}"
    assert client.patch(url, json={"is_enforced": True}).status_code == 409
    come_back()
    assert client.patch(url, json={"is_enforced": True}).json()["is_enforced"]
    assert client.patch(url, json={"is_disabled": True, "is_enforced": False}).json()["is_disabled"]


@pytest.mark.parametrize(
    "domain", ["localhost", "a..b", "-a.example", "a_b.example", "ex ample.com", "a.example/x", "@"]
)
def test_what_is_no_domain_is_refused(client, boss, domain) -> None:
    assert client.post("/v1/domains", json={"domain": domain}).status_code == 422


def test_a_domain_counts_once_its_record_is_there(client, boss, zone) -> None:
    made = client.post("/v1/domains", json={"domain": "alpha.example"}).json()
    url = f"/v1/domains/{made['id']}/verification"
    assert made["place"] == "_group-hub.alpha.example" and made["verified_at"] is None
    assert client.post(url).status_code == 422
    zone[made["place"]] = [made["proof"][:-1], f"x{made['proof']}"]
    assert client.post(url).status_code == 422
    zone[made["place"]] = [made["proof"]]
    assert client.post(url).json()["verified_at"] is not None


@pytest.mark.parametrize(("status", "found"), [(200, True), (404, False), (302, False)])
def test_a_domain_is_shown_by_a_file_too(client, boss, monkeypatch, status, found) -> None:
    made = client.post("/v1/domains", json={"domain": "alpha.example", "method": "file"}).json()
    assert made["place"] == "https://alpha.example/.well-known/group-hub.txt"
    answer = outgoing.Answer(status, {}, f"{made['proof']}\r\n".encode())
    monkeypatch.setattr(outgoing, "ask", lambda *_, **__: answer)
    assert client.post(f"/v1/domains/{made['id']}/verification").status_code == (200 if found else 422)


def test_a_domain_is_one_organisations_at_a_time(client, world, boss, zone, as_principal) -> None:
    for at, status in ((world.a, 200), (world.b, 409)):
        as_principal(world.principal(boss["boss"], "admin", at=at))
        made = client.post("/v1/domains", json={"domain": "shared.example"}).json()
        zone[made["place"]] = [made["proof"]]
        answer = client.post(f"/v1/domains/{made['id']}/verification")
        assert answer.status_code == status, answer.text
        assert str(world.a) not in answer.text or at == world.a


@pytest.mark.parametrize(("days", "is_kept"), [(0, True), (6, True), (8, False)])
def test_a_domain_without_its_proof_is_lost_after_a_week(committed_db, zone, days, is_kept) -> None:
    from sqlalchemy.orm import Session

    from tests.conftest import GROUP

    tenancy = {"tenancy": Tenancy((GROUP,), GROUP)}
    now = datetime.now(UTC)
    with Session(committed_db.engine, info=dict(tenancy)) as session, session.begin():
        known = {"token": "t", "method": "dns", "verified_at": now, "organisation_id": GROUP}
        session.add(
            VerifiedDomain(id=new_id(), domain="gone.example", missing_since=now - timedelta(days=days), **known)
        )
        session.add(VerifiedDomain(id=new_id(), domain="kept.example", missing_since=now - timedelta(days=8), **known))
    zone["_group-hub.kept.example"] = ["group-hub=t"]
    domains.check_domains(committed_db.engine)
    with Session(committed_db.engine, info=dict(tenancy)) as session:
        gone, kept = session.scalars(select(VerifiedDomain).order_by(VerifiedDomain.domain))
        assert (gone.verified_at is not None, gone.missing_since is not None) == (is_kept, True)
        assert kept.verified_at is not None and kept.missing_since is None


@pytest.mark.parametrize("locale", ["zh", "en"])
def test_the_page_sets_it_all_up(client, world, sign_in, zone, locale) -> None:
    world.person("root@alpha.example", "admin", at=world.a)
    form = {"csrf_token": sign_in("root@alpha.example")}
    client.patch("/v1/me", json={"locale": locale})
    new = {"name": "Theirs", "issuer": "https://id.example", "client_id": "hub", "default_roles": ["planner"]}
    assert client.post("/federation/providers", data=form | new | {"mapping": "g: it, admin"}).status_code == 303
    assert client.post("/federation/providers", data=form | new | {"mapping": "nonsense"}).status_code == 422
    assert client.post("/federation/domains", data=form | {"domain": "alpha.example"}).status_code == 303
    (domain,) = client.get("/v1/domains").json()
    (provider,) = client.get("/v1/identity-providers").json()
    assert provider["role_mapping"] == {"g": ["it", "admin"]}
    url = f"/federation/domains/{domain['id']}"
    assert client.post(url, data=form | {"action": "verify"}).status_code == 422
    zone[domain["place"]] = [domain["proof"]]
    assert client.post(url, data=form | {"action": "verify"}).status_code == 303
    page = client.get("/federation", headers={"accept": "text/html"})
    assert page.status_code == 200 and provider["redirect_uri"] in page.text and f'lang="{locale}"' in page.text
    for action, status in (("disable", 303), ("enable", 303), ("enforce", 422), ("delete", 303)):
        url = f"/federation/providers/{provider['id']}"
        assert client.post(url, data=form | {"action": action}).status_code == status
