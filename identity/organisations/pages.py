"""Pages: choosing the organisation one acts for, and an organisation's settings."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Form, Request, Response
from pydantic import BaseModel
from sqlalchemy.orm import Session

from hub.errors import Unprocessable
from hub.pages import render
from hub.web import SessionDep
from identity.access import CanChangeOwnSettings, CanWritePeople
from identity.forms import Field, attempt, filled, go
from identity.organisations import handover, service
from identity.organisations.schemas import OrganisationPatch
from identity.principal import Principal
from identity.sessions import service as sessions

router = APIRouter(include_in_schema=False)

KINDS = ("group", "subsidiary", "supplier", "carrier")


@router.get("/organisations/switch")
def switch_page(
    request: Request, session: SessionDep, me: CanChangeOwnSettings, next: str = "/", q: str = ""
) -> Response:
    mine = sessions.list_own_organisations(session)
    found = [o for o in mine if q.strip().lower() in f"{o.key} {o.name_zh} {o.name_en}".lower()]
    shown = [o._asdict() | {"place": KINDS.index(o.kind)} for o in sorted(found, key=lambda o: not o.is_last)]
    return render(request, "switch.html", me=me, organisations=shown, total=len(mine), q=q, next=next)


@router.post("/organisations/switch")
def switch(
    session: SessionDep, me: CanChangeOwnSettings, organisation_id: Annotated[UUID, Form()], next: Field = "/"
) -> Response:
    sessions.act_for_organisation(session, me, organisation_id)
    return go(next)


@router.get("/organisation")
def organisation_page(request: Request, session: SessionDep, me: CanWritePeople, of: UUID | None = None) -> Response:
    return _organisation(request, session, me, of)


def _organisation(request: Request, session: Session, me: Principal, of: UUID | None, error: str = "") -> Response:
    organisation = service.get_organisation(session, of or me.organisation_id)
    return render(
        request,
        "organisation.html",
        status=422 if error else 200,
        me=me,
        organisation=organisation,
        is_above=organisation.parent_id in me.readable,
        exports=handover.list_exports(session, organisation.id),
        error=error,
    )


class Change(BaseModel):
    """`action` is the button: save, export, close or reopen; `on` the first day of a closing."""

    action: str = ""
    on: str = ""
    name_zh: str = ""
    name_en: str = ""
    seal: str = ""
    letter: str = ""
    zone: str = ""


@router.post("/organisation/{organisation_id}")
def change(
    request: Request, session: SessionDep, me: CanWritePeople, organisation_id: UUID, form: Annotated[Change, Form()]
) -> Response:
    _, error = attempt(session, me, lambda: _act(session, me, organisation_id, form))
    if error:
        return _organisation(request, session, me, organisation_id, error)
    return go(f"/organisation?of={organisation_id}")


def _act(session: Session, me: Principal, organisation_id: UUID, form: Change) -> object:
    match form.action:
        case "save":
            given = filled(**form.model_dump(exclude={"action", "on"}))
            return service.change_organisation(session, me, organisation_id, OrganisationPatch.model_validate(given))
        case "export":
            return handover.ask(session, me, organisation_id)
        case "close":
            return service.close(session, me, organisation_id, _day(form.on, me.zone))
        case "reopen":
            return service.reopen(session, me, organisation_id)
    raise Unprocessable("Choose what to do.")


def _day(on: str, zone: str) -> datetime | None:
    """The beginning of a day where the reader is."""
    try:
        return datetime.fromisoformat(on).replace(tzinfo=ZoneInfo(zone)) if on else None
    except ValueError:
        raise Unprocessable(f"{on} is no day. Write it as 2026-11-20.") from None
