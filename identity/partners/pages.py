"""Page: what an organisation grants its partners and was granted."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, time, timedelta
from typing import Annotated
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Form, Request, Response
from pydantic import BaseModel
from sqlalchemy.orm import Session

from hub.pages import render
from hub.web import SessionDep
from identity.access import CanReadPeople, CanWritePeople
from identity.forms import attempt, filled, go
from identity.organisations.service import get_organisation
from identity.partners import service
from identity.partners.schemas import AssignmentIn, PartnerGrantIn
from identity.people.service import list_members
from identity.principal import Principal
from identity.scopes import delegable_roles

router = APIRouter(include_in_schema=False)

PAGE = 500


@router.get("/partners")
def partners_page(request: Request, session: SessionDep, me: CanReadPeople, of: UUID | None = None) -> Response:
    return _partners(request, session, me, of)


def _partners(request: Request, session: Session, me: Principal, of: UUID | None, error: str = "") -> Response:
    organisation = get_organisation(session, of or me.organisation_id)
    grants = service.list_grants(session)
    given = [g for g in grants if g.giver.id == organisation.id]
    received = [g for g in grants if g.partner.id == organisation.id]
    members = list_members(session, organisation.id, limit=PAGE)
    return render(
        request,
        "partners.html",
        status=422 if error else 200,
        me=me,
        organisation=organisation,
        given=given,
        received=received,
        people={g.id: service.list_people(session, g.id) for g in (*given, *received)},
        own=[(str(one.person.id), one.person.name) for one in members],
        roles=delegable_roles(organisation.kind),
        error=error,
    )


class GrantForm(BaseModel):
    """PartnerGrantIn judges it; `until` is the last day."""

    organisation_id: UUID
    partner: str = ""
    roles: list[str] = []
    until: str = ""


@router.post("/partners")
def grant(request: Request, session: SessionDep, me: CanWritePeople, form: Annotated[GrantForm, Form()]) -> Response:
    given = filled(**form.model_dump(exclude={"until"}), expires_at=after_day(form.until, me.zone))
    return _done(
        request,
        session,
        me,
        form.organisation_id,
        lambda: service.grant(session, me, PartnerGrantIn.model_validate(given)),
    )


def after_day(day: str, zone: str) -> datetime | str:
    """The end of the day where the reader is; what is no day is left for the schema to refuse."""
    try:
        return datetime.combine(datetime.fromisoformat(day), time(), ZoneInfo(zone)) + timedelta(days=1)
    except ValueError:
        return day


class Of(BaseModel):
    """`of` is the organisation whose page it is."""

    of: UUID
    action: str = ""
    person_id: UUID | None = None
    roles: list[str] = []


@router.post("/partners/{grant_id}")
def revoke(
    request: Request, session: SessionDep, me: CanWritePeople, grant_id: UUID, form: Annotated[Of, Form()]
) -> Response:
    return _done(request, session, me, form.of, lambda: service.revoke_grant(session, me, grant_id))


@router.post("/partners/{grant_id}/people")
def assign(
    request: Request, session: SessionDep, me: CanWritePeople, grant_id: UUID, form: Annotated[Of, Form()]
) -> Response:
    def act() -> object:
        roles = AssignmentIn.model_validate({"roles": form.roles}).roles
        return service.assign(session, me, grant_id, form.person_id or UUID(int=0), roles)

    return _done(request, session, me, form.of, act)


@router.post("/partners/{grant_id}/people/{person_id}")
def unassign(
    request: Request, session: SessionDep, me: CanWritePeople, person_id: UUID, form: Annotated[Of, Form()]
) -> Response:
    grant_id = UUID(request.path_params["grant_id"])
    return _done(request, session, me, form.of, lambda: service.unassign(session, me, grant_id, person_id))


def _done(request: Request, session: Session, me: Principal, of: UUID, act: Callable[[], object]) -> Response:
    _, error = attempt(session, me, act)
    return _partners(request, session, me, of, error) if error else go(f"/partners?of={of}")
