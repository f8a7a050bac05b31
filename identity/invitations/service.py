"""Invitations: made, listed, sent again and taken back by administrators; opened once by whoever holds the link."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Row, select, text
from sqlalchemy.orm import Session

from hub.columns import new_id
from hub.database import Tenancy, set_tenancy
from hub.errors import Conflict, Forbidden, NotFound
from hub.models import Organisation
from identity.audit.service import Someone, home_of, record
from identity.invitations.models import Invitation
from identity.invitations.schemas import InvitationIn, InvitationOut, NewAccount
from identity.links import base_url
from identity.mail import Letter, send
from identity.models import Person
from identity.people import service as people
from identity.people.schemas import PersonIn
from identity.principal import Principal, act_for
from identity.scopes import scopes_of
from identity.secrets import digest, hash_password, new_token
from identity.sessions import throttle
from identity.sessions.service import Browser, Opened, open_session

SPENT = "This invitation has been used, has expired or was taken back. Ask for a new one."
UNPROVEN = "The address is not confirmed. Have the link mailed to it, and open it from there."


class Made(NamedTuple):
    """An invitation and its link, which is known here and to whoever it is shown to."""

    invitation: Invitation
    link: str


def shown(invitation: Invitation) -> InvitationOut:
    known = {n: getattr(invitation, n) for n in InvitationOut.model_fields if n != "state"}
    return InvitationOut(**known, state=_state(invitation))  # type: ignore[arg-type]


def _state(invitation: Invitation) -> str:
    if invitation.used_at is not None:
        return "used"
    if invitation.revoked_at is not None:
        return "revoked"
    return "open" if invitation.expires_at > datetime.now(UTC) else "expired"


def list_invitations(
    session: Session, organisation_id: UUID | None = None, after: UUID | None = None, limit: int = 100
) -> Sequence[Invitation]:
    """The newest first, after the given one."""
    found = select(Invitation).order_by(Invitation.id.desc()).limit(limit)
    if organisation_id is not None:
        found = found.where(Invitation.organisation_id == organisation_id)
    return session.scalars(found if after is None else found.where(Invitation.id < after)).all()


def get_invitation(session: Session, invitation_id: UUID) -> Invitation:
    found = session.get(Invitation, invitation_id)
    if found is None:
        raise NotFound(f"There is no invitation {invitation_id}.")
    return found


def invite(session: Session, caller: Principal, given: InvitationIn) -> Made:
    """Nothing tells whether the address has an account: whoever opens the link decides with which one to join."""
    organisation_id = people.acting(session, caller, given.organisation_id)
    people.grantable(caller, given.roles, people.kind_of(session, organisation_id))
    made = Invitation(
        id=new_id(),
        organisation_id=organisation_id,
        invited_by=caller.id,
        expires_at=datetime.now(UTC) + timedelta(days=given.days),
        **given.model_dump(exclude={"days", "organisation_id"}),
    )
    session.add(made)
    link = _send(session, made)
    _tell(session, "invitation_made", made, roles=made.roles)
    return Made(made, link)


def resend(session: Session, caller: Principal, invitation_id: UUID) -> Made:
    """A new link for as long again, on the caller's word; the one before opens nothing any more."""
    known = _open(session, caller, invitation_id)
    people.grantable(caller, known.roles, people.kind_of(session, known.organisation_id))
    known.expires_at, known.invited_by = datetime.now(UTC) + (known.expires_at - known.created_at), caller.id
    link = _send(session, known)
    _tell(session, "invitation_sent_again", known)
    return Made(known, link)


def revoke(session: Session, caller: Principal, invitation_id: UUID) -> None:
    """Raises Conflict for one that was used."""
    known = _open(session, caller, invitation_id)
    known.revoked_at = datetime.now(UTC)
    session.flush()
    _tell(session, "invitation_revoked", known)


def _open(session: Session, caller: Principal, invitation_id: UUID) -> Invitation:
    known = get_invitation(session, invitation_id)
    act_for(session, caller, known.organisation_id)
    session.refresh(known, with_for_update=True)
    if known.used_at is not None:
        raise Conflict("This invitation was used. End the membership instead.")
    if known.revoked_at is not None:
        raise Conflict("This invitation was taken back. Make a new one.")
    return known


def _send(session: Session, made: Invitation) -> str:
    """The link to hand over; the mailed one also proves that its reader has the address."""
    token, proof = new_token(), new_token()
    made.token_hash, made.proof_hash = digest(token), digest(proof) if made.email else None
    session.flush()
    if made.email:
        _mail(session, made.organisation_id, made.email, made.locale, _link(token, proof))
    return _link(token)


def _mail(session: Session, organisation_id: UUID, email: str, locale: str, link: str) -> None:
    organisation = session.get_one(Organisation, organisation_id)
    name = organisation.name_zh if locale == "zh" else organisation.name_en
    send(session, organisation_id, email, Letter("invitation", locale, name, link))


def _link(token: str, proof: str = "") -> str:
    return f"{base_url()}/invitation?token={token}" + (f"&proof={proof}" if proof else "")


def find(session: Session, token: str, proof: str = "") -> Row[Any] | None:
    """What a link opens, without spending it."""
    values = {"token": digest(token), "proof": digest(proof)}
    return session.execute(text("select * from identity_invitation(:token, :proof)"), values).one_or_none()


def mail_link(session: Session, token: str, email: str, address: str) -> None:
    """Mails the link to the address its holder names, so that it can be confirmed. Raises NotFound for a spent link,
    TooManyRequests."""
    if find(session, token) is None:
        raise NotFound(SPENT)
    throttle.refuse(throttle.take(session, throttle.reset_doors(email, address)))
    proof = new_token()
    values = {"token": digest(token), "email": email, "proof": digest(proof)}
    found = session.execute(
        text("select * from identity_address_invitation(:token, :email, :proof)"), values
    ).one_or_none()
    if found is None:
        raise NotFound(SPENT)
    set_tenancy(session, Tenancy((found.organisation_id,), found.organisation_id))
    _mail(session, found.organisation_id, email, found.locale, _link(token, proof))


def accept(session: Session, caller: Principal, token: str) -> UUID:
    """The signed-in person joins, whatever the invited address; returns the organisation."""
    organisation_id = _join(session, token, caller.id)
    set_tenancy(session, caller.tenancy)
    return organisation_id


def accept_mailed(session: Session, token: str, proof: str) -> UUID:
    """The account of the address that the link was mailed to joins, without being signed in by that: who belongs to no
    organisation any more could not sign in to accept."""
    found = find(session, token, proof)
    if found is None:
        raise NotFound(SPENT)
    if found.account_id is None:
        raise Conflict(UNPROVEN if not found.is_proven else "There is no account with this address yet. Make one.")
    return _join(session, token, found.account_id)


def redeem(session: Session, given: NewAccount, browser: Browser) -> Opened:
    """A new account with the confirmed address joins and is signed in. Raises Forbidden for an address that nobody has
    confirmed, Conflict for one that has an account."""
    found = find(session, given.token, given.proof)
    if found is None:
        raise NotFound(SPENT)
    if not found.is_proven:
        raise Forbidden(UNPROVEN)
    password_hash = hash_password(given.password)
    set_tenancy(session, Tenancy((found.organisation_id,), found.organisation_id))
    account = PersonIn(email=found.email, name=given.name, roles=found.roles, locale=found.locale)
    person_id = people.add_person(session, found.organisation_id, account)
    session.get_one(Person, person_id).password_hash = password_hash
    _join(session, given.token, person_id)
    return open_session(session, person_id, browser)


def _join(session: Session, token: str, person_id: UUID) -> UUID:
    """Of many at once one succeeds; the others raise NotFound. The session acts for the organisation from here on."""
    spend = text("select * from identity_redeem_invitation(:token)")
    found = session.execute(spend, {"token": digest(token)}).one_or_none()
    if found is None:
        raise NotFound(SPENT)
    organisation_id: UUID = found.organisation_id
    set_tenancy(session, Tenancy((organisation_id,), organisation_id, person_id))
    # Whoever joins does so themselves, signed in or not.
    session.info.setdefault("caller", Someone("person", person_id, organisation_id))
    people.join(session, organisation_id, person_id, scopes_of(found.roles, found.kind))
    known = session.get_one(Invitation, found.id)
    known.used_by = person_id
    session.flush()
    _tell(session, "invitation_redeemed", known, home_of(session, person_id))
    return organisation_id


def _tell(session: Session, action: str, known: Invitation, *others: UUID, **detail: Any) -> None:
    places = [known.organisation_id, *others]
    record(session, action, organisations=places, object_kind="invitation", object_id=known.id, **detail)
