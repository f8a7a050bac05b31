"""One sign-in at a provider: begun with a state that is good once and for one browser, ended with a session of ours."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, select, text, update
from sqlalchemy.orm import Session

from hub import vault
from hub.database import Tenancy, set_tenancy
from hub.errors import NotFound
from identity import links
from identity.audit.service import ANYONE, note, own_account, record
from identity.federation import oidc
from identity.federation.models import FederatedIdentity, FederatedSession, IdentityProvider, LoginState
from identity.federation.people import identified, linked
from identity.models import Membership
from identity.secrets import digest, new_token
from identity.sessions.service import Browser, Opened, open_session

LIFETIME = timedelta(minutes=10)
SPENT = "This sign-in was begun in another browser, has ended already, or took longer than ten minutes. Begin again."


@dataclass(frozen=True, slots=True)
class Wish:
    """Where to go afterwards, as whom one will probably sign in; with `person_id`, the account to link."""

    next: str
    email: str = ""
    person_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Underway:
    """A browser on its way, or come back, with a state that is its own."""

    provider_id: UUID
    client: oidc.Client
    scopes: list[str]
    expected: oidc.Expected
    wish: Wish


def home_of(session: Session, email: str) -> UUID | None:
    """The provider at which people of this address's domain sign in."""
    found = session.execute(
        text("select provider_id from federation_home(:domain)"), {"domain": email.rpartition("@")[2].lower()}
    )
    return found.scalar_one_or_none()


def provider(session: Session, provider_id: UUID) -> IdentityProvider:
    """An enabled provider; the session acts for its organisation from here on. Raises NotFound."""
    organisation_id = session.scalar(text("select federation_provider(:id)"), {"id": provider_id})
    if organisation_id is None:
        raise NotFound(f"There is no sign-in provider {provider_id}.")
    set_tenancy(session, Tenancy((organisation_id,), organisation_id))
    return session.get_one(IdentityProvider, provider_id)


def client_of(asked: IdentityProvider) -> oidc.Client:
    secret = None if asked.client_secret is None else vault.unseal(asked.client_secret).decode()
    return oidc.Client(asked.issuer, asked.client_id, secret, callback_address(asked.id))


def callback_address(provider_id: UUID) -> str:
    """One per provider, so that an answer to one cannot be passed off as another's (RFC 9700 §4.4.2)."""
    return f"{links.base_url()}/federation/{provider_id}/callback"


def begin(session: Session, provider_id: UUID, wish: Wish) -> tuple[str, str]:
    """The state, which travels by the provider, and what the browser keeps as a cookie. Raises NotFound."""
    asked = provider(session, provider_id)
    state, browser = new_token(), new_token()
    kept = {"nonce": new_token(), "verifier": new_token(), "next": wish.next, "email": wish.email}
    made = LoginState(
        state_hash=digest(state),
        organisation_id=asked.organisation_id,
        provider_id=asked.id,
        person_id=wish.person_id,
        browser_hash=digest(browser),
        secrets=vault.seal(json.dumps(kept).encode()),
        expires_at=datetime.now(UTC) + LIFETIME,
    )
    session.add(made)
    session.flush()
    return state, browser


def pending(session: Session, provider_id: UUID, state: str, browser: str) -> Underway:
    """The sign-in that this browser has begun; raises oidc.Refused."""
    asked = provider(session, provider_id)
    kept = select(LoginState.secrets, LoginState.person_id).where(*_own(provider_id, state, browser))
    return _underway(asked, session.execute(kept).one_or_none())


def returned(session: Session, provider_id: UUID, state: str, browser: str) -> Underway:
    """Spends the state: of many answers with it one goes on. Raises oidc.Refused."""
    asked = provider(session, provider_id)
    spend = update(LoginState).where(*_own(provider_id, state, browser)).values(used_at=datetime.now(UTC))
    spent = session.execute(spend.returning(LoginState.secrets, LoginState.person_id))
    return _underway(asked, spent.one_or_none())


def _own(provider_id: UUID, state: str, browser: str) -> tuple[ColumnElement[bool], ...]:
    return (
        LoginState.state_hash == digest(state),
        LoginState.provider_id == provider_id,
        LoginState.browser_hash == digest(browser),
        LoginState.used_at.is_(None),
        LoginState.expires_at > datetime.now(UTC),
    )


def _underway(asked: IdentityProvider, row: Row[bytes, UUID | None] | None) -> Underway:
    if row is None:
        raise oidc.Refused(SPENT, "spent")
    kept = json.loads(vault.unseal(row[0]))
    expected = oidc.Expected(kept["nonce"], kept["verifier"])
    return Underway(asked.id, client_of(asked), asked.scopes, expected, Wish(kept["next"], kept["email"], row[1]))


def address(went: Underway, state: str) -> str:
    """Where the browser goes."""
    return oidc.authorization_address(went.client, went.scopes, state, went.expected, went.wish.email)


def redeem(came: Underway, answer: Mapping[str, str]) -> tuple[dict[str, Any], str]:
    """Asks the provider; nothing of the database is held meanwhile."""
    return oidc.redeem(came.client, oidc.code_of(came.client, answer), came.expected)


def sign_in(session: Session, came: Underway, claims: Mapping[str, Any], token: str, browser: Browser) -> Opened:
    """The session of the person these claims are of; an account is made where the domain is the organisation's own."""
    asked = provider(session, came.provider_id)
    known = identified(session, asked, claims)
    opened = open_session(session, known.person_id, browser, _amr(claims))
    set_tenancy(session, Tenancy((asked.organisation_id,), asked.organisation_id))
    address = _logout_address(came.client, token)
    session.add(
        FederatedSession(
            session_id=opened.session_id,
            organisation_id=asked.organisation_id,
            provider_id=asked.id,
            person_id=known.person_id,
            sid=str(claims.get("sid", ""))[:255],
            subject=known.subject,
            logout_address=vault.seal(address.encode()) if address else None,
        )
    )
    session.flush()
    record(
        session,
        "signed_in_by_provider",
        organisations=[asked.organisation_id],
        object_kind="person",
        object_id=known.person_id,
        provider=asked.id,
        session_id=opened.session_id,
    )
    return opened


def tell_refused(session: Session, provider_id: UUID, reason: str) -> None:
    organisation_id = session.scalar(text("select federation_provider(:id)"), {"id": provider_id})
    about: dict[str, Any] = {"object_kind": "identity_provider", "object_id": provider_id, "reason": reason}
    note(session, "sign_in_refused", actor=ANYONE, organisations=[organisation_id], **about)


def _amr(claims: Mapping[str, Any]) -> tuple[str, ...]:
    """By the provider's word; it says itself whether there was a second factor (RFC 8176)."""
    said = claims.get("amr")
    return ("fed", "mfa") if isinstance(said, list) and "mfa" in said else ("fed",)


def link(session: Session, came: Underway, claims: Mapping[str, Any], person_id: UUID) -> None:
    """Raises oidc.Refused where another person than the one who began came back."""
    if came.wish.person_id != person_id:
        raise oidc.Refused("Another person signed in here meanwhile. Begin again.", "spent")
    asked = provider(session, came.provider_id)
    set_tenancy(session, Tenancy((asked.organisation_id,), asked.organisation_id, person_id))
    linked(session, asked, str(claims["sub"]), person_id)


def may_link(session: Session, person_id: UUID, provider_id: UUID) -> None:
    """Only with a provider of an organisation one is a member of; raises NotFound."""
    asked = provider(session, provider_id)
    if session.get(Membership, (asked.organisation_id, person_id)) is None:
        raise NotFound(f"There is no sign-in provider {provider_id}.")


def list_own(session: Session, person_id: UUID) -> Sequence[Row[UUID, str, bool]]:
    """Providers of the organisations one is a member of and acts for: id, name, and whether one is linked there."""
    linked = (FederatedIdentity.provider_id == IdentityProvider.id) & (FederatedIdentity.person_id == person_id)
    member = (Membership.organisation_id == IdentityProvider.organisation_id) & (Membership.person_id == person_id)
    is_linked = FederatedIdentity.person_id.is_not(None).label("is_linked")
    own = select(IdentityProvider.id, IdentityProvider.name, is_linked).join(Membership, member)
    offered = own.outerjoin(FederatedIdentity, linked).where(IdentityProvider.disabled_at.is_(None))
    return session.execute(offered.order_by(IdentityProvider.name, IdentityProvider.id)).all()


def unlink(session: Session, person_id: UUID, provider_id: UUID) -> None:
    """Raises NotFound where there is no such link."""
    set_tenancy(session, Tenancy((), None, person_id))
    own = select(FederatedIdentity).where(
        FederatedIdentity.provider_id == provider_id, FederatedIdentity.person_id == person_id
    )
    found = session.scalar(own)
    if found is None:
        raise NotFound(f"Your account is not linked with the sign-in provider {provider_id}.")
    set_tenancy(session, Tenancy((found.organisation_id,), found.organisation_id, person_id))
    session.delete(found)
    session.flush()
    told = own_account(session, person_id, found.organisation_id)
    record(session, "identity_unlinked", **told, provider=provider_id)


def _logout_address(client: oidc.Client, token: str) -> str:
    """Where the provider's own session ends (RP-Initiated Logout); empty where it does not say."""
    endpoint = oidc.metadata(client.issuer).get("end_session_endpoint")
    if not isinstance(endpoint, str) or not endpoint.startswith(("https://", "http://")):
        return ""
    back = f"{links.base_url()}/signin"
    given = {"id_token_hint": token, "client_id": client.client_id, "post_logout_redirect_uri": back}
    return oidc.with_query(endpoint, given)


def logout_address(session: Session, session_id: UUID | None) -> str:
    """Asked before the session ends; empty where no provider opened it."""
    found = session.scalar(select(FederatedSession.logout_address).where(FederatedSession.session_id == session_id))
    return "" if found is None else vault.unseal(found).decode()
