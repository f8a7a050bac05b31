"""Signing in, in one step or two: a password, then what the account holds besides; or a passkey alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from hub.database import Tenancy, set_tenancy
from hub.errors import Unauthenticated
from identity.audit.service import note, record, unproven
from identity.models import Person
from identity.secrets import digest, new_token, renewed, verify_password
from identity.sessions import throttle
from identity.sessions.service import Browser, Opened, open_session, refuse_where_federated, refused
from identity.strong import devices, factors, passkeys

NewSession = Callable[[], Session]

PENDING_SECONDS = 300
PENDING_TRIES = 5
WRONG = "E-mail or password is wrong. Try again, or have a link sent to set a new password."
WRONG_CODE = "The code is wrong or was used already. Give the code shown now."
ENDED = "This sign-in has ended. Begin again with your e-mail and password."


ACCOUNT = text("select * from identity_account(:email)")
PEND = text("select identity_pend(:digest, :person, :amr, :seconds)")
PENDING = text("select * from identity_pending(:digest)")
TRY = text("select * from identity_try_pending(:digest, :most)")
FINISH = text("select identity_finish_pending(:digest)")


@dataclass(frozen=True, slots=True)
class Pending:
    """A sign-in that waits for its second factor; the token is known here and to the browser alone."""

    token: str
    methods: tuple[factors.Method, ...]
    expires_at: datetime


def sign_in(
    session: Session, new_session: NewSession, *, email: str, password: str, browser: Browser
) -> Opened | Pending:
    """Raises Unauthenticated alike for an unknown account and a wrong password, TooManyRequests, or Forbidden for
    an account without an organisation. `new_session` keeps the count of tries, whatever becomes of this one."""
    account, tried, wait = _admit(new_session, email, browser)
    if wait:
        refused(session, account, "too_many_tries")
        throttle.refuse(wait)
    if not verify_password(account.password_hash if account else None, password) or account is None:
        refused(session, account, "wrong_password" if account else "unknown_account")
        raise Unauthenticated(WRONG)
    throttle.give_back(session, tried)
    set_tenancy(session, Tenancy(person=account.id))
    if (newer := renewed(account.password_hash, password)) is not None:
        session.get_one(Person, account.id).password_hash = newer
    return enter(session, account.id, browser, ("pwd",))


def _admit(
    new_session: NewSession, email: str, browser: Browser
) -> tuple[Row[Any] | None, tuple[throttle.Door, ...], int]:
    """Counts the try in a transaction of its own and ends that before the password is judged. The number is of seconds
    to wait first."""
    with new_session() as session, session.begin():
        account = session.execute(ACCOUNT, {"email": email}).one_or_none()
        device = devices.find(session, account.id, browser.devices) if account is not None else None
        tried = throttle.doors(email, browser.address, device)
        wait = throttle.take(session, tried)
    return account, tried, wait


def enter(session: Session, person_id: UUID, browser: Browser, amr: Sequence[str]) -> Opened | Pending:
    """A session for who was authenticated by `amr`; where the account holds a second factor and none was given, a
    sign-in that waits for it. Raises SignInElsewhere where the organisation has its own provider."""
    refuse_where_federated(session, person_id)
    set_tenancy(session, Tenancy(person=person_id))
    methods = factors.list_methods(session, person_id)
    if not methods or "mfa" in amr:
        return open_session(session, person_id, browser, amr)
    token = new_token()
    kept = {"digest": digest(token), "person": person_id, "amr": list(amr), "seconds": PENDING_SECONDS}
    expires_at: datetime = session.execute(PEND, kept).scalar_one()
    record(session, "second_factor_asked", **unproven(session, person_id))
    return Pending(token, methods, expires_at)


def find_pending(session: Session, token: str) -> Pending | None:
    """The sign-in a browser waits in, and how it can go on."""
    row = session.execute(PENDING, {"digest": digest(token)}).one_or_none()
    if row is None:
        return None
    set_tenancy(session, Tenancy(person=row.person_id))
    return Pending(token, factors.list_methods(session, row.person_id), row.expires_at)


def finish_by_code(session: Session, new_session: NewSession, *, token: str, code: str, browser: Browser) -> Opened:
    """Raises Unauthenticated for a wrong code and a sign-in that has ended, TooManyRequests."""
    pending, tried = _admit_second(new_session, token, browser)
    set_tenancy(session, Tenancy(person=pending.person_id))
    if factors.check_code(session, pending.person_id, code) is None:
        note(session, "second_factor_refused", **unproven(session, pending.person_id), reason="wrong_code")
        raise Unauthenticated(WRONG_CODE)
    throttle.give_back(session, tried)
    return _finish(session, token, pending.person_id, (*pending.amr, "otp", "mfa"), browser)


def _admit_second(new_session: NewSession, token: str, browser: Browser) -> tuple[Row[Any], tuple[throttle.Door, ...]]:
    """Five tries for each sign-in, and as many in an hour as for the password: who has that opens sign-ins at will."""
    with new_session() as session, session.begin():
        pending = session.execute(TRY, {"digest": digest(token), "most": PENDING_TRIES}).one_or_none()
        if pending is None:
            raise Unauthenticated(ENDED)
        device = devices.find(session, pending.person_id, browser.devices)
        tried = throttle.doors(str(pending.person_id), browser.address, device, "second")
        wait = throttle.take(session, tried)
        if wait:
            set_tenancy(session, Tenancy(person=pending.person_id))
            note(session, "second_factor_refused", **unproven(session, pending.person_id), reason="too_many_tries")
    throttle.refuse(wait)
    return pending, tried


def _finish(session: Session, token: str, person_id: UUID, amr: Sequence[str], browser: Browser) -> Opened:
    if session.scalar(FINISH, {"digest": digest(token)}) != person_id:
        raise Unauthenticated(ENDED)
    return open_session(session, person_id, browser, amr)


def begin_passkey(session: Session, new_session: NewSession, *, token: str, ceremony: str, browser: Browser) -> Any:
    """Options for any passkey, or for one of the person whose sign-in waits."""
    with new_session() as counting, counting.begin():
        wait = throttle.take(counting, (throttle.place(browser.address),))
    throttle.refuse(wait)
    row = session.execute(PENDING, {"digest": digest(token)}).one_or_none() if token else None
    if row is None:
        return passkeys.begin_authentication(session, "sign_in", ceremony)
    set_tenancy(session, Tenancy(person=row.person_id))
    return passkeys.begin_authentication(session, "second", ceremony, row.person_id)


def finish_by_passkey(
    session: Session,
    new_session: NewSession,
    credential: dict[str, Any],
    *,
    token: str,
    ceremony: str,
    browser: Browser,
) -> Opened:
    """Signs in by a passkey alone, or goes on with the sign-in that waits. Raises Unauthenticated."""
    row = session.execute(PENDING, {"digest": digest(token)}).one_or_none() if token else None
    proof = passkeys.authenticate(session, new_session, credential, ceremony, "second" if row else "sign_in")
    if row is None:
        refuse_where_federated(session, proof.person_id)
        return open_session(session, proof.person_id, browser, proof.amr())
    return _finish(session, token, row.person_id, proof.amr(row.amr), browser)
