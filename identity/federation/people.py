"""Whom a provider's claims mean: a linked person, an account of the organisation's own domain, or a new one; and the
roles the claims carry."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from hub.database import Tenancy, set_tenancy
from hub.errors import Conflict
from identity.audit.service import record
from identity.federation.models import FederatedIdentity, IdentityProvider, VerifiedDomain
from identity.federation.oidc import Refused
from identity.fields import Email
from identity.models import Membership, Person
from identity.people.schemas import PersonIn
from identity.people.service import add_person, join, kind_of, tell
from identity.scopes import TEMPLATE, scopes_of

LOCALES: Final = ("zh", "en")
NAME: Final = 120
ELSEWHERE = (
    "The account of this address is at home in another organisation. Sign in with it as before, then link it under My "
    "account."
)

_email: TypeAdapter[str] = TypeAdapter(Email)


def identified(session: Session, asked: IdentityProvider, claims: Mapping[str, Any]) -> FederatedIdentity:
    """The identity of these claims, made at the first sign-in; its roles follow the claims at each. The session acts
    for the provider's organisation. Raises oidc.Refused."""
    known = session.get(FederatedIdentity, (asked.id, claims["sub"]))
    if known is None:
        known = linked(session, asked, str(claims["sub"]), _account(session, asked, claims))
    set_tenancy(session, Tenancy((asked.organisation_id,), asked.organisation_id, known.person_id))
    if session.scalar(select(Person.disabled_at).where(Person.id == known.person_id)) is not None:
        raise Refused("This account is disabled. Its home organisation can enable it.", "disabled")
    # Whoever was taken out of the organisation does not come back by its provider, nor into others.
    member = session.get(Membership, (asked.organisation_id, known.person_id))
    if member is None:
        raise Refused("This account is no member of the organisation any more.", "disabled")
    _follow_roles(session, asked, claims, member)
    known.last_used_at = datetime.now(UTC)
    session.flush()
    return known


def linked(session: Session, asked: IdentityProvider, subject: str, person_id: UUID) -> FederatedIdentity:
    """Raises oidc.Refused where the subject or the person is linked already: an address that was given to somebody new
    must not open the account of who had it before."""
    pair = (FederatedIdentity.subject == subject) | (FederatedIdentity.person_id == person_id)
    earlier = session.scalar(select(FederatedIdentity).where(FederatedIdentity.provider_id == asked.id, pair))
    if earlier is not None and (earlier.subject, earlier.person_id) == (subject, person_id):
        return earlier
    if earlier is not None:
        raise Refused("This account, or this sign-in, is linked to another one already.", "linked")
    made = FederatedIdentity(
        organisation_id=asked.organisation_id, provider_id=asked.id, subject=subject, person_id=person_id
    )
    session.add(made)
    session.flush()
    places = [asked.organisation_id]
    record(
        session, "identity_linked", organisations=places, object_kind="person", object_id=person_id, provider=asked.id
    )
    return made


def _account(session: Session, asked: IdentityProvider, claims: Mapping[str, Any]) -> UUID:
    """The account of the claimed address. Its domain is the organisation's own: who holds that already receives its
    mail, and so could set a new password by it."""
    email = _own_address(session, asked, claims)
    account = session.execute(text("select * from identity_account(:email)"), {"email": email}).one_or_none()
    if account is None:
        return _new_account(session, asked, email, claims)
    if account.organisation_id != asked.organisation_id:
        raise Refused(ELSEWHERE, "elsewhere")
    return UUID(str(account.id))


def _own_address(session: Session, asked: IdentityProvider, claims: Mapping[str, Any]) -> str:
    try:
        email = _email.validate_python(claims.get("email"))
    except ValidationError:
        raise Refused("The provider gave no e-mail address for this person.", "address") from None
    given = claims.get("email_verified")
    if not (given in (True, "true") or (given is None and asked.is_authoritative)):
        raise Refused("The provider does not say that it has verified this e-mail address.", "address")
    owned = select(VerifiedDomain.id).where(
        VerifiedDomain.organisation_id == asked.organisation_id,
        VerifiedDomain.domain == email.rpartition("@")[2],
        VerifiedDomain.verified_at.is_not(None),
    )
    if session.scalar(owned) is None:
        raise Refused("The e-mail address lies in no domain that this organisation has shown to be its own.", "address")
    return email


def _new_account(session: Session, asked: IdentityProvider, email: str, claims: Mapping[str, Any]) -> UUID:
    kind = kind_of(session, asked.organisation_id)
    roles = roles_of(asked, claims, kind)
    if not roles:
        raise Refused("The provider gives this person no role here. Ask your administrator.", "roles")
    name = "".join(c for c in str(claims.get("name") or email.partition("@")[0]) if c.isprintable()).strip()[:NAME]
    spoken = str(claims.get("locale", "")).partition("-")[0].lower()
    locale = spoken if spoken in LOCALES else "zh"
    given = PersonIn.model_validate({"email": email, "name": name or email, "locale": locale, "roles": roles})
    try:
        person_id = add_person(session, asked.organisation_id, given)
    except Conflict:
        raise Refused("This account is disabled. Its home organisation can enable it.", "disabled") from None
    join(session, asked.organisation_id, person_id, scopes_of(roles, kind))
    return person_id


def roles_of(asked: IdentityProvider, claims: Mapping[str, Any], kind: str) -> list[str]:
    """By the claim's values; the default where none of them is mapped."""
    given = claims.get(asked.role_claim) if asked.role_claim else None
    values = given if isinstance(given, list) else [given]
    found = {r for v in values if isinstance(v, str) for r in asked.role_mapping.get(v, ())}
    return sorted((found or set(asked.default_roles)) & set(TEMPLATE[kind]))


def _follow_roles(session: Session, asked: IdentityProvider, claims: Mapping[str, Any], member: Membership) -> None:
    """Where the provider speaks of roles, its word holds at each sign-in, also when it takes them all away."""
    kind = kind_of(session, asked.organisation_id)
    scopes = scopes_of(roles_of(asked, claims, kind), kind)
    if not asked.role_claim or sorted(member.scopes) == scopes:
        return
    before, member.scopes = set(member.scopes), scopes
    changed = {"granted": sorted(set(scopes) - before), "revoked": sorted(before - set(scopes))}
    tell(session, "membership_changed", member.person_id, member.organisation_id, provider=asked.id, **changed)
