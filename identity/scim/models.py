"""Tables of SCIM: the tokens of an organisation's provisioning, and what it says of people and groups."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, LargeBinary, UniqueConstraint
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TEXT
from sqlalchemy.orm import Mapped, mapped_column

from hub.columns import Id, Instant, Now, OrganisationId
from hub.database import Base


class ScimToken(Base):
    """A bearer token, kept as its digest. `grantable` are the scopes of who made it: it gives nobody more."""

    __tablename__ = "scim_token"

    id: Mapped[Id]
    organisation_id: Mapped[OrganisationId]
    name: Mapped[str]
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    grantable: Mapped[list[str]] = mapped_column(ARRAY(TEXT))
    made_by: Mapped[UUID]
    expires_at: Mapped[Instant]
    last_used_at: Mapped[Instant | None]
    revoked_at: Mapped[Instant | None]
    created_at: Mapped[Now]


class ScimUser(Base):
    """What SCIM says of a person beyond the account. `user_name` is folded: SCIM compares it without case."""

    __tablename__ = "scim_user"
    __table_args__ = (UniqueConstraint("organisation_id", "user_name"),)

    organisation_id: Mapped[OrganisationId] = mapped_column(primary_key=True)
    person_id: Mapped[UUID] = mapped_column(ForeignKey("person.id", ondelete="CASCADE"), primary_key=True)
    user_name: Mapped[str]
    external_id: Mapped[str] = mapped_column(default="")
    attributes: Mapped[dict[str, Any]] = mapped_column(JSONB)
    updated_at: Mapped[Now]


class ScimGroup(Base):
    """A group whose members hold `roles` in the organisation; a group without roles gives nothing."""

    __tablename__ = "scim_group"
    __table_args__ = (UniqueConstraint("organisation_id", "display_name"),)

    id: Mapped[Id]
    organisation_id: Mapped[OrganisationId]
    display_name: Mapped[str]
    external_id: Mapped[str] = mapped_column(default="")
    roles: Mapped[list[str]] = mapped_column(ARRAY(TEXT))
    created_at: Mapped[Now]
    updated_at: Mapped[Now]


class ScimGroupMember(Base):
    __tablename__ = "scim_group_member"

    organisation_id: Mapped[OrganisationId]
    group_id: Mapped[UUID] = mapped_column(ForeignKey("scim_group.id", ondelete="CASCADE"), primary_key=True)
    person_id: Mapped[UUID] = mapped_column(ForeignKey("person.id", ondelete="CASCADE"), primary_key=True, index=True)
