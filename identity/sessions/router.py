"""HTTP: sign in and out, one's sessions and settings, passwords by one-time link."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from fastapi import APIRouter, BackgroundTasks, Depends, Request, Response
from fastapi.responses import JSONResponse

from hub.errors import Forbidden
from hub.settings import settings
from hub.web import OpenSessionDep, Router, SessionDep
from identity import links
from identity.access import CanChangeOwnSettings, RecentInBrowser, SignedIn
from identity.principal import COOKIE, Principal
from identity.sessions import service
from identity.sessions.schemas import (
    ActFor,
    MeOut,
    PasswordByLink,
    PasswordChange,
    ResetRequest,
    SessionOut,
    SettingsPatch,
    SignedInOut,
    SignIn,
)
from identity.sessions.service import Browser, Opened
from identity.strong import devices, signin, step_up
from identity.strong.schemas import PendingOut
from identity.strong.signin import PENDING_SECONDS, Pending


def same_origin(request: Request) -> None:
    """Before there is a session no token can vouch for a form: the browser itself must say that it is ours."""
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    foreign = origin is not None and urlsplit(origin).netloc != request.headers.get("host")
    if site in ("cross-site", "same-site") or (site is None and foreign):
        raise Forbidden("This request came from another site. Open the hub's own page and try again.")


def browser_of(request: Request) -> Browser:
    held = devices.read(request.cookies.get(devices.COOKIE, ""))
    return Browser(request.client.host if request.client else "", request.headers.get("user-agent", ""), held)


def set_cookie(request: Request, response: Response, entered: Opened | Pending) -> None:
    """Of a session and its device, or of a sign-in that waits for its second factor."""
    if isinstance(entered, Pending):
        keep(request, response, PENDING_COOKIE, entered.token, PENDING_SECONDS)
        return
    keep(request, response, COOKIE, entered.token, settings().session_days * 86_400)
    if entered.device:
        held = devices.written(request.cookies.get(devices.COOKIE, ""), entered.device)
        keep(request, response, devices.COOKIE, held, devices.DAYS * 86_400)
    if PENDING_COOKIE in request.cookies:
        response.delete_cookie(PENDING_COOKIE, path="/")


def keep(request: Request, response: Response, name: str, value: str, seconds: int) -> None:
    is_secure = request.url.scheme == "https" or settings().public_url.startswith("https:")
    response.set_cookie(name, value, max_age=seconds, path="/", secure=is_secure, httponly=True, samesite="lax")


OwnPage = Depends(same_origin)
PENDING_COOKIE = "hub_pending"
SECOND_FACTOR: dict[int | str, dict[str, Any]] = {
    202: {"model": PendingOut, "description": "a second factor is missing: /v1/session/second-factor or a passkey"}
}
router = Router(tags=["identity"])
# Not idempotent: the digest of a request that holds a password must not be kept.
secret = APIRouter(tags=["identity"])


@router.post(
    "/v1/session", response_model=SignedInOut, status_code=201, responses=SECOND_FACTOR, dependencies=[OwnPage]
)
def sign_in(given: SignIn, request: Request, response: Response, session: OpenSessionDep) -> Any:
    """Sign in with e-mail and password."""
    new_session = request.app.state.new_session
    browser = browser_of(request)
    entered = signin.sign_in(session, new_session, email=given.email, password=given.password, browser=browser)
    return answer(request, response, entered)


def answer(request: Request, response: Response, entered: Opened | Pending) -> SignedInOut | Response:
    """201 with the session, or 202 with what is needed next; cookies of either."""
    if isinstance(entered, Opened):
        set_cookie(request, response, entered)
        return SignedInOut(session_id=entered.session_id, csrf_token=entered.csrf, expires_at=entered.expires_at)
    pending = PendingOut.model_validate(entered, from_attributes=True)
    waiting = JSONResponse(pending.model_dump(mode="json"), 202)
    set_cookie(request, waiting, entered)
    return waiting


@router.delete("/v1/session", status_code=204)
def sign_out(response: Response, session: SessionDep, me: CanChangeOwnSettings) -> None:
    """End this session."""
    if me.session_id is not None:
        service.end_session(session, me.id, me.session_id)
    response.delete_cookie(COOKIE, path="/")


@router.put("/v1/session/organisation", status_code=204)
def act_for_organisation(given: ActFor, session: SessionDep, me: CanChangeOwnSettings) -> None:
    """Act for another of one's organisations from now on."""
    service.act_for_organisation(session, me, given.organisation_id)


@router.get("/v1/sessions", response_model=list[SessionOut])
def list_sessions(session: SessionDep, me: CanChangeOwnSettings) -> list[SessionOut]:
    """One's own open sessions, newest use first."""
    found = [SessionOut.model_validate(s) for s in service.list_sessions(session, me.id)]
    return [s.model_copy(update={"is_current": s.id == me.session_id}) for s in found]


@router.delete("/v1/sessions/{session_id}", status_code=204)
def end_session(session_id: UUID, session: SessionDep, me: CanChangeOwnSettings) -> None:
    """End one of one's own sessions."""
    service.end_session(session, me.id, session_id)


@router.get("/v1/me", response_model=MeOut)
def get_me(me: SignedIn) -> Principal:
    """Who is calling, for whom, with which scopes."""
    return me


@router.patch("/v1/me", status_code=204)
def change_settings(given: SettingsPatch, session: SessionDep, me: CanChangeOwnSettings) -> None:
    """Change one's own name, language, zone, theme or density."""
    service.change_settings(session, me.id, given)


@secret.put("/v1/me/password", status_code=204, dependencies=[RecentInBrowser])
def change_password(given: PasswordChange, request: Request, session: SessionDep, me: CanChangeOwnSettings) -> None:
    """Change one's own password; every other session ends."""
    step_up.prove_password(session, request.app.state.new_session, me, given.current)
    service.change_password(session, me, given.password)


@router.post("/v1/password-resets", status_code=202, response_class=Response, dependencies=[OwnPage])
def request_reset(given: ResetRequest, request: Request, after: BackgroundTasks) -> Response:
    """Have a link mailed. The answer is the same whether the account exists or not."""
    after.add_task(links.request_reset, request.app.state.new_session, given.email, browser_of(request).address)
    return Response(status_code=202, background=after)


@router.post(
    "/v1/passwords", response_model=SignedInOut, status_code=201, responses=SECOND_FACTOR, dependencies=[OwnPage]
)
def set_password(given: PasswordByLink, request: Request, response: Response, session: OpenSessionDep) -> Any:
    """Set a password by a one-time link, and sign in."""
    return answer(request, response, links.redeem(session, given.token, given.password, browser_of(request)))
