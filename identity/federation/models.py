"""Tables of federation: an organisation's own OpenID providers and domains, and who signed in by them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TEXT
from sqlalchemy.orm import Mapped, mapped_column

from hub.columns import Id, Instant, Now, OrganisationId
from hub.database import Base


class IdentityProvider(Base):
    """An OpenID provider at which an organisation's people sign in. `client_secret` is sealed (hub.vault);
    `role_mapping` gives for a value of `role_claim` its roles; `is_authoritative`: an e-mail of the organisation's
    domains counts without email_verified; `is_enforced`: its people sign in nowhere else."""

    __tablename__ = "identity_provider"
    __table_args__ = (UniqueConstraint("organisation_id", "issuer", "client_id"),)

    id: Mapped[Id]
    organisation_id: Mapped[OrganisationId]
    name: Mapped[str]
    issuer: Mapped[str]
    client_id: Mapped[str]
    client_secret: Mapped[bytes | None] = mapped_column(LargeBinary)
    scopes: Mapped[list[str]] = mapped_column(ARRAY(TEXT))
    role_claim: Mapped[str]
    role_mapping: Mapped[dict[str, Any]] = mapped_column(JSONB)
    default_roles: Mapped[list[str]] = mapped_column(ARRAY(TEXT))
    is_authoritative: Mapped[bool]
    is_enforced: Mapped[bool]
    disabled_at: Mapped[Instant | None]
    created_at: Mapped[Now]


class VerifiedDomain(Base):
    """A domain of e-mail addresses that an organisation says is its own; it counts once `verified_at` is set."""

    __tablename__ = "verified_domain"
    __table_args__ = (
        CheckConstraint("method in ('dns', 'file')", "method"),
        UniqueConstraint("organisation_id", "domain"),
        # In the whole group: a domain leads to one organisation.
        Index("ix_verified_domain_once", "domain", unique=True, postgresql_where=text("verified_at is not null")),
    )

    id: Mapped[Id]
    organisation_id: Mapped[OrganisationId]
    domain: Mapped[str]
    token: Mapped[str]
    method: Mapped[str]
    verified_at: Mapped[Instant | None]
    last_checked_at: Mapped[Instant | None]
    missing_since: Mapped[Instant | None]
    created_at: Mapped[Now]


class FederatedIdentity(Base):
    """A person as a provider knows them. `organisation_id` is the provider's."""

    __tablename__ = "federated_identity"
    __table_args__ = (UniqueConstraint("provider_id", "person_id"),)

    organisation_id: Mapped[OrganisationId]
    provider_id: Mapped[UUID] = mapped_column(ForeignKey("identity_provider.id", ondelete="CASCADE"), primary_key=True)
    subject: Mapped[str] = mapped_column(primary_key=True)
    person_id: Mapped[UUID] = mapped_column(ForeignKey("person.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[Now]
    last_used_at: Mapped[Instant | None]


class LoginState(Base):
    """A browser on its way to a provider and back: good once. `secrets` (nonce, code verifier, where to go next) are
    sealed; `person_id` is set where someone signed in links their account."""

    __tablename__ = "login_state"

    state_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    organisation_id: Mapped[OrganisationId]
    provider_id: Mapped[UUID] = mapped_column(ForeignKey("identity_provider.id", ondelete="CASCADE"))
    person_id: Mapped[UUID | None] = mapped_column(ForeignKey("person.id", ondelete="CASCADE"))
    browser_hash: Mapped[bytes] = mapped_column(LargeBinary)
    secrets: Mapped[bytes] = mapped_column(LargeBinary)
    expires_at: Mapped[Instant]
    used_at: Mapped[Instant | None]


class FederatedSession(Base):
    """A session of ours that a provider's session opened; `logout_address` (sealed) ends the latter."""

    __tablename__ = "federated_session"
    __table_args__ = (Index(None, "provider_id", "subject"),)

    session_id: Mapped[UUID] = mapped_column(ForeignKey("login_session.id", ondelete="CASCADE"), primary_key=True)
    organisation_id: Mapped[OrganisationId]
    provider_id: Mapped[UUID] = mapped_column(ForeignKey("identity_provider.id", ondelete="CASCADE"))
    person_id: Mapped[UUID] = mapped_column(ForeignKey("person.id", ondelete="CASCADE"))
    sid: Mapped[str]
    subject: Mapped[str]
    logout_address: Mapped[bytes | None] = mapped_column(LargeBinary)


class LogoutToken(Base):
    """Ids of logout tokens that were used."""

    __tablename__ = "logout_token"

    organisation_id: Mapped[OrganisationId]
    provider_id: Mapped[UUID] = mapped_column(ForeignKey("identity_provider.id", ondelete="CASCADE"), primary_key=True)
    jti_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    expires_at: Mapped[Instant]
