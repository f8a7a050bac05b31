"""The tree of organisations: who may be read, new ones below the acting one, those that leave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, select, text, update
from sqlalchemy.orm import Session

from hub.columns import new_id
from hub.database import set_tenancy
from hub.errors import Conflict, Forbidden, NotFound
from hub.models import Organisation
from identity.audit.service import record
from identity.organisations.schemas import OrganisationIn, OrganisationPatch, OwnOrganisationOut, ViaOut
from identity.principal import Principal, act_for, agents


def list_organisations(session: Session) -> Sequence[Organisation]:
    """Every organisation the caller may read, in the group's own order."""
    return session.scalars(select(Organisation).order_by(Organisation.rank, Organisation.key)).all()


def get_organisation(session: Session, organisation_id: UUID | None) -> Organisation:
    found = session.get(Organisation, organisation_id) if organisation_id else None
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
    _tell(session, "organisation_made", made, key=made.key)
    return made


def change_organisation(
    session: Session, caller: Principal, organisation_id: UUID, given: OrganisationPatch
) -> Organisation:
    """As an administrator of the organisation above."""
    known = _from_above(session, caller, organisation_id)
    for name, value in given.model_dump(exclude_none=True).items():
        setattr(known, name, value)
    session.flush()
    _tell(session, "organisation_changed", known, fields=sorted(given.model_fields_set))
    return known


def close(session: Session, caller: Principal, organisation_id: UUID, at: datetime | None = None) -> Organisation:
    """Ends all access at that instant (None or past: now). What it knew stays as it was."""
    known = _from_above(session, caller, organisation_id)
    is_to_come = at is not None and at > datetime.now(UTC)
    session.execute(
        update(Organisation)
        .where(Organisation.id == organisation_id)
        .values(closed_at=at if is_to_come else func.least(at, func.now()))
    )
    session.refresh(known)
    agents.clear()
    _tell(session, "organisation_closed", known, closed_at=known.closed_at)
    return known


def reopen(session: Session, caller: Principal, organisation_id: UUID) -> Organisation:
    known = _from_above(session, caller, organisation_id)
    known.closed_at = None
    session.flush()
    agents.clear()
    _tell(session, "organisation_reopened", known)
    return known


def _tell(session: Session, action: str, known: Organisation, **detail: Any) -> None:
    places = [known.parent_id, known.id]
    record(session, action, organisations=places, object_kind="organisation", object_id=known.id, **detail)


def _from_above(session: Session, caller: Principal, organisation_id: UUID) -> Organisation:
    """Acts for the organisation above. Raises NotFound, Forbidden where the caller administers only the organisation
    itself, Conflict for the group."""
    known = get_organisation(session, organisation_id)
    if known.parent_id is None:
        raise Conflict("The group itself has nobody above it who could do this.")
    if known.parent_id not in caller.readable:
        raise Forbidden("Only an administrator of the organisation above may do this. Ask head office.")
    act_for(session, caller, known.parent_id)
    return known


def list_own(session: Session) -> list[OwnOrganisationOut]:
    """Every organisation the bound person may act for, in the group's order."""
    return [_own(row) for row in session.execute(text("select * from identity_my_organisations()"))]


def _own(row: Row[Any]) -> OwnOrganisationOut:
    via = ViaOut(id=row.via_id, name_zh=row.via_zh, name_en=row.via_en) if row.via_id else None
    known = {name: getattr(row, name) for name in ("id", "key", "kind", "name_zh", "name_en", "is_last")}
    return OwnOrganisationOut(**known, via=via)
