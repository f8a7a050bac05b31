"""What an upgrade finds there: people get a pseudonym, administrators the new scope."""

from __future__ import annotations

from hub import migrate
from hub.columns import new_id
from hub.database import Tenancy, unit_of_work
from identity.models import Membership, Person
from identity.scopes import roles_in, scopes_of
from tests.conftest import GROUP


def test_who_was_there_is_known_to_the_log_and_administrators_read_it(committed_db, server) -> None:
    migrate.downgrade(committed_db.url, "20261124_10")
    held = {"admin": set(scopes_of(["admin"])) - {"audit:read"}, "steward": set(scopes_of(["steward"]))}
    with unit_of_work(committed_db.engine, Tenancy((GROUP,), GROUP)) as session:
        people = {role: new_id() for role in held}
        for role, person_id in people.items():
            session.add(Person(id=person_id, organisation_id=GROUP, email=f"{role}@group.example", name=role))
            session.flush()
            session.add(Membership(organisation_id=GROUP, person_id=person_id, scopes=sorted(held[role])))
    migrate.upgrade(committed_db.url)
    with unit_of_work(committed_db.engine, Tenancy((GROUP,), GROUP)) as session:
        scopes = {role: session.get_one(Membership, (GROUP, person_id)).scopes for role, person_id in people.items()}
        known = session.connection().exec_driver_sql("select count(*) from audit_subject").scalar()
    assert (roles_in(scopes["admin"]), scopes["admin"]) == (["admin"], scopes_of(["admin"]))
    assert roles_in(scopes["steward"]) == ["steward"] and known == 2
