"""Tables of strong sign-in: passkeys, authenticator apps, recovery codes, known devices, sign-ins that wait for their
second factor, WebAuthn challenges, and what an organisation asks of a session."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, LargeBinary, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY, TEXT
from sqlalchemy.orm import Mapped, mapped_column

from hub.columns import Id, Instant, Now, OrganisationId
from hub.database import Base

PersonId = Annotated[UUID, mapped_column(ForeignKey("person.id", ondelete="CASCADE"))]


class Passkey(Base):
    """A WebAuthn credential. `is_synced`: its key may leave the device, so it is no hardware-secured one."""

    __tablename__ = "passkey"

    id: Mapped[Id]
    person_id: Mapped[PersonId] = mapped_column(index=True)
    credential_id: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    public_key: Mapped[bytes] = mapped_column(LargeBinary)
    sign_count: Mapped[int] = mapped_column(BigInteger)
    is_synced: Mapped[bool]
    name: Mapped[str]
    created_at: Mapped[Now]
    last_used_at: Mapped[Instant | None]


class Totp(Base):
    """An authenticator app (RFC 6238). The secret is sealed; `last_step` is the newest time step that was used."""

    __tablename__ = "totp"

    person_id: Mapped[PersonId] = mapped_column(primary_key=True)
    secret: Mapped[bytes] = mapped_column(LargeBinary)
    last_step: Mapped[int] = mapped_column(BigInteger, default=0)
    confirmed_at: Mapped[Instant | None]
    created_at: Mapped[Now]


class RecoveryCode(Base):
    """One of ten; each opens once what the other factors open."""

    __tablename__ = "recovery_code"

    person_id: Mapped[PersonId] = mapped_column(primary_key=True)
    code_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    used_at: Mapped[Instant | None]
    created_at: Mapped[Now]


class Device(Base):
    """A browser this person has signed in from; it holds a token of which only the digest is kept."""

    __tablename__ = "device"
    __table_args__ = (UniqueConstraint("person_id", "token_hash"),)

    id: Mapped[Id]
    person_id: Mapped[PersonId]
    token_hash: Mapped[bytes] = mapped_column(LargeBinary)
    name: Mapped[str]
    created_at: Mapped[Now]
    last_seen_at: Mapped[Now]


class PendingSignIn(Base):
    """A right password that waits for the second factor. Reached by functions alone."""

    __tablename__ = "pending_sign_in"

    token_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    person_id: Mapped[PersonId]
    amr: Mapped[list[str]] = mapped_column(ARRAY(TEXT))
    tries: Mapped[int] = mapped_column(server_default=text("0"))
    expires_at: Mapped[Instant]


class WebauthnChallenge(Base):
    """A challenge given to one browser for one purpose, until it is answered. Reached by functions alone."""

    __tablename__ = "webauthn_challenge"

    challenge: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    browser_hash: Mapped[bytes] = mapped_column(LargeBinary)
    purpose: Mapped[str]
    person_id: Mapped[PersonId | None]
    expires_at: Mapped[Instant]


class SignInPolicy(Base):
    """What an organisation asks of every session that acts for it or for one below it."""

    __tablename__ = "sign_in_policy"
    __table_args__ = (
        CheckConstraint("second_factor in ('none', 'any', 'passkey')", "second_factor"),
        CheckConstraint("session_hours > 0", "session_hours"),
        CheckConstraint("idle_minutes > 0", "idle_minutes"),
    )

    organisation_id: Mapped[OrganisationId] = mapped_column(primary_key=True)
    second_factor: Mapped[str]
    session_hours: Mapped[int | None]
    idle_minutes: Mapped[int | None]
    allow_password: Mapped[bool]
