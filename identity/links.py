"""One-time links: made for a person, sent by mail or shown on the outbox page, good for setting one password."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import structlog
from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from hub.columns import new_id
from hub.database import Tenancy, set_tenancy
from hub.errors import NotFound
from hub.settings import settings
from identity.mail import Letter, send
from identity.models import OneTimeLink, Person
from identity.secrets import digest, hash_password, new_token
from identity.sessions import throttle
from identity.sessions.service import Browser, Opened, end_other_sessions, open_session, refuse_where_federated

Purpose = Literal["set_password", "reset", "admin"]

LIFETIMES: dict[Purpose, timedelta] = {
    "set_password": timedelta(days=7),
    "reset": timedelta(hours=2),
    "admin": timedelta(days=1),
}
SPENT = "This link has been used or has expired. Ask for a new one."

log = structlog.get_logger(__name__)


def issue(session: Session, person_id: UUID, organisation_id: UUID, purpose: Purpose) -> str:
    """A new link's address. The session must act for `organisation_id`, one of the person's keepers; once they belong
    to an organisation that it does not cover, the link opens nothing."""
    token = new_token()
    link = OneTimeLink(
        id=new_id(),
        organisation_id=organisation_id,
        person_id=person_id,
        token_hash=digest(token),
        purpose=purpose,
        expires_at=datetime.now(UTC) + LIFETIMES[purpose],
    )
    session.add(link)
    session.flush()
    log.info("one_time_link_made", person=str(person_id), purpose=purpose)
    return f"{base_url()}/set-password?token={token}"


def keeper(session: Session, person_id: UUID) -> UUID:
    """The nearest organisation that covers the person's home and every membership: its administrators alone may see
    their links."""
    found: UUID = session.execute(text("select (identity_keepers(:id))[1]"), {"id": person_id}).scalar_one()
    return found


def base_url() -> str:
    return settings().address.rstrip("/")


def find(session: Session, token: str) -> Row[Any] | None:
    """Whom a link is for (email, locale, purpose), without spending it."""
    return session.execute(text("select * from identity_link(:digest)"), {"digest": digest(token)}).one_or_none()


def redeem(session: Session, token: str, password: str, browser: Browser) -> Opened:
    """Sets the password, ends the person's sessions and older links, and signs in. Of many at once one succeeds;
    the others raise NotFound."""
    for_whom = find(session, token)
    if for_whom is None:
        raise NotFound(SPENT)
    refuse_where_federated(session, for_whom.person_id)
    password_hash = hash_password(password)
    spend = text("select * from identity_redeem_link(:digest)")
    found = session.execute(spend, {"digest": digest(token)}).one_or_none()
    if found is None:
        raise NotFound(SPENT)
    set_tenancy(session, Tenancy(person=found.person_id))
    session.get_one(Person, found.person_id).password_hash = password_hash
    session.flush()
    end_other_sessions(session, found.person_id, keep=None)
    log.info("password_set_by_link", person=str(found.person_id), purpose=found.purpose)
    return open_session(session, found.person_id, browser)


def request_reset(new_session: Callable[[], Session], email: str, address: str) -> None:
    """Mails a link where the account exists. It runs after the answer, so that neither words nor time tell."""
    with new_session() as session, session.begin():
        if throttle.take(session, throttle.reset_doors(email, address)):
            log.info("reset_refused_too_often")
            return
        account = session.execute(text("select * from identity_account(:email)"), {"email": email}).one_or_none()
        if account is None:
            return
        keeper_id = keeper(session, account.id)
        set_tenancy(session, Tenancy((keeper_id,), keeper_id, account.id))
        link = issue(session, account.id, keeper_id, "reset")
        send(session, keeper_id, email, Letter("reset", account.locale, account.name, link))
