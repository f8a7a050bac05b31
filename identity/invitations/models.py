"""Table of invitations."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, LargeBinary
from sqlalchemy.dialects.postgresql import ARRAY, TEXT
from sqlalchemy.orm import Mapped, mapped_column

from hub.columns import Id, Instant, Now, OrganisationId
from hub.database import Base


class Invitation(Base):
    """A link that makes whoever opens it a member, once. `proof_hash` is of what stands in the mail to `email` alone:
    whoever shows it reads that mail."""

    __tablename__ = "invitation"
    __table_args__ = (CheckConstraint("locale in ('zh', 'en')", "locale"),)

    id: Mapped[Id]
    organisation_id: Mapped[OrganisationId] = mapped_column(index=True)
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    proof_hash: Mapped[bytes | None] = mapped_column(LargeBinary)
    roles: Mapped[list[str]] = mapped_column(ARRAY(TEXT))
    email: Mapped[str | None]
    name: Mapped[str | None]
    locale: Mapped[str] = mapped_column(default="zh")
    invited_by: Mapped[UUID] = mapped_column(ForeignKey("person.id"))
    expires_at: Mapped[Instant]
    used_at: Mapped[Instant | None]
    used_by: Mapped[UUID | None] = mapped_column(ForeignKey("person.id"))
    revoked_at: Mapped[Instant | None]
    created_at: Mapped[Now]
