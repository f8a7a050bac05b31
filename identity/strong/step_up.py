"""Dangerous acts ask for a recent proof of who is there: `dependencies=[RecentSignIn]` on an endpoint, and how a
session is stepped up. Bearer callers are exempt: their token is a proof made for the request."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from urllib.parse import quote, urlsplit

from fastapi import Depends, HTTPException, Request
from sqlalchemy import func, update
from sqlalchemy.orm import Session

from hub.errors import Forbidden, Unauthenticated
from hub.pages import wants_page
from identity.audit.service import note, own_account, record
from identity.models import LoginSession, Person
from identity.principal import SAFE_METHODS, Principal, authenticate
from identity.secrets import verify_password
from identity.sessions import throttle
from identity.sessions.service import end_other_sessions
from identity.strong import factors, passkeys

RECENT = timedelta(minutes=10)
NEEDED = "This needs a proof of who you are from within the last ten minutes. Confirm, then try again."
WRONG = "This is not right. Nothing was changed."


def is_recent(principal: Principal) -> bool:
    """A caller without a browser's session proves itself with every request."""
    if principal.session_id is None:
        return True
    proofs = [at for at in (principal.authenticated_at, principal.stepped_up_at) if at is not None]
    return bool(proofs) and max(proofs) > datetime.now(UTC) - RECENT


def recent(request: Request, principal: Annotated[Principal, Depends(authenticate)]) -> None:
    if is_recent(principal):
        return
    request.state.principal = principal
    if wants_page(request):
        raise HTTPException(303, detail=NEEDED, headers={"Location": f"/step-up?next={quote(_page(request), safe='')}"})
    raise Forbidden(NEEDED, type="step-up-required")


def recent_in_browser(request: Request, principal: Annotated[Principal, Depends(authenticate)]) -> None:
    """As `recent`, and by the person's own session: what an application was granted is no way to sign in for ever."""
    # Who lacks the right as well is told that, by the endpoint.
    if principal.session_id is None and "settings:self" in principal.scopes:
        raise Forbidden("This is done in your own signed-in browser, not by an application in your name.")
    recent(request, principal)


RecentSignIn = Depends(recent)
RecentInBrowser = Depends(recent_in_browser)


def _page(request: Request) -> str:
    """Where to go on: a form's content is gone by then, its page is not."""
    if request.method in SAFE_METHODS:
        return request.url.path
    return urlsplit(request.headers.get("referer", "")).path or "/"


def prove_password(session: Session, new_session: Callable[[], Session], me: Principal, password: str) -> None:
    """Raises Forbidden where it is wrong, TooManyRequests: a stolen session is no place to guess either."""
    tried = _count(new_session, me)
    if not verify_password(session.get_one(Person, me.id).password_hash, password):
        note(session, "step_up_refused", **own_account(session, me.id), reason="wrong_password")
        raise Forbidden("The current password is wrong. Nothing was changed.")
    throttle.give_back(session, tried)


def _count(new_session: Callable[[], Session], me: Principal) -> tuple[throttle.Door, ...]:
    # Who is signed in has a door of their own, as a known device has.
    tried = throttle.doors(str(me.id), "", me.id.bytes, "step-up")
    with new_session() as session, session.begin():
        wait = throttle.take(session, tried)
    throttle.refuse(wait)
    return tried


def by_password(session: Session, new_session: Callable[[], Session], me: Principal, password: str) -> None:
    """For accounts that hold nothing stronger. Raises Forbidden."""
    if factors.list_methods(session, me.id):
        raise Forbidden("Your account has a second factor: confirm with it, not with the password.")
    prove_password(session, new_session, me, password)
    raise_to(session, me, me.amr)


def by_code(session: Session, new_session: Callable[[], Session], me: Principal, code: str) -> None:
    tried = _count(new_session, me)
    if factors.check_code(session, me.id, code) is None:
        note(session, "step_up_refused", **own_account(session, me.id), reason="wrong_code")
        raise Forbidden("The code is wrong or was used already. Give the code shown now.")
    throttle.give_back(session, tried)
    raise_to(session, me, (*me.amr, "otp", "mfa"))


def by_passkey(
    session: Session, new_session: Callable[[], Session], me: Principal, credential: dict[str, Any], ceremony: str
) -> None:
    proof = passkeys.authenticate(session, new_session, credential, ceremony, "step_up")
    if proof.person_id != me.id:
        raise Unauthenticated(passkeys.REFUSED)
    raise_to(session, me, proof.amr(me.amr))


def raise_to(session: Session, me: Principal, amr: Sequence[str]) -> None:
    """The session carries the new proof from its next request on."""
    own = update(LoginSession).where(LoginSession.id == me.session_id, LoginSession.person_id == me.id)
    session.execute(own.values(stepped_up_at=func.now(), amr=list(dict.fromkeys(amr))))
    record(session, "stepped_up", **own_account(session, me.id), session_id=me.session_id, amr=list(amr))


def may_enrol(session: Session, me: Principal) -> None:
    """A further factor is added by who has given one: a password alone must not be enough to get round it."""
    if me.session_id is not None and "mfa" not in me.amr and factors.list_methods(session, me.id):
        raise Forbidden("Confirm with the second factor you have before you add another.", type="step-up-required")


def enrolled(session: Session, me: Principal, amr: Sequence[str]) -> None:
    """The new factor has just been used: the session counts it; sessions that lack it end."""
    end_other_sessions(session, me.id, keep=me.session_id)
    raise_to(session, me, amr)
