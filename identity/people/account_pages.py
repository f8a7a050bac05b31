"""Pages: the own address, the links mailed about it, and uniting two accounts. Which account is to go, the browser
keeps in a cookie while its owner signs in to the other one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Final

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel
from sqlalchemy.orm import Session

from hub.errors import HubError
from hub.pages import render
from hub.web import OpenSessionDep, SessionDep
from identity.access import CanChangeOwnSettings
from identity.forms import attempt
from identity.people import account
from identity.people.schemas import EmailIn
from identity.principal import COOKIE, Principal
from identity.sessions import service as sessions
from identity.sessions.router import OwnPage, browser_of

router = APIRouter(include_in_schema=False)

MERGE: Final = "hub_merge"
HERE: Final = "/account/identity"
Secret = Annotated[str, Form(max_length=200)]


@router.get(HERE)
def identity_page(request: Request, me: CanChangeOwnSettings) -> Response:
    return _identity(request, me)


def _identity(
    request: Request, me: Principal, *, error: str = "", sent: bool = False, merged: bool = False
) -> Response:
    status, can_merge = 422 if error else 200, MERGE in request.cookies and not merged
    return render(
        request, "identity.html", status=status, me=me, error=error, sent=sent, merged=merged, can_merge=can_merge
    )


class IdentityForm(BaseModel):
    """`action` is the button: email, start or merge."""

    action: str = ""
    email: str = ""
    password: str = ""


@router.post(HERE)
def change(
    request: Request, session: SessionDep, me: CanChangeOwnSettings, form: Annotated[IdentityForm, Form()]
) -> Response:
    if form.action == "start":
        return _start(request, session, me)
    if form.action == "merge":
        token = request.cookies.get(MERGE, "")
        _, error = attempt(session, me, lambda: account.merge(session, me, token))
        answer = _identity(request, me, error=error, merged=not error)
        answer.delete_cookie(MERGE, path="/")
        return answer

    def ask() -> None:
        given = EmailIn(email=form.email, password=form.password)
        account.request_email(session, me, given.email, given.password, browser_of(request).address)

    _, error = attempt(session, me, ask)
    return _identity(request, me, error=error, sent=not error)


def _start(request: Request, session: Session, me: Principal) -> Response:
    """The token is kept, this session ends, and the door leads back here."""
    token = account.start_merge(session, me)
    if me.session_id is not None:
        sessions.end_session(session, me.id, me.session_id)
    answer = RedirectResponse("/signin?next=%2Faccount%2Fidentity", status_code=303)
    answer.delete_cookie(COOKIE, path="/")
    age, is_secure = int(account.MERGE_LIFETIME.total_seconds()), request.url.scheme == "https"
    answer.set_cookie(MERGE, token, max_age=age, path="/", secure=is_secure, httponly=True, samesite="lax")
    return answer


@router.get("/email")
def confirm_page(request: Request, token: str = "") -> Response:
    return render(request, "email.html", token=token, undo=False, email="", error="")


@router.post("/email", dependencies=[OwnPage])
def confirm(request: Request, session: OpenSessionDep, token: Secret = "") -> Response:
    return _opened(request, lambda: account.confirm_email(session, token), undo=False)


@router.get("/email/undo")
def undo_page(request: Request, token: str = "") -> Response:
    return render(request, "email.html", token=token, undo=True, email="", error="")


@router.post("/email/undo", dependencies=[OwnPage])
def undo(request: Request, session: OpenSessionDep, token: Secret = "") -> Response:
    return _opened(request, lambda: account.undo_email(session, token), undo=True)


def _opened(request: Request, act: Callable[[], str], *, undo: bool) -> Response:
    try:
        email, error, status = act(), "", 200
    except HubError as refused:
        email, error, status = "", refused.detail, refused.status
    return render(request, "email.html", status=status, token="", undo=undo, email=email, error=error)
