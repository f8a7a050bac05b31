"""One-time links: made for a person, sent by mail or shown on the outbox page, good for setting one password."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from hub.columns import new_id
from hub.database import Tenancy, set_tenancy
from hub.errors import NotFound
from hub.settings import settings
from identity.audit.service import ANYONE, Someone, record
from identity.mail import Letter, send
from identity.models import OneTimeLink, Person
from identity.secrets import digest, hash_password, new_token
from identity.sessions import throttle
from identity.sessions.service import Browser, Opened, end_other_sessions, refuse_where_federated
from identity.strong import passwords
from identity.strong.signin import Pending, enter

Purpose = Literal["set_password", "reset", "admin"]

LIFETIMES: dict[Purpose, timedelta] = {
    "set_password": timedelta(days=7),
    "reset": timedelta(hours=2),
    "admin": timedelta(days=1),
}
SPENT = "This link has been used or has expired. Ask for a new one."


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
    record(
        session,
        "one_time_link_made",
        organisations=[organisation_id],
        object_kind="person",
        object_id=person_id,
        purpose=purpose,
    )
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


def redeem(session: Session, token: str, password: str, browser: Browser) -> Opened | Pending:
    """Sets the password, ends the person's sessions and older links, and signs in as far as a password does. Of many at
    once one succeeds; the others raise NotFound, and WeakPassword leaves the link as it was."""
    known = find(session, token)
    if known is None:
        raise NotFound(SPENT)
    refuse_where_federated(session, known.person_id)
    set_tenancy(session, Tenancy(person=known.person_id))
    person = session.get_one(Person, known.person_id)
    passwords.judge(password, person.email, person.name)
    password_hash = hash_password(password)
    spend = text("select * from identity_redeem_link(:digest)")
    found = session.execute(spend, {"digest": digest(token)}).one_or_none()
    if found is None:
        raise NotFound(SPENT)
    person.password_hash = password_hash
    session.flush()
    end_other_sessions(session, found.person_id, keep=None)
    itself = Someone("person", found.person_id, found.organisation_id)
    person_id, purpose = found.person_id, found.purpose
    record(session, "password_set_by_link", actor=itself, object_kind="person", object_id=person_id, purpose=purpose)
    return enter(session, found.person_id, browser, ("pwd",))


def request_reset(new_session: Callable[[], Session], email: str, address: str) -> None:
    """Mails a link where the account exists. It runs after the answer, so that neither words nor time tell."""
    with new_session() as session, session.begin():
        session.info["caller"] = ANYONE
        if throttle.take(session, throttle.reset_doors(email, address)):
            record(session, "reset_refused_too_often")
            return
        account = session.execute(text("select * from identity_account(:email)"), {"email": email}).one_or_none()
        if account is None:
            return
        keeper_id = keeper(session, account.id)
        set_tenancy(session, Tenancy((keeper_id,), keeper_id, account.id))
        link = issue(session, account.id, keeper_id, "reset")
        send(session, keeper_id, email, Letter("reset", account.locale, account.name, link))
