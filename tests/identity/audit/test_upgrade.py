"""What an upgrade finds there: people get a pseudonym, administrators the new scope."""

from __future__ import annotations

from sqlalchemy import text

from hub import migrate
from hub.columns import new_id
from hub.database import Tenancy, unit_of_work
from identity.models import Membership
from identity.scopes import roles_in, scopes_of
from tests.conftest import GROUP

# As the tables were then; what an administrator may do was less.
PERSON = text("""
    insert into person (id, organisation_id, email, name, locale, zone, theme, density)
    values (:id, :org, :email, :email, 'zh', 'UTC', 'system', 'standard')""")
MEMBERSHIP = text("insert into membership (organisation_id, person_id, scopes) values (:org, :id, :scopes)")
NEWER = {"audit:read", "clients:read", "clients:write", "federation:write", "disclosure:write"}


def test_who_was_there_is_known_to_the_log_and_administrators_read_it(committed_db, server) -> None:
    migrate.downgrade(committed_db.url, "20261124_10")
    held = {"admin": set(scopes_of(["admin"])) - NEWER, "steward": set(scopes_of(["steward"]))}
    with unit_of_work(committed_db.engine, Tenancy((GROUP,), GROUP)) as session:
        people = {role: new_id() for role in held}
        for role, person_id in people.items():
            values = {"id": person_id, "org": GROUP, "email": f"{role}@group.example", "scopes": sorted(held[role])}
            session.execute(PERSON, values)
            session.execute(MEMBERSHIP, values)
    migrate.upgrade(committed_db.url)
    with unit_of_work(committed_db.engine, Tenancy((GROUP,), GROUP)) as session:
        scopes = {role: session.get_one(Membership, (GROUP, person_id)).scopes for role, person_id in people.items()}
        known = session.connection().exec_driver_sql("select count(*) from audit_subject").scalar()
    assert (roles_in(scopes["admin"]), scopes["admin"]) == (["admin"], scopes_of(["admin"]))
    assert roles_in(scopes["steward"]) == ["steward"] and known == 2
