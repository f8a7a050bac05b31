"""Tables of the OpenID provider. Codes, tokens and secrets are kept as digests, private keys encrypted; those of codes
and tokens are read by the functions of hub/migrations/sql/oauth.sql alone."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, LargeBinary
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TEXT
from sqlalchemy.orm import Mapped, mapped_column

from hub.columns import Id, Instant, Json, Now, OrganisationId
from hub.database import Base


def _key(table: str) -> Any:
    return ForeignKey(f"{table}.id", ondelete="CASCADE")


class Client(Base):
    """An application that signs people in here, or acts for its organisation by itself (a service account)."""

    __tablename__ = "oauth_client"
    __table_args__ = (
        CheckConstraint("application_type in ('web', 'native')", "application_type"),
        CheckConstraint(
            "token_endpoint_auth_method in ('none', 'client_secret_basic', 'client_secret_post', 'private_key_jwt')",
            "token_endpoint_auth_method",
        ),
    )

    id: Mapped[Id]
    organisation_id: Mapped[OrganisationId] = mapped_column(index=True)
    client_id: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    application_type: Mapped[str]
    token_endpoint_auth_method: Mapped[str]
    redirect_uris: Mapped[list[str]] = mapped_column(ARRAY(TEXT))
    post_logout_redirect_uris: Mapped[list[str]] = mapped_column(ARRAY(TEXT))
    grant_types: Mapped[list[str]] = mapped_column(ARRAY(TEXT))
    scopes: Mapped[list[str]] = mapped_column(ARRAY(TEXT))
    jwks: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    backchannel_logout_uri: Mapped[str | None]
    # People are not asked whether they agree: the group's own applications.
    is_trusted: Mapped[bool] = mapped_column(default=False)
    registration_hash: Mapped[bytes | None] = mapped_column(LargeBinary, unique=True)
    disabled_at: Mapped[Instant | None]
    last_used_at: Mapped[Instant | None]
    created_at: Mapped[Now]


class ClientSecret(Base):
    """Several may live at once, so that one can be replaced without a pause."""

    __tablename__ = "oauth_client_secret"

    id: Mapped[Id]
    organisation_id: Mapped[OrganisationId]
    client_id: Mapped[UUID] = mapped_column(_key("oauth_client"), index=True)
    secret_hash: Mapped[bytes] = mapped_column(LargeBinary)
    expires_at: Mapped[Instant | None]
    created_at: Mapped[Now]


class RegistrationToken(Base):
    """The initial access token of dynamic registration (RFC 7591 §3): `uses_left` clients for this organisation."""

    __tablename__ = "oauth_registration_token"
    __table_args__ = (CheckConstraint("uses_left >= 0", "uses_left"),)

    id: Mapped[Id]
    organisation_id: Mapped[OrganisationId]
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    uses_left: Mapped[int]
    expires_at: Mapped[Instant]
    created_at: Mapped[Now]


class Grant(Base):
    """What a person allowed a client to do for one organisation: the family of its codes and tokens. It ends with the
    sign-in session, unless the client may act while the person is away (`is_offline`)."""

    __tablename__ = "oauth_grant"
    __table_args__ = (CheckConstraint("is_offline or session_id is not null", "session"),)

    id: Mapped[Id]
    organisation_id: Mapped[OrganisationId]
    client_id: Mapped[UUID] = mapped_column(_key("oauth_client"), index=True)
    person_id: Mapped[UUID] = mapped_column(_key("person"), index=True)
    session_id: Mapped[UUID | None] = mapped_column(index=True)
    scopes: Mapped[list[str]] = mapped_column(ARRAY(TEXT))
    is_offline: Mapped[bool] = mapped_column(default=False)
    authenticated_at: Mapped[Instant]
    amr: Mapped[list[str]] = mapped_column(ARRAY(TEXT))
    expires_at: Mapped[Instant]
    revoked_at: Mapped[Instant | None]
    created_at: Mapped[Now]


class Consent(Base):
    """What a person agreed to for one organisation, so that they are asked once."""

    __tablename__ = "oauth_consent"

    organisation_id: Mapped[OrganisationId] = mapped_column(primary_key=True)
    person_id: Mapped[UUID] = mapped_column(_key("person"), primary_key=True)
    client_id: Mapped[UUID] = mapped_column(_key("oauth_client"), primary_key=True)
    scopes: Mapped[list[str]] = mapped_column(ARRAY(TEXT))
    created_at: Mapped[Now]


class AuthorizationCode(Base):
    __tablename__ = "oauth_code"

    code_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    grant_id: Mapped[UUID] = mapped_column(_key("oauth_grant"), index=True)
    redirect_uri: Mapped[str]
    code_challenge: Mapped[str]
    nonce: Mapped[str | None]
    expires_at: Mapped[Instant]
    used_at: Mapped[Instant | None]


class RefreshToken(Base):
    """`successor` is the token that replaced this one, masked with it: only its holder can read it."""

    __tablename__ = "oauth_refresh_token"

    token_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    grant_id: Mapped[UUID] = mapped_column(_key("oauth_grant"), index=True)
    expires_at: Mapped[Instant]
    used_at: Mapped[Instant | None]
    successor: Mapped[bytes | None] = mapped_column(LargeBinary)
    created_at: Mapped[Now]


class DeviceCode(Base):
    """A device that waits for a person elsewhere (RFC 8628); `wait` is the least time between two questions, in s."""

    __tablename__ = "oauth_device_code"

    device_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    user_code_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    client_id: Mapped[UUID] = mapped_column(_key("oauth_client"))
    scopes: Mapped[list[str]] = mapped_column(ARRAY(TEXT))
    wait: Mapped[int]
    polled_at: Mapped[Instant | None]
    expires_at: Mapped[Instant]
    decided_at: Mapped[Instant | None]
    grant_id: Mapped[UUID | None]
    used_at: Mapped[Instant | None]


class Spent(Base):
    """Names that count once until they end: assertions used, access tokens revoked."""

    __tablename__ = "oauth_spent"

    name: Mapped[str] = mapped_column(primary_key=True)
    expires_at: Mapped[Instant]


class SigningKey(Base):
    """Published from its making on, used from `active_at`, gone at `ends_at`."""

    __tablename__ = "oauth_signing_key"

    kid: Mapped[str] = mapped_column(primary_key=True)
    alg: Mapped[str]
    public_jwk: Mapped[Json]
    private_sealed: Mapped[bytes] = mapped_column(LargeBinary)
    active_at: Mapped[Instant]
    ends_at: Mapped[Instant | None]
    created_at: Mapped[Now]
