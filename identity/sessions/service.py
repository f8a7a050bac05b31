"""Signing in and out, the sessions of a person, personal settings, and passwords set by a one-time link."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Row, case, delete, select, text, update
from sqlalchemy.orm import Session

from hub.columns import new_id
from hub.database import Tenancy, set_tenancy
from hub.errors import Forbidden, NotFound, Unauthenticated
from hub.settings import settings
from identity.models import LoginSession, Membership, Person
from identity.principal import Principal
from identity.secrets import digest, hash_password, new_token, verify_password
from identity.sessions import throttle
from identity.sessions.schemas import SettingsPatch

NewSession = Callable[[], Session]

log = structlog.get_logger(__name__)

WRONG = "E-mail or password is wrong. Try again, or have a link sent to set a new password."


@dataclass(frozen=True, slots=True)
class Opened:
    """A session just opened; the token is known here and to the browser alone."""

    token: str
    csrf: str
    session_id: UUID
    person_id: UUID
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Browser:
    """Where a person signs in from."""

    address: str
    name: str


def sign_in(session: Session, new_session: NewSession, *, email: str, password: str, browser: Browser) -> Opened:
    """Raises Unauthenticated alike for an unknown account and a wrong password, TooManyRequests, or Forbidden for
    an account without an organisation. `new_session` keeps the count of tries, whatever becomes of this one."""
    account, tried = _admit(new_session, email, browser)
    if not verify_password(account.password_hash if account else None, password) or account is None:
        log.info("sign_in_refused", person=str(account.id) if account else None)
        raise Unauthenticated(WRONG)
    throttle.give_back(session, tried)
    refuse_where_federated(session, account.id)
    return open_session(session, account.id, browser)


class SignInElsewhere(Forbidden):
    """`provider_id` is where."""

    def __init__(self, provider_id: UUID) -> None:
        super().__init__("Your organisation has you sign in at its own provider: choose that on the sign-in page.")
        self.provider_id = provider_id


def refuse_where_federated(session: Session, person_id: UUID) -> None:
    """For every way to sign in that is not the organisation's provider; raises SignInElsewhere where that is enforced.
    To be asked once the person has proved who they are, so that it tells nobody else."""
    provider_id = session.scalar(text("select federation_enforced(:id)"), {"id": person_id})
    if provider_id is not None:
        raise SignInElsewhere(provider_id)


def _admit(new_session: NewSession, email: str, browser: Browser) -> tuple[Row[Any] | None, tuple[throttle.Door, ...]]:
    """Counts the try in a transaction of its own and ends that before the password is judged."""
    known = text("select identity_knows_address(:id, :at)")
    with new_session() as session, session.begin():
        account = session.execute(text("select * from identity_account(:email)"), {"email": email}).one_or_none()
        is_known = account is not None and session.scalar(known, {"id": account.id, "at": browser.address})
        tried = throttle.doors(email, browser.address, is_known=bool(is_known))
        wait = throttle.take(session, tried)
    throttle.refuse(wait)
    return account, tried


def open_session(session: Session, person_id: UUID, browser: Browser) -> Opened:
    """Acts for the home organisation where the person is a member of it, else for the oldest membership."""
    set_tenancy(session, Tenancy(person=person_id))
    home = select(Person.organisation_id).where(Person.id == person_id).scalar_subquery()
    first = (
        select(Membership.organisation_id)
        .where(Membership.person_id == person_id)
        .order_by(case((Membership.organisation_id == home, 0), else_=1), Membership.created_at)
        .limit(1)
    )
    organisation_id = session.scalar(first)
    if organisation_id is None:
        raise Forbidden("Your account belongs to no organisation any more. Ask your administrator.")
    token, csrf, now = new_token(), new_token(), datetime.now(UTC)
    made = LoginSession(
        id=new_id(),
        organisation_id=organisation_id,
        person_id=person_id,
        token_hash=digest(token),
        csrf=csrf,
        address=browser.address,
        browser=browser.name[:200],
        expires_at=now + timedelta(days=settings().session_days),
    )
    session.add(made)
    session.flush()
    log.info("signed_in", person=str(person_id), session=str(made.id))
    return Opened(token, csrf, made.id, person_id, made.expires_at)


def list_sessions(session: Session, person_id: UUID) -> Sequence[LoginSession]:
    mine = select(LoginSession).where(LoginSession.person_id == person_id, LoginSession.expires_at > datetime.now(UTC))
    return session.scalars(mine.order_by(LoginSession.last_seen_at.desc(), LoginSession.id).limit(200)).all()


def end_session(session: Session, person_id: UUID, session_id: UUID) -> None:
    """Raises NotFound for a session that is not the person's own."""
    own = delete(LoginSession).where(LoginSession.id == session_id, LoginSession.person_id == person_id)
    if session.scalar(own.returning(LoginSession.id)) is None:
        raise NotFound(f"You have no session {session_id}; it may have ended already.")
    log.info("session_ended", person=str(person_id), session=str(session_id))


def end_other_sessions(session: Session, person_id: UUID, keep: UUID | None) -> None:
    mine = delete(LoginSession).where(LoginSession.person_id == person_id)
    session.execute(mine if keep is None else mine.where(LoginSession.id != keep))


def list_own_organisations(session: Session) -> Sequence[Row[Any]]:
    """Every organisation the signed-in person may act for."""
    return session.execute(text("select * from identity_my_organisations()")).all()


def act_for_organisation(session: Session, principal: Principal, organisation_id: UUID) -> None:
    """The session acts for another organisation from its next request on; raises NotFound where it may not."""
    if organisation_id not in {o.id for o in list_own_organisations(session)}:
        raise NotFound(f"There is no organisation {organisation_id} you may act for.")
    own = update(LoginSession).where(LoginSession.id == principal.session_id)
    session.execute(own.values(organisation_id=organisation_id))


def change_settings(session: Session, person_id: UUID, given: SettingsPatch) -> None:
    person = session.get_one(Person, person_id)
    for name, value in given.model_dump(exclude_none=True).items():
        setattr(person, name, value)
    session.flush()


def change_password(session: Session, principal: Principal, current: str, password: str) -> None:
    """Ends every other session; raises Unauthenticated where `current` is wrong."""
    person = session.get_one(Person, principal.id)
    if not verify_password(person.password_hash, current):
        raise Forbidden("The current password is wrong. Nothing was changed.")
    person.password_hash = hash_password(password)
    session.flush()
    end_other_sessions(session, principal.id, keep=principal.session_id)
    log.info("password_changed", person=str(principal.id))
