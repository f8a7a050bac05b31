"""Pages: the organisations and their people, switching the acting one, and mail that nobody has sent."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Request, Response
from pydantic import BaseModel
from sqlalchemy.orm import Session

from hub import mailer
from hub.pages import render
from hub.web import SessionDep
from identity.access import CanChangeOwnSettings, CanReadPeople, CanWritePeople, RecentSignIn
from identity.forms import attempt, go
from identity.organisations import service as organisations
from identity.organisations.schemas import OrganisationIn
from identity.people import service
from identity.people.schemas import PersonIn, PersonPatch
from identity.principal import Principal
from identity.scopes import ROLES
from identity.sessions import service as sessions
from identity.strong.administration import reset_factors

router = APIRouter(include_in_schema=False)

PAGE = 500


@router.get("/people")
def people_page(request: Request, session: SessionDep, me: CanReadPeople, of: UUID | None = None) -> Response:
    return _people(request, session, me, of)


def _people(request: Request, session: Session, me: Principal, of: UUID | None = None, error: str = "") -> Response:
    return render(
        request,
        "people.html",
        status=422 if error else 200,
        me=me,
        organisations=organisations.list_organisations(session),
        chosen=of or me.organisation_id,
        members=[m.out for m in service.list_members(session, of or me.organisation_id, limit=PAGE)],
        roles=list(ROLES),
        error=error,
    )


class Invitation(BaseModel):
    """The form; PersonIn judges it."""

    organisation_id: UUID
    email: str = ""
    name: str = ""
    roles: list[str] = []
    locale: str = "zh"


@router.post("/people")
def invite(request: Request, session: SessionDep, me: CanWritePeople, form: Annotated[Invitation, Form()]) -> Response:
    person = form.model_dump()
    _, error = attempt(session, me, lambda: service.create_person(session, me, PersonIn.model_validate(person)))
    of = form.organisation_id
    return _people(request, session, me, of, error) if error else go(f"/people?of={of}")


class Change(BaseModel):
    """`action` is the button: roles, disable, enable, reset, factors or remove."""

    organisation_id: UUID
    action: str = ""
    roles: list[str] = []


@router.post("/people/{person_id}", dependencies=[RecentSignIn])
def change(
    request: Request, session: SessionDep, me: CanWritePeople, person_id: UUID, form: Annotated[Change, Form()]
) -> Response:
    of = form.organisation_id
    _, error = attempt(session, me, lambda: _change(session, me, person_id, form))
    if error:
        return _people(request, session, me, of, error)
    return go("/outbox" if form.action == "reset" else f"/people?of={of}")


def _change(session: Session, me: Principal, person_id: UUID, form: Change) -> None:
    patch: dict[str, object] = {"organisation_id": form.organisation_id}
    match form.action:
        case "reset":
            service.send_reset(session, me, form.organisation_id, person_id)
        case "factors":
            reset_factors(session, me, form.organisation_id, person_id)
        case "remove":
            service.remove_member(session, me, form.organisation_id, person_id)
        case "roles":
            patch["roles"] = form.roles
        case "disable" | "enable":
            patch["is_disabled"] = form.action == "disable"
    if len(patch) > 1:
        service.change_person(session, me, person_id, PersonPatch.model_validate(patch))


@router.post("/organisations")
def create_organisation(
    request: Request, session: SessionDep, me: CanWritePeople, form: Annotated[dict[str, str], Form()]
) -> Response:
    given = {name: form[name] for name in OrganisationIn.model_fields if form.get(name)}
    _, error = attempt(
        session, me, lambda: organisations.create_organisation(session, me, OrganisationIn.model_validate(given))
    )
    return _people(request, session, me, None, error) if error else go("/people")


@router.get("/organisations/switch")
def switch_page(request: Request, session: SessionDep, me: CanChangeOwnSettings) -> Response:
    return render(request, "switch.html", me=me, organisations=sessions.list_own_organisations(session))


@router.post("/organisations/switch")
def switch(session: SessionDep, me: CanChangeOwnSettings, organisation_id: Annotated[UUID, Form()]) -> Response:
    sessions.act_for_organisation(session, me, organisation_id)
    return go("/")


@router.get("/outbox")
def outbox_page(request: Request, session: SessionDep, me: CanWritePeople) -> Response:
    """The acting organisation's own mail alone: whoever reads a link may use it."""
    return render(request, "outbox.html", me=me, mails=mailer.list_unsent(session, me.organisation_id))
