"""Table of grants to partners."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.dialects.postgresql import ARRAY, TEXT
from sqlalchemy.orm import Mapped, mapped_column

from hub.columns import Id, Instant, Now, OrganisationId
from hub.database import Base


class PartnerGrant(Base):
    """`organisation_id` lets the partner's administrators assign these scopes on its data to people of theirs."""

    __tablename__ = "partner_grant"
    __table_args__ = (
        CheckConstraint("partner_id <> organisation_id", "partner"),
        Index(
            "uq_partner_grant_live",
            "organisation_id",
            "partner_id",
            unique=True,
            postgresql_where=text("revoked_at is null"),
        ),
    )

    id: Mapped[Id]
    organisation_id: Mapped[OrganisationId]
    partner_id: Mapped[OrganisationId] = mapped_column(index=True)
    roles: Mapped[list[str]] = mapped_column(ARRAY(TEXT))
    scopes: Mapped[list[str]] = mapped_column(ARRAY(TEXT))
    granted_by: Mapped[UUID] = mapped_column(ForeignKey("person.id"))
    expires_at: Mapped[Instant | None]
    revoked_at: Mapped[Instant | None]
    created_at: Mapped[Now]
