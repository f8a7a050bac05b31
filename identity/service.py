"""The first administrator of an empty hub."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from hub.columns import new_id
from hub.database import Tenancy, set_tenancy
from hub.errors import Conflict, Unprocessable
from hub.settings import settings
from identity import links
from identity.audit.service import record
from identity.models import Membership, Person
from identity.people.schemas import PersonIn
from identity.people.service import add_person
from identity.scopes import scopes_of

FOUND = text("select identity_found_group(:id, 'group', :zh, :en, :currency, :zone)")


def create_first_admin(session: Session, email: str, name_zh: str = "集团", name_en: str = "Group") -> str:
    """The address of a one-time link for the administrator of the group, which is made where there is none. Raises
    Conflict once anyone has a password."""
    try:
        given = PersonIn(email=email, name=email.split("@", maxsplit=1)[0], roles=["admin"])
    except ValueError as error:
        raise Unprocessable(f"{email!r} is no e-mail address.") from error
    money, zone = settings().group_currency, settings().zone
    session.execute(text("select pg_advisory_xact_lock(hashtext('identity_first_admin'))"))
    session.execute(FOUND, {"id": new_id(), "zh": name_zh, "en": name_en, "currency": money, "zone": zone})
    organisation_id = session.scalar(text("select identity_orphan_group()"))
    if organisation_id is None:
        raise Conflict("The hub has people already. An administrator can invite more, or reset a password.")
    set_tenancy(session, Tenancy(readable=(organisation_id,), acting=organisation_id))
    return links.issue(session, _admin(session, organisation_id, given), organisation_id, "admin")


def _admin(session: Session, organisation_id: UUID, given: PersonIn) -> UUID:
    """Asked again with the same e-mail, it is the same person: the first link may have been lost."""
    earlier = session.scalar(select(Person.id).where(Person.email == given.email))
    if earlier is not None:
        return earlier
    person_id = add_person(session, organisation_id, given)
    scopes = scopes_of(["admin"])
    session.add(Membership(organisation_id=organisation_id, person_id=person_id, scopes=scopes))
    session.flush()
    record(
        session,
        "membership_made",
        organisations=[organisation_id],
        object_kind="person",
        object_id=person_id,
        organisation=organisation_id,
        roles=["admin"],
        granted=scopes,
    )
    return person_id
