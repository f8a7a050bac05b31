"""HTTP: people and their memberships, for the administrators of their organisations."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Query

from hub.paging import Page, PagingDep, cut
from hub.web import Router, SessionDep
from identity.access import CanReadPeople, CanWritePeople, RecentSignIn
from identity.people import service
from identity.people.schemas import MemberOut, PersonPatch

router = Router(prefix="/v1/people", tags=["people"])

Of = Annotated[UUID | None, Query(description="the organisation; default: the one you act for")]


@router.get("")
def list_people(
    session: SessionDep, _: CanReadPeople, page: PagingDep, organisation_id: UUID | None = None
) -> Page[MemberOut]:
    """Members of one organisation, or of every organisation you may read."""
    rows = service.list_members(session, organisation_id, after=page.key((str, UUID)), limit=page.limit + 1)
    members, after = cut(rows, page.limit, lambda m: (m.person.email, m.membership.organisation_id))
    return Page(items=[m.out for m in members], next=after)


@router.get("/{person_id}", response_model=MemberOut)
def get_person(person_id: UUID, session: SessionDep, me: CanReadPeople, organisation_id: Of = None) -> MemberOut:
    """One person as a member of an organisation."""
    return service.get_member(session, organisation_id or me.organisation_id, person_id).out


@router.patch("/{person_id}", response_model=MemberOut, dependencies=[RecentSignIn])
def change_person(person_id: UUID, given: PersonPatch, session: SessionDep, me: CanWritePeople) -> MemberOut:
    """Change roles, suspend the membership, or disable the account; and back."""
    return service.change_person(session, me, person_id, given).out


@router.delete("/{person_id}", status_code=204)
def remove_person(person_id: UUID, session: SessionDep, me: CanWritePeople, organisation_id: Of = None) -> None:
    """End a membership."""
    service.remove_member(session, me, organisation_id, person_id)


@router.post("/{person_id}/erasure", status_code=204)
def erase_person(person_id: UUID, session: SessionDep, me: CanWritePeople) -> None:
    """Forget who the person is, for good: name and e-mail become a pseudonym, memberships, sessions and factors go."""
    service.erase_person(session, me, person_id)


@router.post("/{person_id}/password-reset", status_code=202)
def send_reset(person_id: UUID, session: SessionDep, me: CanWritePeople, organisation_id: Of = None) -> None:
    """Send the person a link to set a new password."""
    service.send_reset(session, me, organisation_id, person_id)
