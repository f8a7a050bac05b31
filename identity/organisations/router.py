"""HTTP: the tree of organisations."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from fastapi.responses import FileResponse

from hub.models import Organisation
from hub.web import Router, SessionDep
from identity.access import CanChangeOwnSettings, CanReadFeeds, CanWritePeople
from identity.organisations import handover, service
from identity.organisations.models import OrganisationExport
from identity.organisations.schemas import (
    ClosingIn,
    ExportOut,
    OrganisationIn,
    OrganisationOut,
    OrganisationPatch,
    OwnOrganisationOut,
)

router = Router(prefix="/v1/organisations", tags=["organisations"])
own = Router(tags=["identity"])


@own.get("/v1/session/organisations")
def list_own_organisations(session: SessionDep, _: CanChangeOwnSettings) -> list[OwnOrganisationOut]:
    """Every organisation you may act for."""
    return service.list_own(session)


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


@router.patch("/{organisation_id}", response_model=OrganisationOut)
def change_organisation(
    organisation_id: UUID, given: OrganisationPatch, session: SessionDep, me: CanWritePeople
) -> Organisation:
    """Change names, sign, place in the list or zone, for the organisation above it."""
    return service.change_organisation(session, me, organisation_id, given)


@router.post("/{organisation_id}/closing", response_model=OrganisationOut)
def close_organisation(
    organisation_id: UUID, given: ClosingIn, session: SessionDep, me: CanWritePeople
) -> Organisation:
    """Close an organisation on a date, for the one above it: access ends everywhere, its history stays."""
    return service.close(session, me, organisation_id, given.at)


@router.delete("/{organisation_id}/closing", response_model=OrganisationOut)
def reopen_organisation(organisation_id: UUID, session: SessionDep, me: CanWritePeople) -> Organisation:
    """Open a closed organisation again; its people sign in anew."""
    return service.reopen(session, me, organisation_id)


@router.get("/{organisation_id}/exports", response_model=list[ExportOut])
def list_organisation_exports(
    organisation_id: UUID, session: SessionDep, _: CanWritePeople
) -> Sequence[OrganisationExport]:
    """What was handed over in the last 30 days, the newest first."""
    return handover.list_exports(session, organisation_id)


@router.post("/{organisation_id}/exports", response_model=ExportOut, status_code=202)
def export_organisation(organisation_id: UUID, session: SessionDep, me: CanWritePeople) -> OrganisationExport:
    """Have all that belongs to the organisation written into one file."""
    return handover.ask(session, me, organisation_id)


@router.get("/{organisation_id}/exports/{export_id}/file", response_class=FileResponse)
def get_organisation_export(
    organisation_id: UUID, export_id: UUID, session: SessionDep, me: CanWritePeople
) -> FileResponse:
    """The file: a ZIP of CSV files and a manifest."""
    path, name = handover.file_of(session, me, organisation_id, export_id)
    return FileResponse(path, media_type="application/zip", filename=name)
