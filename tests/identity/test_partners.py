"""Grants to partners: what one side grants and the other assigns, and that nothing is left when it is taken back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from hub.database import Tenancy, set_tenancy
from identity.models import Membership
from identity.partners import service
from identity.partners.schemas import PartnerGrantIn, PartnerGrantPatch
from identity.scopes import ROLES, delegable_roles, delegated
from tests.conftest import GROUP

ROLE = st.lists(st.sampled_from(delegable_roles("subsidiary")), min_size=1, max_size=3, unique=True)


@pytest.fixture
def sides(world):
    """The giver's and the supplier's administrator, and a person of the supplier."""
    giver = world.principal(world.person("boss@alpha.example", "admin", at=world.a), "admin", at=world.a)
    partner = world.principal(
        world.person("boss@bolts.example", "admin", at=world.supplier), "admin", at=world.supplier
    )
    return giver, partner, world.person("guest@bolts.example", "sales", at=world.supplier)


def share(world, sides, granted=("planner", "steward"), assigned=("planner", "steward")):
    giver, partner, guest = sides
    set_tenancy(world.session, giver.tenancy)
    grant = service.grant(world.session, giver, PartnerGrantIn(partner="bolts", roles=list(granted)))
    set_tenancy(world.session, partner.tenancy)
    service.assign(world.session, partner, grant.id, guest, assigned)
    return grant


def act_there(client, world, sign_in) -> dict:
    sign_in("guest@bolts.example")
    client.put("/v1/session/organisation", json={"organisation_id": str(world.a)})
    return client.get("/v1/me").json()


def test_a_partners_person_acts_for_the_giver_alone(client, world, sides, sign_in, make_org) -> None:
    make_org("below", parent_id=world.a)
    share(world, sides)
    me = act_there(client, world, sign_in)
    assert (me["organisation_id"], me["via_id"], me["readable"]) == (str(world.a), str(world.supplier), [str(world.a)])
    assert "batches:release" in me["scopes"] and "people:read" not in me["scopes"]
    (there,) = [o for o in client.get("/v1/session/organisations").json() if o["via"]]
    assert (there["key"], there["via"]["name_en"]) == ("alpha", "bolts")


@pytest.fixture
def there(client, world, sides, sign_in):
    share(world, sides)
    assert act_there(client, world, sign_in)["organisation_id"] == str(world.a)
    return client, world, sides[2]


@pytest.mark.parametrize("role", ["it", "admin"])
def test_what_would_outlive_the_grant_is_not_delegable(client, world, sides, sign_in, role) -> None:
    sign_in("boss@alpha.example")
    answer = client.post("/v1/partner-grants", json={"partner": "bolts", "roles": [role]})
    assert answer.status_code == 422 and "planner, buyer, steward" in answer.json()["detail"]


def test_the_partner_assigns_no_more_than_was_granted(client, world, sides, sign_in) -> None:
    grant = share(world, sides, granted=["planner"], assigned=["planner"])
    sign_in("boss@bolts.example")
    url = f"/v1/partner-grants/{grant.id}"
    assert client.put(f"{url}/people/{sides[2]}", json={"roles": ["steward"]}).status_code == 403
    assert client.patch(url, json={"roles": ["steward"]}).status_code == 403
    assert client.delete(url).status_code == 403


def test_only_the_partners_own_people_are_assigned(client, world, sides, sign_in) -> None:
    grant = share(world, sides)
    stranger = world.person("ann@beta.example", "planner", at=world.b)
    sign_in("boss@bolts.example")
    url = f"/v1/partner-grants/{grant.id}/people/{stranger}"
    assert client.put(url, json={"roles": ["planner"]}).status_code == 404


def test_a_member_of_the_giver_keeps_the_own_membership(client, world, sides, sign_in) -> None:
    grant = share(world, sides)
    both = world.person("both@bolts.example", "sales", at=world.supplier)
    world.member(both, "it", at=world.a)
    sign_in("boss@bolts.example")
    url = f"/v1/partner-grants/{grant.id}/people/{both}"
    assert client.put(url, json={"roles": ["planner"]}).status_code == 409
    assert client.delete(url).status_code == 404


def test_both_sides_see_who_has_access_and_either_ends_it(client, world, sides, sign_in) -> None:
    grant = share(world, sides)
    for email in ("boss@bolts.example", "boss@alpha.example"):
        sign_in(email)
        url = f"/v1/partner-grants/{grant.id}/people"
        (one,) = client.get(url).json()
        assert (one["email"], one["roles"]) == ("guest@bolts.example", ["steward"])
    assert client.delete(f"{url}/{sides[2]}").status_code == 204
    assert client.get(url).json() == []
    assert [p["email"] for p in client.get("/v1/people").json()["items"]] == ["boss@alpha.example"]


@pytest.mark.parametrize(
    ("at", "change"),
    [
        ("a", "update partner_grant set revoked_at = now()"),
        ("a", "update partner_grant set expires_at = now()"),
        ("supplier", "delete from membership where organisation_id = :at and person_id = :who"),
        ("supplier", "update membership set disabled_at = now() where organisation_id = :at and person_id = :who"),
        ("group", "update organisation set closed_at = now() where key = 'bolts'"),
        ("group", "update organisation set closed_at = now() where key = 'alpha'"),
    ],
)
def test_the_access_ends_with_what_it_stands_on(there, at, change) -> None:
    client, world, guest = there
    acting = {"a": world.a, "supplier": world.supplier, "group": GROUP}[at]
    set_tenancy(world.session, Tenancy(world.everything, acting))
    values = {"at": acting, "who": guest} if ":who" in change else {}
    assert world.session.execute(text(change), values).rowcount == 1
    assert client.get("/v1/me").status_code == 401


def test_granting_again_revives_nobody(client, world, sides, sign_in) -> None:
    grant = share(world, sides)
    giver = sides[0]
    set_tenancy(world.session, giver.tenancy)
    service.revoke_grant(world.session, giver, grant.id)
    again = service.grant(world.session, giver, PartnerGrantIn(partner="bolts", roles=["planner"]))
    assert service.list_people(world.session, again.id) == []
    world.session.expire_all()
    assert world.session.get(Membership, (world.a, sides[2])) is None
    assert act_there(client, world, sign_in)["organisation_id"] == str(world.supplier)


def test_a_grant_ends_by_itself(client, world, sides, sign_in) -> None:
    grant = share(world, sides)
    sign_in("boss@alpha.example")
    past, soon = datetime.now(UTC) - timedelta(days=1), datetime.now(UTC) + timedelta(days=1)
    url = f"/v1/partner-grants/{grant.id}"
    answers = [client.patch(url, json={"expires_at": at.isoformat()}).status_code for at in (past, soon)]
    assert answers == [422, 200]
    assert client.patch(url, json={"expires_at": None}).json()["expires_at"] is None


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(granted=ROLE, assigned=ROLE, then=ROLE)
def test_scopes_in_force_are_granted_and_assigned(world, sides, granted, assigned, then) -> None:
    giver, partner, guest = sides
    with world.session.begin_nested() as undone:
        kept = [role for role in assigned if role in granted]
        grant = share(world, sides, granted, kept or granted[:1])
        set_tenancy(world.session, giver.tenancy)
        service.change_grant(world.session, giver, grant.id, PartnerGrantPatch(roles=then))
        (one,) = service.list_people(world.session, grant.id)
        assert set(one.scopes) == set(delegated(kept or granted[:1], "subsidiary")) & set(delegated(then, "subsidiary"))
        assert not set(one.scopes) & {"people:write", "systems:write", "rates:write"}
        service.revoke_grant(world.session, giver, grant.id)
        assert service.list_people(world.session, grant.id) == []
        undone.rollback()
    assert set(ROLES["planner"]) and partner and guest
