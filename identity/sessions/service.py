"""Sessions of a person: opened for whoever identity.strong.signin let in, listed and ended; personal settings."""

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
from hub.errors import Forbidden, NotFound
from hub.settings import settings
from identity.models import LoginSession, Membership, Person
from identity.principal import Principal
from identity.secrets import digest, hash_password, new_token
from identity.sessions.schemas import SettingsPatch
from identity.strong import devices, passwords

NewSession = Callable[[], Session]

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Opened:
    """A session just opened; the token is known here and to the browser alone, as is `device`, the token of a browser
    that the person had not signed in from before."""

    token: str
    csrf: str
    session_id: UUID
    person_id: UUID
    expires_at: datetime
    device: str = ""


@dataclass(frozen=True, slots=True)
class Browser:
    """Where a person signs in from; `devices` are digests of the device tokens it holds."""

    address: str
    name: str
    devices: tuple[bytes, ...] = ()


def open_session(session: Session, person_id: UUID, browser: Browser, amr: Sequence[str] = ()) -> Opened:
    """Acts for the home organisation where the person is a member of it, else for the oldest membership. `amr` is how
    the person was authenticated; what a policy asks beyond that, the session may not do."""
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
        amr=list(amr),
        expires_at=now + timedelta(days=settings().session_days),
    )
    session.add(made)
    session.flush()
    device = devices.remember(session, person_id, browser.devices, browser.name)
    log.info("signed_in", person=str(person_id), session=str(made.id), amr=list(amr))
    return Opened(token, csrf, made.id, person_id, made.expires_at, device)


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


def change_password(session: Session, principal: Principal, password: str) -> None:
    """Ends every other session. Who asks was judged by `identity.strong.step_up.prove_password`."""
    person = session.get_one(Person, principal.id)
    passwords.judge(password, person.email, person.name)
    person.password_hash = hash_password(password)
    session.flush()
    end_other_sessions(session, principal.id, keep=principal.session_id)
    log.info("password_changed", person=str(principal.id))
