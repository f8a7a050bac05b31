"""HTTP: the tree of organisations."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from hub.models import Organisation
from hub.web import Router, SessionDep
from identity.access import CanReadFeeds, CanWritePeople
from identity.organisations import service
from identity.organisations.schemas import OrganisationIn, OrganisationOut

router = Router(prefix="/v1/organisations", tags=["organisations"])


@router.get("", response_model=list[OrganisationOut])
def list_organisations(session: SessionDep, _: CanReadFeeds) -> Sequence[Organisation]:
    """Every organisation you may read."""
    return service.list_organisations(session)


@router.post("", response_model=OrganisationOut, status_code=201)
def create_organisation(given: OrganisationIn, session: SessionDep, me: CanWritePeople) -> Organisation:
    """A new organisation below one of yours."""
    return service.create_organisation(session, me, given)


@router.get("/{organisation_id}", response_model=OrganisationOut)
def get_organisation(organisation_id: UUID, session: SessionDep, _: CanReadFeeds) -> Organisation:
    """One organisation."""
    return service.get_organisation(session, organisation_id)
