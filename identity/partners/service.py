"""Grants to partners: an organisation lets another one's administrators assign roles on its data, and ends that."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from hub.columns import new_id
from hub.errors import Conflict, Forbidden, NotFound, Unprocessable
from identity.audit.service import record
from identity.partners.models import PartnerGrant
from identity.partners.schemas import (
    AssignmentOut,
    PartnerGrantIn,
    PartnerGrantOut,
    PartnerGrantPatch,
    SideOut,
)
from identity.people import service as people
from identity.principal import Principal, act_for
from identity.scopes import delegable_roles, delegated, roles_in

_GRANTS = text("select * from identity_partner_grants()")
_PARTNER = text("select * from identity_partner(:key)")
_PEOPLE = text("select * from identity_partner_people(:grant)")
_ASSIGN = text("select identity_assign_partner(:grant, :person, cast(:scopes as text[]))")
_UNASSIGN = text("select identity_unassign_partner(:grant, :person)")


def list_grants(session: Session) -> list[PartnerGrantOut]:
    """Those that the caller's organisations gave or were given, the newest first; also those that are over."""
    return [_shown(row) for row in session.execute(_GRANTS)]


def get_grant(session: Session, grant_id: UUID) -> PartnerGrantOut:
    return _shown(_row(session, grant_id))


def _row(session: Session, grant_id: UUID) -> Row[Any]:
    found = next((row for row in session.execute(_GRANTS) if row.id == grant_id), None)
    if found is None:
        raise NotFound(f"There is no grant {grant_id} of or to an organisation of yours.")
    return found


def _shown(row: Row[Any]) -> PartnerGrantOut:
    given = {name: getattr(row, name) for name in PartnerGrantOut.model_fields if name not in ("giver", "partner")}
    giver = SideOut(id=row.organisation_id, key=row.giver_key, name_zh=row.giver_zh, name_en=row.giver_en)
    partner = SideOut(id=row.partner_id, key=row.partner_key, name_zh=row.partner_zh, name_en=row.partner_en)
    return PartnerGrantOut(giver=giver, partner=partner, **given)


def grant(session: Session, caller: Principal, given: PartnerGrantIn) -> PartnerGrantOut:
    """Raises NotFound without an open organisation of this key, Conflict where it has a grant already."""
    organisation_id = people.acting(session, caller, given.organisation_id)
    partner = session.execute(_PARTNER, {"key": given.partner}).one_or_none()
    if partner is None:
        raise NotFound(f"There is no open organisation with the key {given.partner}. Ask the partner for its key.")
    if partner.id == organisation_id:
        raise Unprocessable("An organisation needs no grant to itself.")
    if any(
        g.giver.id == organisation_id and g.partner.id == partner.id and not g.revoked_at for g in list_grants(session)
    ):
        raise Conflict(f"{given.partner} has a grant already. Change it, or take it back first.")
    made = PartnerGrant(
        id=new_id(),
        organisation_id=organisation_id,
        partner_id=partner.id,
        roles=list(given.roles),
        scopes=_delegable(session, caller, organisation_id, given.roles),
        granted_by=caller.id,
        expires_at=_to_come(given.expires_at),
    )
    session.add(made)
    session.flush()
    _tell(session, "partner_granted", made)
    return get_grant(session, made.id)


def change_grant(session: Session, caller: Principal, grant_id: UUID, given: PartnerGrantPatch) -> PartnerGrantOut:
    """What is taken away ends for the partner's people at once; what is added, the partner assigns."""
    known = _given(session, caller, grant_id)
    if given.roles is not None:
        known.roles = list(given.roles)
        known.scopes = _delegable(session, caller, known.organisation_id, given.roles)
    if "expires_at" in given.model_fields_set:
        known.expires_at = _to_come(given.expires_at)
    session.flush()
    _tell(session, "partner_grant_changed", known)
    return get_grant(session, grant_id)


def revoke_grant(session: Session, caller: Principal, grant_id: UUID) -> None:
    """The partner's people are out at once, and what was assigned to them is gone."""
    known = _given(session, caller, grant_id)
    known.revoked_at = datetime.now(UTC)
    session.flush()
    _tell(session, "partner_grant_revoked", known)


def _given(session: Session, caller: Principal, grant_id: UUID) -> PartnerGrant:
    """A grant in force that an organisation of the caller's gave."""
    row = _row(session, grant_id)
    if not row.is_given:
        raise Forbidden(
            "Only the organisation that gave this may change it. You may end the access of your own people."
        )
    act_for(session, caller, row.organisation_id)
    known = session.get_one(PartnerGrant, grant_id, with_for_update=True)
    if known.revoked_at is not None:
        raise Conflict("This grant was taken back. Make a new one.")
    return known


def _delegable(session: Session, caller: Principal, organisation_id: UUID, roles: Sequence[str]) -> list[str]:
    kind = people.kind_of(session, organisation_id)
    people.grantable(caller, roles, kind)
    if own := sorted(set(roles) - set(delegable_roles(kind))):
        raise Unprocessable(
            f"{', '.join(own)} may not be given to a partner: it makes people or agents, who would stay when the grant "
            f"is taken back. Choose of: {', '.join(delegable_roles(kind))}."
        )
    return delegated(roles, kind)


def _to_come(at: datetime | None) -> datetime | None:
    if at is not None and at <= datetime.now(UTC):
        raise Unprocessable("expires_at is over already. Give an instant to come, or none.")
    return at


def list_people(session: Session, grant_id: UUID) -> list[AssignmentOut]:
    """Who of the partner may act for the giver by this grant: for both sides."""
    kind = _row(session, grant_id).giver_kind
    return [_assignment(row, kind) for row in session.execute(_PEOPLE, {"grant": grant_id})]


def _assignment(row: Row[Any], kind: str) -> AssignmentOut:
    scopes = row.scopes or []
    known = {name: getattr(row, name) for name in ("person_id", "name", "email", "created_at")}
    return AssignmentOut(**known, scopes=scopes, roles=roles_in(scopes, kind))  # type: ignore[arg-type]


def assign(session: Session, caller: Principal, grant_id: UUID, person_id: UUID, roles: Sequence[str]) -> AssignmentOut:
    """The partner's administrator lets a person of the partner use the grant. Raises NotFound for a person who is no
    member of the partner, Forbidden beyond the grant, Conflict where it is over or the person acts there otherwise."""
    row = _row(session, grant_id)
    act_for(session, caller, row.partner_id)
    people.get_member(session, row.partner_id, person_id)
    if beyond := sorted(set(roles) - set(row.roles)):
        raise Forbidden(f"The grant does not hold {', '.join(beyond)}. It holds: {', '.join(row.roles)}.")
    values = {"grant": grant_id, "person": person_id, "scopes": delegated(roles, row.giver_kind)}
    if not session.scalar(_ASSIGN, values):
        raise Conflict("The grant is over, or this person acts for the organisation in another way already.")
    _assigned(session, "partner_role_assigned", row, person_id, roles=list(roles))
    return next(one for one in list_people(session, grant_id) if one.person_id == person_id)


def unassign(session: Session, caller: Principal, grant_id: UUID, person_id: UUID) -> None:
    """Either side ends one person's access."""
    row = _row(session, grant_id)
    act_for(session, caller, row.organisation_id if row.is_given else row.partner_id)
    if not session.scalar(_UNASSIGN, {"grant": grant_id, "person": person_id}):
        raise NotFound(f"The person {person_id} has no access by this grant.")
    _assigned(session, "partner_role_ended", row, person_id)


def _tell(session: Session, action: str, known: PartnerGrant) -> None:
    places = [known.organisation_id, known.partner_id]
    record(session, action, organisations=places, object_kind="partner_grant", object_id=known.id, scopes=known.scopes)


def _assigned(session: Session, action: str, row: Row[Any], person_id: UUID, **detail: Any) -> None:
    places, told = [row.organisation_id, row.partner_id], {"grant": row.id} | detail
    record(session, action, organisations=places, object_kind="person", object_id=person_id, **told)
