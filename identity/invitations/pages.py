"""Pages: an organisation's invitations, and the door they open."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Form, Request, Response
from pydantic import BaseModel, ValidationError
from sqlalchemy.orm import Session

from hub.errors import HubError
from hub.pages import render
from hub.web import OpenSessionDep, SessionDep
from identity.access import CanChangeOwnSettings, CanReadPeople, CanWritePeople
from identity.forms import Field, attempt, filled, go
from identity.invitations import service
from identity.invitations.schemas import AddressIn, InvitationIn, NewAccount
from identity.organisations.service import get_organisation
from identity.principal import COOKIE, Principal, find_person
from identity.scopes import TEMPLATE
from identity.sessions.router import OwnPage, browser_of, set_cookie

router = APIRouter(include_in_schema=False)

PAGE = 200
Secret = Annotated[str, Form(max_length=200)]


@router.get("/invitations")
def invitations_page(request: Request, session: SessionDep, me: CanReadPeople, of: UUID | None = None) -> Response:
    return _invitations(request, session, me, of)


def _invitations(
    request: Request, session: Session, me: Principal, of: UUID | None, *, error: str = "", link: str = ""
) -> Response:
    organisation = get_organisation(session, of or me.organisation_id)
    return render(
        request,
        "invitations.html",
        status=422 if error else 200,
        me=me,
        organisation=organisation,
        invitations=[service.shown(i) for i in service.list_invitations(session, organisation.id, limit=PAGE)],
        roles=list(TEMPLATE[organisation.kind]),
        link=link,
        error=error,
    )


class InvitationForm(BaseModel):
    """InvitationIn judges it."""

    organisation_id: UUID
    email: str = ""
    roles: list[str] = []
    locale: str = "zh"
    days: str = "7"


@router.post("/invitations")
def invite(
    request: Request, session: SessionDep, me: CanWritePeople, form: Annotated[InvitationForm, Form()]
) -> Response:
    given = filled(**form.model_dump())
    made, error = attempt(session, me, lambda: service.invite(session, me, InvitationIn.model_validate(given)))
    return _invitations(request, session, me, form.organisation_id, error=error, link=made.link if made else "")


class Change(BaseModel):
    """`of` is the organisation whose page it is, `action` the button: resend or revoke."""

    of: UUID
    action: str = ""


@router.post("/invitations/{invitation_id}")
def change(
    request: Request, session: SessionDep, me: CanWritePeople, invitation_id: UUID, form: Annotated[Change, Form()]
) -> Response:
    of = form.of
    if form.action == "resend":
        made, error = attempt(session, me, lambda: service.resend(session, me, invitation_id))
        return _invitations(request, session, me, of, error=error, link=made.link if made else "")
    _, error = attempt(session, me, lambda: service.revoke(session, me, invitation_id))
    return _invitations(request, session, me, of, error=error) if error else go(f"/invitations?of={of}")


@router.get("/invitation")
def join_page(request: Request, session: OpenSessionDep, token: str = "", proof: str = "") -> Response:
    return _join(request, session, token, proof)


def _join(request: Request, session: Session, token: str, proof: str = "", **said: str | bool) -> Response:
    found = service.find(session, token, proof)
    me = find_person(session, request.cookies.get(COOKIE, ""))
    here = f"/invitation?{urlencode({'token': token, 'proof': proof})}"
    told = {"error": "", "sent": "", "name": "", "joined": False} | said
    status = 404 if found is None else 422 if told["error"] else 200
    return render(
        request, "join.html", viewer=me, status=status, me=me, found=found, token=token, proof=proof, here=here, **told
    )


class AccountForm(BaseModel):
    """NewAccount judges it."""

    token: str = ""
    proof: str = ""
    name: str = ""
    password: str = ""


@router.post("/invitation", dependencies=[OwnPage])
def redeem(request: Request, session: OpenSessionDep, form: Annotated[AccountForm, Form()]) -> Response:
    try:
        with session.begin_nested():
            opened = service.redeem(session, NewAccount.model_validate(form.model_dump()), browser_of(request))
    except (HubError, ValidationError) as refused:
        return _join(request, session, form.token, form.proof, error=_words(refused), name=form.name)
    answer = go("/")
    set_cookie(request, answer, opened)
    return answer


def _words(refused: HubError | ValidationError) -> str:
    if isinstance(refused, HubError):
        return refused.detail
    return "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in refused.errors())


@router.post("/invitation/accept")
def accept(request: Request, session: SessionDep, me: CanChangeOwnSettings, token: Secret = "") -> Response:
    _, error = attempt(session, me, lambda: service.accept(session, me, token))
    return _join(request, session, token, error=error) if error else go("/organisations/switch")


@router.post("/invitation/accept-mailed", dependencies=[OwnPage])
def accept_mailed(request: Request, session: OpenSessionDep, token: Secret = "", proof: Secret = "") -> Response:
    found = service.find(session, token, proof)
    try:
        with session.begin_nested():
            service.accept_mailed(session, token, proof)
    except HubError as refused:
        return _join(request, session, token, proof, error=refused.detail)
    return render(request, "join.html", me=None, found=found, joined=True)


@router.post("/invitation/address", dependencies=[OwnPage])
def mail_link(request: Request, session: OpenSessionDep, token: Secret = "", address: Field = "") -> Response:
    try:
        given = AddressIn(token=token, email=address)
        service.mail_link(session, given.token, given.email, browser_of(request).address)
    except (HubError, ValidationError) as refused:
        return _join(request, session, token, error=_words(refused))
    return _join(request, session, token, sent=given.email)
