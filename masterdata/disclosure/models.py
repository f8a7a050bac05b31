"""The rules by which an organisation discloses its stock; hub/migrations/sql/disclosure.sql applies them."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import CheckConstraint, DateTime, text
from sqlalchemy.orm import Mapped, mapped_column

from hub.columns import Instant, OrganisationId
from hub.database import Base


class DisclosureRule(Base):
    """How much partners of a kind are shown of materials whose class begins with `class_prefix` (empty: all) from
    `valid_from` on; of those in force the one recorded last counts, and `level` null takes the rule back."""

    __tablename__ = "disclosure_rule"
    __table_args__ = (
        CheckConstraint("partner_kind in ('subsidiary', 'supplier', 'carrier')", "partner_kind"),
        CheckConstraint("level in ('full', 'banded', 'yes_no', 'hidden', 'none')", "level"),
    )

    organisation_id: Mapped[OrganisationId] = mapped_column(primary_key=True)
    partner_kind: Mapped[str] = mapped_column(primary_key=True)
    class_prefix: Mapped[str] = mapped_column(primary_key=True)
    level: Mapped[str | None]
    valid_from: Mapped[Instant] = mapped_column(primary_key=True)
    recorded_at: Mapped[Instant] = mapped_column(
        DateTime(timezone=True), primary_key=True, server_default=text("clock_timestamp()")
    )
    recorded_by: Mapped[UUID | None]
