"""Tables of identity: people, their memberships and sessions, one-time links, agents and what they may act for."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, DateTime, ForeignKey, LargeBinary, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TEXT
from sqlalchemy.orm import Mapped, mapped_column

from hub.columns import Id, Instant, Json, Now, OrganisationId
from hub.database import Base


class Person(Base):
    """Someone who signs in. `organisation_id` is the home: its administrator alone may reset or disable the account.
    One merged into another account is kept as a signpost to it, one that was erased under a pseudonym."""

    __tablename__ = "person"
    __table_args__ = (
        CheckConstraint("locale in ('zh', 'en')", "locale"),
        CheckConstraint("theme in ('system', 'light', 'dark')", "theme"),
        CheckConstraint("density in ('roomy', 'standard', 'compact')", "density"),
        CheckConstraint("email = lower(email)", "email"),
    )

    id: Mapped[Id]
    organisation_id: Mapped[OrganisationId] = mapped_column(index=True)
    # The sign-in name: unique in the whole group, so not led by the tenant; look-ups across tenants are functions.
    email: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    password_hash: Mapped[str | None]
    locale: Mapped[str] = mapped_column(default="zh")
    zone: Mapped[str] = mapped_column(default="Asia/Shanghai")
    theme: Mapped[str] = mapped_column(default="system")
    density: Mapped[str] = mapped_column(default="standard")
    merged_into_id: Mapped[UUID | None] = mapped_column(ForeignKey("person.id"), index=True)
    # Chosen last where there was a choice.
    last_organisation_id: Mapped[UUID | None] = mapped_column(ForeignKey("organisation.id"))
    disabled_at: Mapped[Instant | None]
    erased_at: Mapped[Instant | None]
    created_at: Mapped[Now]


class Membership(Base):
    """What a person may do for an organisation and for those below it. With `via_id` it was assigned by that partner
    out of a grant to it, reaches the organisation alone and lives as long as the grant (SQL: identity_memberships)."""

    __tablename__ = "membership"

    organisation_id: Mapped[OrganisationId] = mapped_column(primary_key=True)
    person_id: Mapped[UUID] = mapped_column(ForeignKey("person.id", ondelete="CASCADE"), primary_key=True, index=True)
    scopes: Mapped[list[str]] = mapped_column(ARRAY(TEXT))
    via_id: Mapped[UUID | None] = mapped_column(ForeignKey("organisation.id"))
    disabled_at: Mapped[Instant | None]
    created_at: Mapped[Now]


class LoginSession(Base):
    """A signed-in browser; only the digest of its token is kept. `organisation_id` is the one it acts for, once it was
    chosen (`is_chosen`) where there are several; `amr` how the person was authenticated (RFC 8176)."""

    __tablename__ = "login_session"

    id: Mapped[Id]
    organisation_id: Mapped[OrganisationId]
    is_chosen: Mapped[bool] = mapped_column(server_default=text("true"), default=True)
    person_id: Mapped[UUID] = mapped_column(ForeignKey("person.id", ondelete="CASCADE"), index=True)
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    csrf: Mapped[str]
    address: Mapped[str] = mapped_column(default="")
    browser: Mapped[str] = mapped_column(default="")
    created_at: Mapped[Now]
    last_seen_at: Mapped[Now]
    expires_at: Mapped[Instant]
    amr: Mapped[list[str]] = mapped_column(ARRAY(TEXT), server_default=text("'{}'"), default=list)
    authenticated_at: Mapped[Now]
    stepped_up_at: Mapped[Instant | None]


class OneTimeLink(Base):
    """A link that lets a person set a password, once; `purpose` says why it was made."""

    __tablename__ = "one_time_link"
    __table_args__ = (CheckConstraint("purpose in ('set_password', 'reset', 'admin')", "purpose"),)

    id: Mapped[Id]
    organisation_id: Mapped[OrganisationId]
    person_id: Mapped[UUID] = mapped_column(ForeignKey("person.id", ondelete="CASCADE"), index=True)
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    purpose: Mapped[str]
    expires_at: Mapped[Instant]
    used_at: Mapped[Instant | None]
    created_at: Mapped[Now]


class Agent(Base):
    """A connector agent at a plant: enrolled by a one-time code, known by its public key from then on."""

    __tablename__ = "agent"
    __table_args__ = (UniqueConstraint("organisation_id", "name"),)

    id: Mapped[Id]
    organisation_id: Mapped[OrganisationId]
    name: Mapped[str]
    enrol_hash: Mapped[bytes | None] = mapped_column(LargeBinary, unique=True)
    enrol_expires_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    public_jwk: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    enrolled_at: Mapped[Instant | None]
    disabled_at: Mapped[Instant | None]
    last_seen_at: Mapped[Instant | None]
    health: Mapped[Json] = mapped_column(server_default=text("'{}'::jsonb"), default=dict)
    created_at: Mapped[Now]


class AgentGrant(Base):
    """An agent may send what the source system `system` holds of this organisation."""

    __tablename__ = "agent_grant"

    organisation_id: Mapped[OrganisationId] = mapped_column(primary_key=True)
    agent_id: Mapped[UUID] = mapped_column(ForeignKey("agent.id", ondelete="CASCADE"), primary_key=True, index=True)
    system: Mapped[str] = mapped_column(primary_key=True)


class AgentNonce(Base):
    """Token ids an agent has used up where a repeated call would do harm."""

    __tablename__ = "agent_nonce"

    agent_id: Mapped[UUID] = mapped_column(ForeignKey("agent.id", ondelete="CASCADE"), primary_key=True)
    jti: Mapped[str] = mapped_column(primary_key=True)
    expires_at: Mapped[Instant]


class SignInFailure(Base):
    """Wrong passwords per door: the digest of an account, or of account and address; no tenant, no names."""

    __tablename__ = "sign_in_failure"

    door: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    failures: Mapped[int]
    since: Mapped[Instant]
