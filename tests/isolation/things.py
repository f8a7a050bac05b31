"""What identity keeps of each tenant: one of everything that an address can name, made as rows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.orm import Session

from hub.columns import new_id
from hub.database import Tenancy, set_tenancy
from identity.federation.models import IdentityProvider, VerifiedDomain
from identity.invitations.models import Invitation
from identity.models import LoginSession, Membership, Person
from identity.oauth.grants import new_grant
from identity.oauth.models import Client, ClientSecret, Grant
from identity.organisations.models import OrganisationExport
from identity.partners.models import PartnerGrant
from identity.scim.models import ScimGroup, ScimToken
from identity.scopes import READING
from identity.secrets import digest
from identity.sessions.service import Browser, Opened, open_session
from identity.strong.models import Device, Passkey

LATER = datetime.now(UTC) + timedelta(days=30)


def fill(session: Session, place: UUID, person: UUID, token: str, partner: UUID) -> dict[str, str]:
    """The ids by the names of the parameters that take them; `session` acts for the place."""
    client = _client(session, place, token)
    secret = ClientSecret(id=new_id(), organisation_id=place, client_id=client.id, secret_hash=digest(token))
    made: dict[str, Any] = {
        "client_id": client,
        "secret_id": secret,
        "invitation_id": Invitation(id=new_id(), organisation_id=place, token_hash=digest(token), roles=[], name=token,
                                    invited_by=person, expires_at=LATER),
        "grant_id": PartnerGrant(id=new_id(), organisation_id=place, partner_id=partner, roles=["planner"],
                                 scopes=sorted(READING),
                                 granted_by=person),
        "export_id": OrganisationExport(id=new_id(), organisation_id=place, asked_by=person, state="ready"),
        "token_id": ScimToken(id=new_id(), organisation_id=place, name=token, token_hash=digest(f"scim{token}"),
                              grantable=[], made_by=person, expires_at=LATER),
        "group_id": ScimGroup(id=new_id(), organisation_id=place, display_name=token, roles=[]),
        "provider_id": _provider(place, token),
        "domain_id": VerifiedDomain(id=new_id(), organisation_id=place, domain=f"{token}.example", token=token,
                                    method="dns"),
    }  # fmt: skip
    session.add_all(made.values())
    session.flush()
    return {name: str(one.id) for name, one in made.items()} | _own(session, place, person, token)


def _client(session: Session, place: UUID, token: str) -> Client:
    made = Client(
        id=new_id(), organisation_id=place, client_id=f"client-{token}", name=token, application_type="web",
        token_endpoint_auth_method="client_secret_basic", redirect_uris=["https://app.example/cb"],
        post_logout_redirect_uris=[], grant_types=["authorization_code"], scopes=["openid"],
    )  # fmt: skip
    session.add(made)
    session.flush()
    return made


def _provider(place: UUID, token: str) -> IdentityProvider:
    return IdentityProvider(
        id=new_id(), organisation_id=place, name=token, issuer=f"https://{token}.example", client_id=token, scopes=[],
        role_claim="", role_mapping={}, default_roles=[], is_authoritative=False, is_enforced=False,
    )  # fmt: skip


def _own(session: Session, place: UUID, person: UUID, token: str) -> dict[str, str]:
    """What the person has, reached as the person."""
    set_tenancy(session, Tenancy((place,), place, person))
    passkey = Passkey(
        id=new_id(), person_id=person, credential_id=token.encode(), public_key=b"", sign_count=0, is_synced=False,
        name=token,
    )  # fmt: skip
    device = Device(id=new_id(), person_id=person, token_hash=digest(token), name=token)
    session.add_all([passkey, device])
    session.flush()
    other = open_session(session, person, Browser("10.0.0.2", token))
    return {"passkey_id": str(passkey.id), "device_id": str(device.id), "session_id": str(other.session_id)}


def another(session: Session, place: UUID, email: str, scopes: list[str]) -> UUID:
    """One more member of the place."""
    person = Person(id=new_id(), organisation_id=place, email=email, name=email.partition("@")[0])
    session.add(person)
    session.flush()
    session.add(Membership(organisation_id=place, person_id=person.id, scopes=scopes))
    session.flush()
    return person.id


def let_in(session: Session, place: UUID, partner: UUID) -> UUID:
    """A person of the partner's whom the place's grant lets in."""
    set_tenancy(session, Tenancy((place, partner), partner))
    person = another(session, partner, "guest@mail.example", ["settings:self"])
    set_tenancy(session, Tenancy((place, partner), place))
    session.add(Membership(organisation_id=place, person_id=person, scopes=["settings:self"], via_id=partner))
    session.flush()
    return person


def signed_in(session: Session, person: UUID) -> Opened:
    return open_session(session, person, Browser("10.0.0.3", "browser"))


def expire(session: Session, opened: Opened) -> None:
    own = update(LoginSession).where(LoginSession.id == opened.session_id)
    session.execute(own.values(expires_at=datetime.now(UTC) - timedelta(seconds=1)))


def granted(session: Session, place: UUID, client: UUID, opened: Opened, scopes: list[str]) -> Grant:
    """What the person of a session allowed a client."""
    set_tenancy(session, Tenancy((place,), place, opened.person_id))
    made = new_grant(
        opened.person_id, place, client, scopes, session_id=opened.session_id,
        authenticated_at=datetime.now(UTC), amr=["pwd"],
    )  # fmt: skip
    session.add(made)
    session.flush()
    return made
