"""Pages: the organisations and their people, and mail that nobody has sent."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Request, Response
from pydantic import BaseModel
from sqlalchemy.orm import Session

from hub import mailer
from hub.pages import render
from hub.web import SessionDep
from identity.access import CanReadPeople, CanWritePeople, RecentSignIn
from identity.forms import attempt, filled, go
from identity.organisations import service as organisations
from identity.organisations.schemas import OrganisationIn
from identity.people import service
from identity.people.schemas import PersonPatch
from identity.principal import Principal
from identity.scopes import TEMPLATE
from identity.strong.administration import reset_factors

router = APIRouter(include_in_schema=False)

PAGE = 500


@router.get("/people")
def people_page(request: Request, session: SessionDep, me: CanReadPeople, of: UUID | None = None) -> Response:
    return _people(request, session, me, of)


def _people(request: Request, session: Session, me: Principal, of: UUID | None = None, error: str = "") -> Response:
    chosen = organisations.get_organisation(session, of or me.organisation_id)
    return render(
        request,
        "people.html",
        status=422 if error else 200,
        me=me,
        organisations=organisations.list_organisations(session),
        chosen=chosen.id,
        members=[m.out for m in service.list_members(session, chosen.id, limit=PAGE)],
        roles=list(TEMPLATE[chosen.kind]),
        error=error,
    )


class Change(BaseModel):
    """`action` is the button: roles, suspend, resume, disable, enable, reset, factors, erase or remove."""

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


# Buttons that change the account or the membership: the field of PersonPatch and its value.
PATCHES = {
    "suspend": {"is_suspended": True},
    "resume": {"is_suspended": False},
    "disable": {"is_disabled": True},
    "enable": {"is_disabled": False},
}


def _change(session: Session, me: Principal, person_id: UUID, form: Change) -> None:
    of = form.organisation_id
    match form.action:
        case "reset":
            service.send_reset(session, me, of, person_id)
        case "factors":
            reset_factors(session, me, of, person_id)
        case "remove":
            service.remove_member(session, me, of, person_id)
        case "erase":
            service.erase_person(session, me, person_id)
        case action:
            patch = {"roles": form.roles} if action == "roles" else PATCHES.get(action, {})
            given = PersonPatch.model_validate({"organisation_id": of} | patch)
            service.change_person(session, me, person_id, given)


class NewOrganisation(BaseModel):
    """OrganisationIn judges it."""

    key: str = ""
    kind: str = ""
    name_zh: str = ""
    name_en: str = ""
    seal: str = ""
    letter: str = ""
    parent_id: str = ""


@router.post("/organisations")
def create_organisation(
    request: Request, session: SessionDep, me: CanWritePeople, form: Annotated[NewOrganisation, Form()]
) -> Response:
    given = filled(**form.model_dump())
    _, error = attempt(
        session, me, lambda: organisations.create_organisation(session, me, OrganisationIn.model_validate(given))
    )
    return _people(request, session, me, None, error) if error else go("/people")


@router.get("/outbox")
def outbox_page(request: Request, session: SessionDep, me: CanWritePeople) -> Response:
    """The acting organisation's own mail alone: whoever reads a link may use it."""
    return render(request, "outbox.html", me=me, mails=mailer.list_unsent(session, me.organisation_id))
