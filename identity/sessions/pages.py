"""Pages: the door (sign-in, forgotten and new password) and one's own account."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, BackgroundTasks, Form, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, ValidationError
from sqlalchemy.orm import Session

from hub.errors import HubError, NotFound, TooManyRequests, Unauthenticated
from hub.pages import render
from hub.web import OpenSessionDep, SessionDep
from identity import links
from identity.access import CanChangeOwnSettings, RecentSignIn
from identity.federation.flow import list_own, logout_address
from identity.federation.pages import going
from identity.forms import Field, attempt, filled, go, own
from identity.principal import COOKIE, Principal
from identity.sessions import service
from identity.sessions.router import PENDING_COOKIE, OwnPage, browser_of, set_cookie
from identity.sessions.schemas import ResetRequest, SettingsPatch, SignIn
from identity.strong import signin, step_up

router = APIRouter(include_in_schema=False)

Secret = Annotated[str, Form(max_length=200)]
REFUSED = {Unauthenticated: "wrong", TooManyRequests: "wait"}


@router.get("/signin")
def sign_in_page(request: Request, next: str = "/") -> Response:
    answer = render(request, "signin.html", email="", error="", detail="", next=own(next))
    # Who comes back to the door begins anew: with a passkey too.
    answer.delete_cookie(PENDING_COOKIE, path="/")
    return answer


@router.post("/signin", dependencies=[OwnPage])
def sign_in(
    request: Request, session: OpenSessionDep, email: Field = "", password: Secret = "", next: Field = "/"
) -> Response:
    next = own(next)
    try:
        given = SignIn(email=email, password=password)
        entered = signin.sign_in(
            session, request.app.state.new_session, **given.model_dump(), browser=browser_of(request)
        )
    except ValidationError:
        return render(request, "signin.html", status=401, email=email, error="wrong", detail=signin.WRONG, next=next)
    except service.SignInElsewhere as elsewhere:
        return go(f"/federation/{elsewhere.provider_id}/start?next={quote(next, safe='')}")
    except HubError as refused:
        error, status = REFUSED.get(type(refused), "other"), refused.status
        return render(request, "signin.html", status=status, email=email, error=error, detail=refused.detail, next=next)
    return _on(request, entered, next)


def _on(request: Request, entered: signin.Pending | service.Opened, next: str) -> Response:
    """Into the hub, or to the page that asks for the second factor."""
    answer = go(f"/signin/second?next={quote(next, safe='')}" if isinstance(entered, signin.Pending) else next)
    set_cookie(request, answer, entered)
    return answer


@router.post("/signout")
def sign_out(request: Request, session: SessionDep, me: CanChangeOwnSettings) -> Response:
    theirs = logout_address(session, me.session_id)
    if me.session_id is not None:
        service.end_session(session, me.id, me.session_id)
    answer = going(request, theirs) if theirs else RedirectResponse("/signin", status_code=303)
    answer.delete_cookie(COOKIE, path="/")
    return answer


@router.get("/forgot")
def forgot_page(request: Request) -> Response:
    return render(request, "forgot.html", sent=False)


@router.post("/forgot", dependencies=[OwnPage])
def forgot(request: Request, after: BackgroundTasks, email: Field = "") -> Response:
    """The same page for every address, known or not."""
    try:
        wanted = ResetRequest(email=email).email
        after.add_task(links.request_reset, request.app.state.new_session, wanted, browser_of(request).address)
    except ValidationError:
        pass
    answer = render(request, "forgot.html", sent=True)
    answer.background = after
    return answer


@router.get("/set-password")
def set_password_page(request: Request, session: OpenSessionDep, token: str = "") -> Response:
    found = links.find(session, token)
    status = 404 if found is None else 200
    return render(request, "set-password.html", status=status, token=token, link=found, error="")


@router.post("/set-password", dependencies=[OwnPage])
def set_password(request: Request, session: OpenSessionDep, token: Secret = "", password: Secret = "") -> Response:
    try:
        entered = links.redeem(session, token, password, browser_of(request))
    except HubError as refused:
        link = None if isinstance(refused, NotFound) else links.find(session, token)
        status, error = refused.status, refused.extra.get("reason", "other")
        return render(request, "set-password.html", status=status, token=token, link=link, error=error)
    return _on(request, entered, "/")


@router.get("/account")
def account_page(request: Request, session: SessionDep, me: CanChangeOwnSettings) -> Response:
    return _account(request, session, me)


def _account(request: Request, session: Session, me: Principal, error: str = "") -> Response:
    sessions = service.list_sessions(session, me.id)
    providers, status = list_own(session, me.id), 422 if error else 200
    return render(request, "account.html", status=status, me=me, sessions=sessions, providers=providers, error=error)


class SettingsForm(BaseModel):
    """Any part of the settings; an empty field changes nothing."""

    name: str = ""
    locale: str = ""
    zone: str = ""
    theme: str = ""
    density: str = ""
    next: str = "/account"


@router.post("/account/settings")
def change_settings(
    request: Request, session: SessionDep, me: CanChangeOwnSettings, form: Annotated[SettingsForm, Form()]
) -> Response:
    given = filled(**form.model_dump(exclude={"next"}))
    _, error = attempt(session, me, lambda: service.change_settings(session, me.id, SettingsPatch(**given)))
    return _account(request, session, me, error) if error else go(form.next)


@router.post("/account/password", dependencies=[RecentSignIn])
def change_password(
    request: Request, session: SessionDep, me: CanChangeOwnSettings, current: Secret = "", password: Secret = ""
) -> Response:
    def act() -> None:
        step_up.prove_password(session, request.app.state.new_session, me, current)
        service.change_password(session, me, password)

    _, error = attempt(session, me, act)
    return _account(request, session, me, error) if error else go("/account")


@router.post("/account/sessions/{session_id}/end")
def end_session(request: Request, session: SessionDep, me: CanChangeOwnSettings, session_id: UUID) -> Response:
    _, error = attempt(session, me, lambda: service.end_session(session, me.id, session_id))
    return _account(request, session, me, error) if error else go("/account")
