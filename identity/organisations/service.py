"""The tree of organisations: who may be read, and new ones below the acting one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from hub.columns import new_id
from hub.database import set_tenancy
from hub.errors import Conflict, Forbidden, NotFound
from hub.models import Organisation
from identity.audit.service import record
from identity.organisations.schemas import OrganisationIn
from identity.principal import Principal, act_for


def list_organisations(session: Session) -> Sequence[Organisation]:
    """Every organisation the caller may read, in the group's own order."""
    return session.scalars(select(Organisation).order_by(Organisation.rank, Organisation.key)).all()


def get_organisation(session: Session, organisation_id: UUID) -> Organisation:
    found = session.get(Organisation, organisation_id)
    if found is None:
        raise NotFound(f"There is no organisation {organisation_id}.")
    return found


def create_organisation(session: Session, caller: Principal, given: OrganisationIn) -> Organisation:
    """Below one the caller may act for; the caller can read it at once. Raises Conflict where the key is taken."""
    parent_id = given.parent_id or caller.organisation_id
    if parent_id is None:
        raise Forbidden("Say below which organisation: parent_id.")
    acting = act_for(session, caller, parent_id)
    if session.scalar(text("select identity_is_key(:key)"), {"key": given.key}):
        raise Conflict(f"The key {given.key} is taken. Choose another one.")
    made = Organisation(**given.model_dump(exclude={"parent_id"}), id=new_id(), parent_id=parent_id)
    set_tenancy(session, replace(acting, readable=(*caller.readable, made.id)).tenancy)
    session.add(made)
    session.flush()
    concerned = [parent_id, made.id]
    record(
        session,
        "organisation_made",
        actor=caller,
        organisations=concerned,
        object_kind="organisation",
        object_id=made.id,
        key=made.key,
    )
    return made
