"""HTTP: what organisations let partners do on their data."""

from __future__ import annotations

from uuid import UUID

from hub.web import Router, SessionDep
from identity.access import CanReadPeople, CanWritePeople
from identity.partners import service
from identity.partners.schemas import (
    AssignmentIn,
    AssignmentOut,
    PartnerGrantIn,
    PartnerGrantOut,
    PartnerGrantPatch,
)

router = Router(prefix="/v1/partner-grants", tags=["partners"])


@router.get("")
def list_partner_grants(session: SessionDep, _: CanReadPeople) -> list[PartnerGrantOut]:
    """Grants that your organisations gave or were given."""
    return service.list_grants(session)


@router.post("", status_code=201)
def create_partner_grant(given: PartnerGrantIn, session: SessionDep, me: CanWritePeople) -> PartnerGrantOut:
    """Let a partner's administrators assign roles on your data to people of theirs."""
    return service.grant(session, me, given)


@router.get("/{grant_id}")
def get_partner_grant(grant_id: UUID, session: SessionDep, _: CanReadPeople) -> PartnerGrantOut:
    """One grant."""
    return service.get_grant(session, grant_id)


@router.patch("/{grant_id}")
def change_partner_grant(
    grant_id: UUID, given: PartnerGrantPatch, session: SessionDep, me: CanWritePeople
) -> PartnerGrantOut:
    """Grant other roles, or until another day."""
    return service.change_grant(session, me, grant_id, given)


@router.delete("/{grant_id}", status_code=204)
def revoke_partner_grant(grant_id: UUID, session: SessionDep, me: CanWritePeople) -> None:
    """Take a grant back; the partner's people are out at once."""
    service.revoke_grant(session, me, grant_id)


@router.get("/{grant_id}/people")
def list_partner_people(grant_id: UUID, session: SessionDep, _: CanReadPeople) -> list[AssignmentOut]:
    """Who of the partner has access by this grant."""
    return service.list_people(session, grant_id)


@router.put("/{grant_id}/people/{person_id}")
def assign_partner_person(
    grant_id: UUID, person_id: UUID, given: AssignmentIn, session: SessionDep, me: CanWritePeople
) -> AssignmentOut:
    """Let a person of yours use a grant you were given."""
    return service.assign(session, me, grant_id, person_id, given.roles)


@router.delete("/{grant_id}/people/{person_id}", status_code=204)
def unassign_partner_person(grant_id: UUID, person_id: UUID, session: SessionDep, me: CanWritePeople) -> None:
    """End one person's access by a grant you gave or were given."""
    service.unassign(session, me, grant_id, person_id)
