"""The browser's way to a provider and back, and the provider's word that a session ended. A provider is asked while
neither a turn nor a connection is held: however slow it is, it keeps nobody else waiting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypeVar
from uuid import UUID

import structlog
from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from hub.database import NOBODY
from hub.errors import HubError
from hub.outgoing import Unreachable
from hub.pages import render
from hub.settings import settings
from hub.web import OpenSessionDep, SessionDep
from identity.access import CanChangeOwnSettings
from identity.federation import flow, logout, oidc
from identity.forms import Field, go
from identity.principal import COOKIE, find_person
from identity.sessions import throttle
from identity.sessions.router import OwnPage, browser_of, set_cookie

router = APIRouter(include_in_schema=False)
log = structlog.get_logger(__name__)

# Who waits for providers; more would be an attack, or a provider that hangs.
_WAITING = CapacityLimiter(20)
T = TypeVar("T")


async def _in_database(request: Request, action: Callable[[Session], T]) -> T:
    """In a transaction of its own, in turn."""
    async with request.app.state.turns:
        return await run_in_threadpool(_transaction, request.app.state.new_session, action)


def _transaction(new_session: Callable[[], Session], action: Callable[[Session], T]) -> T:
    with new_session() as session, session.begin():
        session.info["tenancy"] = NOBODY
        return action(session)


async def _away(action: Callable[[], T]) -> T:
    return await to_thread.run_sync(action, limiter=_WAITING)


@router.post("/signin/organisation", dependencies=[OwnPage])
def sign_in_at_home(request: Request, session: OpenSessionDep, email: Field = "", next: Field = "/") -> Response:
    """Where the e-mail's domain signs in; what it answers is the same for every address of a domain."""
    provider_id = flow.home_of(session, email.strip())
    if provider_id is None:
        return render(request, "signin.html", status=404, email=email, error="nowhere", detail="", next=next)
    return _begin(request, session, provider_id, flow.Wish(next, email.strip()))


@router.get("/federation/{provider_id}/start")
def start(request: Request, session: OpenSessionDep, provider_id: UUID, next: str = "/") -> Response:
    return _begin(request, session, provider_id, flow.Wish(next[:500]))


@router.post("/account/federation/{provider_id}/link")
def link(request: Request, session: SessionDep, me: CanChangeOwnSettings, provider_id: UUID) -> Response:
    """Signs in at the provider, to be linked to the account that is signed in here."""
    flow.may_link(session, me.id, provider_id)
    return _begin(request, session, provider_id, flow.Wish("/account", me.email, me.id))


@router.post("/account/federation/{provider_id}/unlink")
def unlink(session: SessionDep, me: CanChangeOwnSettings, provider_id: UUID) -> Response:
    flow.unlink(session, me.id, provider_id)
    return go("/account")


def _begin(request: Request, session: Session, provider_id: UUID, wish: flow.Wish) -> Response:
    throttle.refuse(throttle.take(session, throttle.provider_doors(browser_of(request).address)))
    state, browser = flow.begin(session, provider_id, wish)
    answer = go(f"/federation/{provider_id}/go?state={state}")
    answer.set_cookie(
        _cookie_of(state),
        browser,
        max_age=int(flow.LIFETIME.total_seconds()),
        path="/federation",
        secure=request.url.scheme == "https" or settings().public_url.startswith("https:"),
        httponly=True,
        samesite="lax",
    )
    return answer


@router.get("/federation/{provider_id}/go")
async def leave(request: Request, provider_id: UUID, state: str = "") -> Response:
    browser = request.cookies.get(_cookie_of(state), "")
    try:
        went = await _in_database(request, lambda session: flow.pending(session, provider_id, state, browser))
        return going(request, await _away(lambda: flow.address(went, state)))
    except (oidc.Refused, Unreachable) as refused:
        return await _refused(request, provider_id, refused)


def going(request: Request, address: str) -> Response:
    """A page that leads elsewhere by itself. A redirect would not do: the policy of our pages lets a form end at our
    own addresses alone, and redirects count."""
    answer = render(request, "federation-go.html", address=address)
    answer.headers["refresh"] = f"0;url={address}"
    return answer


def _cookie_of(state: str) -> str:
    """One per sign-in, so that two tabs do not disturb each other."""
    return f"hub_login_{''.join(c for c in state[:12] if c.isalnum())}"


@router.get("/federation/{provider_id}/callback")
async def callback(request: Request, provider_id: UUID) -> Response:
    try:
        return await _come_back(request, provider_id)
    except (oidc.Refused, Unreachable) as refused:
        return await _refused(request, provider_id, refused)


async def _come_back(request: Request, provider_id: UUID) -> Response:
    answer = dict(request.query_params)
    state = answer.get("state", "")
    cookie = _cookie_of(state)
    if len(answer) != len(request.query_params.multi_items()):
        raise oidc.Refused("The provider's answer names a parameter twice.")
    browser = request.cookies.get(cookie, "")
    came = await _in_database(request, lambda session: flow.returned(session, provider_id, state, browser))
    claims, token = await _away(lambda: flow.redeem(came, answer))
    if came.wish.person_id is not None:
        await _in_database(request, lambda session: _link(request, session, came, claims))
        done = go("/account")
    else:
        at = browser_of(request)
        opened = await _in_database(request, lambda session: flow.sign_in(session, came, claims, token, at))
        done = go(came.wish.next)
        set_cookie(request, done, opened)
    done.delete_cookie(cookie, path="/federation")
    return done


def _link(request: Request, session: Session, came: flow.Underway, claims: dict[str, Any]) -> None:
    me = find_person(session, request.cookies.get(COOKIE, ""))
    if me is None:
        raise oidc.Refused("You are not signed in any more. Sign in, and begin again.", "spent")
    session.info["caller"] = me
    flow.link(session, came, claims, me.id)


async def _refused(request: Request, provider_id: UUID, refused: HubError) -> Response:
    reason = getattr(refused, "reason", "provider")
    log.info("provider_answered_badly", provider=str(provider_id), reason=reason, detail=refused.detail)
    # Who has begun nothing here was refused nothing: otherwise anybody could fill the log.
    if reason != "spent":
        await _in_database(request, lambda session: flow.tell_refused(session, provider_id, reason))
    status = 502 if isinstance(refused, Unreachable) else refused.status
    return render(request, "federation-refused.html", status=status, reason=reason, detail=refused.detail)


@router.post("/federation/{provider_id}/backchannel-logout")
async def backchannel_logout(
    request: Request, provider_id: UUID, logout_token: Annotated[str, Form(max_length=oidc.LONGEST)] = ""
) -> Response:
    """200, or 400 with an error as OAuth writes it (OpenID Connect Back-Channel Logout §2.8)."""
    try:
        client = await _in_database(request, lambda session: flow.client_of(flow.provider(session, provider_id)))
        told = await _away(lambda: oidc.logout_claims(client, logout_token))
        await _in_database(request, lambda session: logout.end_sessions(session, provider_id, told))
    except HubError as refused:
        log.info("logout_token_refused", provider=str(provider_id), detail=refused.detail)
        return JSONResponse({"error": "invalid_request", "error_description": refused.detail}, 400)
    return Response(status_code=200)
