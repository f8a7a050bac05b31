"""Table of what was handed over to organisations."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint
from sqlalchemy.orm import Mapped, mapped_column

from hub.columns import Id, Instant, Json, Now, OrganisationId
from hub.database import Base


class OrganisationExport(Base):
    """All that belongs to an organisation, as one file; `rows` counts what is in it."""

    __tablename__ = "organisation_export"
    __table_args__ = (CheckConstraint("state in ('waiting', 'ready', 'failed')", "state"),)

    id: Mapped[Id]
    organisation_id: Mapped[OrganisationId] = mapped_column(index=True)
    state: Mapped[str] = mapped_column(default="waiting")
    error: Mapped[str | None]
    rows: Mapped[Json] = mapped_column(default=dict)
    bytes: Mapped[int | None] = mapped_column(BigInteger)
    asked_by: Mapped[UUID]
    asked_at: Mapped[Now]
    ended_at: Mapped[Instant | None]
