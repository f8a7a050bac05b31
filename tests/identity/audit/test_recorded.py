"""What happens is in the log of everyone concerned, of nobody else, and names nobody."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from hub.database import Tenancy, set_tenancy
from identity.audit import service
from identity.audit.models import AuditEvent
from identity.scopes import STEWARDING
from tests.conftest import GROUP
from tests.identity.conftest import PASSWORD
from tests.identity.test_invitations import mailed

# The scope of the group alone is granted and not effective.
ADDED = sorted(STEWARDING)


def log_of(world, organisation_id):
    set_tenancy(world.session, Tenancy((organisation_id,), organisation_id))
    found = select(AuditEvent).where(AuditEvent.organisation_id == organisation_id).order_by(AuditEvent.event_id)
    return world.session.scalars(found).all()


def rows_of(world) -> str:
    """All that any log holds, as text."""
    set_tenancy(world.session, Tenancy(world.everything))
    return json.dumps([[str(c) for c in row] for row in world.session.execute(text("select * from audit_event"))])


def pseudonym(world, person_id):
    set_tenancy(world.session, Tenancy((GROUP, world.a, world.b)))
    query = text("select pseudonym from audit_subject where person_id = :id")
    return world.session.scalar(query, {"id": person_id})


def test_a_sign_in_and_its_refusals_are_in_the_log_of_the_home(client, world, sign_in) -> None:
    ann = world.person("ann@alpha.example", "planner", at=world.a)
    client.post("/v1/session", json={"email": "ann@alpha.example", "password": "wrong password"})
    client.post("/v1/session", json={"email": "nobody@alpha.example", "password": "wrong password"})
    sign_in("ann@alpha.example")
    assert client.delete("/v1/session").status_code == 204
    refused, entered, left = log_of(world, world.a)
    who = pseudonym(world, ann)
    assert (refused.action, refused.actor_kind, refused.actor) == ("sign_in_refused", "anonymous", None)
    assert (refused.object_id, refused.detail) == (str(who), {"reason": "wrong_password"})
    assert [(e.action, e.actor, e.acting_for) for e in (entered, left)] == [
        ("signed_in", who, "alpha"), ("session_ended", who, "alpha"),
    ]  # fmt: skip
    assert [e.detail["reason"] for e in log_of(world, GROUP)] == ["unknown_account"]
    assert log_of(world, world.b) == []


def test_a_throttled_sign_in_is_recorded_too(client, world) -> None:
    world.person("ann@alpha.example", "planner", at=world.a)
    for _ in range(6):
        answer = client.post("/v1/session", json={"email": "ann@alpha.example", "password": "wrong password"})
    assert answer.status_code == 429
    assert [e.detail["reason"] for e in log_of(world, world.a)] == ["wrong_password"] * 5 + ["too_many_tries"]


def test_what_a_group_admin_changes_is_in_both_logs_under_one_id(client, world, as_principal) -> None:
    head = world.person("head@group.example", "admin", at=GROUP)
    ann = world.person("ann@beta.example", "planner", at=world.b)
    as_principal(world.principal(head, "admin", at=GROUP))
    given = {"roles": ["steward"], "organisation_id": str(world.b)}
    assert client.patch(f"/v1/people/{ann}", json=given).status_code == 200
    (theirs,), (ours,) = log_of(world, world.b), log_of(world, GROUP)
    assert theirs.event_id == ours.event_id and theirs.action == "membership_changed"
    assert (theirs.actor, theirs.acting_for) == (pseudonym(world, head), "group")
    assert theirs.detail == {"organisation": str(world.b), "roles": ["steward"], "granted": ADDED, "revoked": []}
    assert (theirs.object_kind, theirs.object_id) == ("person", str(pseudonym(world, ann)))
    assert log_of(world, world.a) == []


def test_a_change_that_fails_leaves_no_event(client, world, as_principal) -> None:
    boss = world.person("boss@alpha.example", "admin", at=world.a)
    as_principal(world.principal(boss, "admin", at=world.a))
    assert client.delete(f"/v1/people/{boss}").status_code == 409
    assert log_of(world, world.a) == []


def test_no_row_names_a_person_and_a_forgotten_one_stays_unknown(client, world, as_principal) -> None:
    boss = world.person("boss@alpha.example", "admin", at=world.a)
    as_principal(world.principal(boss, "admin", at=world.a))
    invitation = {"email": "new@alpha.example", "name": "Newcomer", "roles": ["planner"]}
    assert client.post("/v1/invitations", json=invitation).status_code == 201
    given = mailed(world, "new@alpha.example") | {"name": "Newcomer", "password": "a new long password"}
    assert client.post("/v1/invitations/account", json=given).status_code == 201
    shown = [
        e for e in client.get("/v1/audit").json()["items"] if e["action"] in ("membership_made", "invitation_made")
    ]
    assert [(e["action"], e["actor_name"], e["object_name"]) for e in shown] == [
        ("membership_made", "Newcomer", "Newcomer"), ("invitation_made", "boss", None),
    ]  # fmt: skip
    rows = rows_of(world)
    assert not any(word in rows for word in ("Newcomer", "new@", "boss", str(boss), *given.values()))
    assert service.forget_person(world.session, boss) and not service.forget_person(world.session, boss)
    after = client.get("/v1/audit").json()["items"]
    assert [e["actor_name"] for e in after if e["action"] == "invitation_made"] == [None]
    assert shown[1]["actor"] in {e["actor"] for e in after}


def test_nobody_records_in_the_name_of_another(world) -> None:
    ann, ben = (world.person(f"{n}@alpha.example", "planner", at=world.a) for n in ("ann", "ben"))
    set_tenancy(world.session, Tenancy((world.a,), world.a, ann))
    with pytest.raises(DBAPIError, match="another actor"), world.session.begin_nested():
        service.record(world.session, "thing_happened", actor=service.Someone("person", ben, world.a))
    service.record(world.session, "thing_happened", actor=service.Someone("person", ann, world.a))
    assert [e.actor for e in log_of(world, world.a)] == [pseudonym(world, ann)]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (1.5, "1.5"), ({"b", "a"}, ["a", "b"]), ("a\0b", "a\ufffdb"), ("\ud800", "?"), (None, None), (True, True),
        ({"k": (1, GROUP)}, {"k": [1, str(GROUP)]}), (2**70, 2**70),
    ],
)  # fmt: skip
def test_detail_is_kept_as_every_reader_writes_it(world, given, kept) -> None:
    service.record(world.session, "thing_happened", organisations=[world.a], value=given)
    assert log_of(world, world.a)[0].detail == {"value": kept}


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("203.0.113.77", "203.0.113.0/24"), ("::ffff:203.0.113.77", "203.0.113.0/24"),
        ("2001:db8:1:2::3", "2001:db8:1::/48"), ("testclient", ""), ("", ""),
    ],
)  # fmt: skip
def test_of_an_address_the_network_is_kept(given, kept) -> None:
    assert service._network(given) == kept


def test_rights_of_agents_are_recorded_where_they_reach(client, world, as_principal) -> None:
    head = world.person("head@group.example", "admin", at=GROUP)
    as_principal(world.principal(head, "admin", at=GROUP))
    grants = [{"system": "u8", "organisation_ids": [str(world.a), str(world.b)]}]
    agent = client.post("/v1/agents", json={"name": "plant", "grants": grants}).json()["agent_id"]
    client.patch(f"/v1/agents/{agent}", json={"grants": [], "is_disabled": True})
    assert [e.action for e in log_of(world, world.a)] == ["agent_grant_made", "agent_grant_ended"]
    assert [e.action for e in log_of(world, GROUP)] == [
        "agent_made", "agent_grant_made", "agent_grant_made", "agent_code_made", "agent_disabled",
        "agent_grant_ended", "agent_grant_ended",
    ]  # fmt: skip


def test_a_password_by_link_and_by_oneself(client, world, sign_in) -> None:
    ann = world.person("ann@alpha.example", "planner", at=world.a)
    sign_in("ann@alpha.example")
    client.put("/v1/me/password", json={"current": PASSWORD, "password": "another long password"})
    assert [e.action for e in log_of(world, world.a)] == ["signed_in", "password_changed"]
    assert log_of(world, world.a)[1].object_id == str(pseudonym(world, ann))
