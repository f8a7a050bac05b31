"""What a person changes about the own account: the address that signs in, and which account it is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from hub.columns import new_id
from hub.database import Tenancy, set_tenancy
from hub.errors import Conflict, Forbidden, NotFound
from identity.audit.service import note, own_account, record
from identity.links import base_url, keeper
from identity.mail import Letter, send
from identity.models import Person
from identity.people.models import AccountMerge, EmailChange
from identity.principal import Principal
from identity.secrets import digest, new_token, verify_password
from identity.sessions import throttle

EMAIL_LIFETIME, MERGE_LIFETIME = timedelta(days=1), timedelta(minutes=15)
SPENT = "This link has been used or has expired, or the address was taken meanwhile. Ask for a new one."


def request_email(session: Session, me: Principal, email: str, password: str, address: str) -> None:
    """Mails a link to the new address; until it is opened nothing changes. Whether the address has an account, only its
    reader is told. Raises Forbidden for a wrong password, TooManyRequests."""
    person = session.get_one(Person, me.id)
    if person.password_hash is not None and not verify_password(person.password_hash, password):
        note(session, "step_up_refused", **own_account(session, me.id), reason="wrong_password")
        raise Forbidden("The current password is wrong. Nothing was changed.")
    if email == person.email:
        raise Conflict("This is your address already.")
    throttle.refuse(throttle.take(session, throttle.reset_doors(email, address)))
    if session.scalar(text("select identity_is_taken(:email)"), {"email": email}):
        letter = Letter("taken_email", person.locale, person.name, f"{base_url()}/account/identity")
    else:
        token = new_token()
        change = EmailChange(id=new_id(), person_id=me.id, email=email, token_hash=digest(token))
        change.expires_at = datetime.now(UTC) + EMAIL_LIFETIME
        session.add(change)
        session.flush()
        letter = Letter("new_email", person.locale, person.name, f"{base_url()}/email?token={token}")
    _mail(session, me.id, email, letter)
    set_tenancy(session, me.tenancy)
    record(session, "email_change_asked", **own_account(session, me.id))


def confirm_email(session: Session, token: str) -> str:
    """The mailed address signs in from now on; the old one is told and can undo it for 7 days. Of many at once one
    succeeds; the others raise NotFound."""
    undo = new_token()
    values = {"token": digest(token), "undo": digest(undo)}
    try:
        with session.begin_nested():
            found = session.execute(text("select * from identity_redeem_email(:token, :undo)"), values).one_or_none()
    except IntegrityError:
        raise NotFound(SPENT) from None
    if found is None:
        raise NotFound(SPENT)
    letter = Letter("old_email", found.locale, found.name, f"{base_url()}/email/undo?token={undo}")
    _mail(session, found.person_id, found.old_email, letter)
    record(session, "email_changed", **own_account(session, found.person_id))
    return str(found.email)


def undo_email(session: Session, token: str) -> str:
    """The old address signs in again; every session and link ends, since somebody else may hold them."""
    found = session.execute(text("select * from identity_undo_email(:token)"), {"token": digest(token)}).one_or_none()
    if found is None:
        raise NotFound("This link has been used or has expired. Ask your administrator.")
    set_tenancy(session, Tenancy(person=found.person_id))
    record(session, "email_change_undone", **own_account(session, found.person_id))
    return str(found.email)


def _mail(session: Session, person_id: UUID, recipient: str, letter: Letter) -> None:
    """Kept with the nearest organisation above all of the person's: nobody else may read its link."""
    keeper_id = keeper(session, person_id)
    set_tenancy(session, Tenancy((keeper_id,), keeper_id, person_id))
    send(session, keeper_id, recipient, letter)


def start_merge(session: Session, me: Principal) -> str:
    """A token that says: who shows it was signed in to this account within the last 15 minutes."""
    token = new_token()
    expires_at = datetime.now(UTC) + MERGE_LIFETIME
    session.add(AccountMerge(id=new_id(), person_id=me.id, token_hash=digest(token), expires_at=expires_at))
    session.flush()
    record(session, "account_merge_started", **own_account(session, me.id))
    return token


def merge(session: Session, me: Principal, token: str) -> UUID:
    """Unites the account the token is of with the one signed in to, which stays: so whoever plants a token on somebody
    gives the own account away and gains nothing. Raises NotFound."""
    merged: UUID | None = session.scalar(text("select merged_id from identity_merge(:token)"), {"token": digest(token)})
    if merged is None:
        raise NotFound(
            "There is no other account to merge, or the 15 minutes are over. Start again from the other one."
        )
    session.expire_all()
    record(session, "accounts_merged", **own_account(session, me.id, keeper(session, merged)) | {"object_id": merged})
    return merged
