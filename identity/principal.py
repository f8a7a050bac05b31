"""Who is calling, for which organisation, with which scopes: the dependencies every protected endpoint stands on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from hmac import compare_digest
from typing import Annotated, Any, Literal
from urllib.parse import quote
from uuid import UUID

from fastapi import Depends, HTTPException, Request
from fastapi.security import APIKeyCookie, HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes
from sqlalchemy import Row, text
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from hub import idempotency
from hub.cache import Asked
from hub.database import Tenancy, set_tenancy
from hub.errors import Forbidden, NotFound, Unauthenticated
from hub.pages import wants_page
from hub.web import SessionDep, take_turn
from identity import agent_tokens
from identity.oauth.bearer import bearer_of
from identity.oauth.tokens import is_access_token, verified
from identity.scopes import AGENT_SCOPES, effective
from identity.secrets import digest

COOKIE = "hub_session"
CSRF_HEADER, CSRF_FIELD = "x-csrf-token", "csrf_token"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")

CHOOSE = "You belong to several organisations. Choose the one you act for: PUT /v1/session/organisation."
SIGN_IN = "You are not signed in, or your session has ended. Sign in and try again."


@dataclass(frozen=True, slots=True)
class Principal:
    """A person, an agent, or a client that acts for itself. `organisation_id` is the acting one (None: an agent granted
    several, see `act_for`; a person who has yet to choose). `via_id`: the partner by whose grant one acts."""

    kind: Literal["person", "agent", "client"]
    id: UUID
    name: str
    organisation_id: UUID | None
    readable: tuple[UUID, ...]
    scopes: frozenset[str]
    is_group: bool = False
    email: str = ""
    locale: str = "zh"
    zone: str = "Asia/Shanghai"
    theme: str = "system"
    density: str = "standard"
    session_id: UUID | None = None
    csrf: str = ""
    token_id: str = ""
    via_id: UUID | None = None
    # How a person's session was opened and last confirmed, and what the policies of the acting organisation miss in it.
    amr: tuple[str, ...] = ()
    authenticated_at: datetime | None = None
    stepped_up_at: datetime | None = None
    unmet: tuple[str, ...] = ()

    @property
    def tenancy(self) -> Tenancy:
        return Tenancy(readable=self.readable, acting=self.organisation_id, person=self.id)


# Callers by the token they proved, so that an event costs no look-up: what they lose, they lose within two seconds.
agents: Asked[Principal] = Asked(2)
_cookie = APIKeyCookie(name=COOKIE, auto_error=False, description="a person's session (POST /v1/session)")
_bearer = HTTPBearer(auto_error=False, bearerFormat="JWT", description="an access token of this hub, or an agent's own")


async def _csrf_given(request: Request) -> str:
    """The token of an unsafe request that a cookie vouches for; the form is read only where it can hold one."""
    header = request.headers.get(CSRF_HEADER)
    if header is not None or not request.headers.get("content-type", "").startswith(FORMS):
        return header or ""
    return str((await request.form()).get(CSRF_FIELD, ""))


async def authenticate(
    request: Request,
    session: SessionDep,
    cookie: Annotated[str | None, Depends(_cookie)],
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> Principal:
    """A bearer token speaks for whom it was given to, a session cookie for a person; raises Unauthenticated or
    Forbidden."""
    if bearer is not None:
        token = bearer.credentials
        return await agents.get(token, lambda: run_in_threadpool(_prove, session, token))
    is_unsafe = request.method not in SAFE_METHODS
    # Read before a connection is taken: a form may follow slowly.
    csrf = await _csrf_given(request) if cookie and is_unsafe else ""
    principal = await _signed_in(request, session, cookie) if cookie else None
    if principal is None:
        raise _not_signed_in(request)
    if is_unsafe and not compare_digest(csrf.encode(), principal.csrf.encode()):
        raise Forbidden("The request carries no valid CSRF token for this session. Reload the page and try again.")
    return principal


async def _signed_in(request: Request, session: Session, token: str) -> Principal | None:
    await take_turn(request, session)
    return await run_in_threadpool(find_person, session, token)


async def authorize(
    needed: SecurityScopes,
    request: Request,
    session: SessionDep,
    principal: Annotated[Principal, Depends(authenticate)],
) -> Principal:
    """Holds the caller to the endpoint's scopes, then binds the session to what the caller may read and write."""
    # Set before the refusal too: its page speaks the reader's language.
    request.state.principal = principal
    missing = sorted(set(needed.scopes) - principal.scopes)
    if missing and principal.kind == "person" and principal.organisation_id is None:
        raise _not_chosen(request)
    if missing and principal.unmet:
        raise _must_enrol(request, principal)
    if missing:
        raise Forbidden(
            f"This needs {', '.join(missing)}, which you do not hold. Ask your administrator.", missing=missing
        )
    if session.in_transaction() and session.info["tenancy"] != principal.tenancy:
        await run_in_threadpool(set_tenancy, session, principal.tenancy)
    session.info["tenancy"] = principal.tenancy
    session.info["caller"] = principal
    if idempotency.is_claimed(request):
        who = f"{principal.kind}:{principal.id}"
        await run_in_threadpool(idempotency.begin, request, session, who, principal.organisation_id)
    return principal


def act_for(session: Session, principal: Principal, organisation_id: UUID) -> Principal:
    """Write for one of the caller's organisations in this transaction; raises NotFound where it is none of them."""
    if organisation_id not in principal.readable:
        raise NotFound(f"There is no organisation {organisation_id} you may act for.")
    acting = replace(principal, organisation_id=organisation_id)
    set_tenancy(session, acting.tenancy)
    return acting


_SESSION = text("""
    select s.*, identity_session_seen(s.session_id), set_config('hub.orgs', s.readable::text, true),
           set_config('hub.org', s.organisation_id::text, true), set_config('hub.person', s.person_id::text, true)
    from identity_session(:digest) s""")


def find_person(session: Session, token: str) -> Principal | None:
    """The person of a session token, with the scopes of the nearest membership at or above the acting organisation.
    The same statement binds the session to what they may read and write."""
    row = session.execute(_SESSION, {"digest": digest(token)}).one_or_none()
    if row is None:
        return None
    principal = _person(row)
    session.info["tenancy"] = principal.tenancy
    return principal


def find_caller(request: Request, session: Session) -> Principal | None:
    """For answers that go on: whom the request's token or cookie speaks for now, None where it has ended."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        return find_person(session, request.cookies.get(COOKIE, ""))
    try:
        return _prove(session, token.strip())
    except Unauthenticated:
        return None


def _prove(session: Session, token: str) -> Principal:
    return _granted(session, token) if is_access_token(token) else _agent(session, token)


def _person(row: Row[Any]) -> Principal:
    return Principal(
        kind="person",
        id=row.person_id,
        name=row.name,
        organisation_id=row.organisation_id,
        readable=tuple(row.readable),
        scopes=effective(row.scopes, row.kind),
        is_group=row.kind == "group",
        email=row.email,
        locale=row.locale,
        zone=row.zone,
        theme=row.theme,
        density=row.density,
        session_id=row.session_id,
        csrf=row.csrf,
        via_id=row.via_id,
        amr=tuple(row.amr),
        authenticated_at=row.authenticated_at,
        stepped_up_at=row.stepped_up_at,
        unmet=tuple(row.unmet),
    )


def _granted(session: Session, token: str) -> Principal:
    bearer = bearer_of(session, verified(session, token))
    given = bearer.standing
    known: dict[str, Any] = {"kind": "client", "id": bearer.id, "name": bearer.name, "zone": "UTC"}
    if given is not None:
        known = {name: getattr(given, name) for name in ("name", "email", "locale", "zone", "theme", "density")}
        known |= {"kind": "person", "id": given.person_id, "is_group": given.kind == "group"}
    # A body may follow slowly: no connection waits for it.
    session.rollback()
    return Principal(**known, organisation_id=bearer.organisation_id, readable=bearer.readable, scopes=bearer.scopes)


def _agent(session: Session, token: str) -> Principal:
    agent_id = agent_tokens.claimed_agent(token)
    row = session.execute(text("select * from identity_agent(:id)"), {"id": agent_id}).one_or_none()
    if row is None or row.public_jwk is None:
        raise Unauthenticated("No agent is enrolled under this token's kid. Enrol it with a new code.")
    token_id = agent_tokens.verify(token, row.public_jwk, agent_id)
    if row.is_disabled:
        raise Unauthenticated("This agent is disabled. An administrator can enable it again.")
    granted = tuple(row.granted)
    agent = Principal(
        kind="agent",
        id=agent_id,
        name=row.name,
        organisation_id=granted[0] if len(granted) == 1 else None,
        readable=granted,
        scopes=AGENT_SCOPES,
        zone="UTC",
        token_id=token_id,
    )
    # A body may follow slowly: no connection waits for it.
    session.rollback()
    return agent


def _must_enrol(request: Request, principal: Principal) -> Exception:
    """Their organisation asks for more than the session was opened with; it may add that and do nothing else."""
    lacking = ", ".join(principal.unmet)
    detail = (
        f"Your organisation's sign-in policy asks for more than this session has: {lacking}. Add it to your account."
    )
    if wants_page(request):
        return HTTPException(303, detail=detail, headers={"Location": "/account/security"})
    return Forbidden(detail, type="sign-in-policy-unmet", unmet=list(principal.unmet))


def _not_signed_in(request: Request) -> Exception:
    """A browser that asks for a page is sent to the door; everything else is told 401."""
    return _sent(request, "/signin", SIGN_IN) or Unauthenticated(SIGN_IN)


def _not_chosen(request: Request) -> Exception:
    """A browser is shown the choice of organisations; everything else is told how to choose."""
    return _sent(request, "/organisations/switch", CHOOSE) or Forbidden(CHOOSE)


def _sent(request: Request, door: str, why: str) -> Exception | None:
    """To a page and back from there; None for what is no browser's look at a page."""
    wants_page = request.method == "GET" and "text/html" in request.headers.get("accept", "")
    if not wants_page or request.url.path.startswith("/v1"):
        return None
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return HTTPException(303, detail=why, headers={"Location": f"{door}?next={quote(here, safe='')}"})
