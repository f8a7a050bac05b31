"""Tables of what a person changes about the own account: its address, and which account it is."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import ForeignKey, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from hub.columns import Id, Instant, Now
from hub.database import Base


class EmailChange(Base):
    """A new sign-in address, in force once the link mailed to it was opened (`used_at`); whoever reads the old one may
    undo that for a while."""

    __tablename__ = "email_change"

    id: Mapped[Id]
    person_id: Mapped[UUID] = mapped_column(ForeignKey("person.id", ondelete="CASCADE"), index=True)
    email: Mapped[str]
    old_email: Mapped[str | None] = mapped_column(index=True)
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    undo_hash: Mapped[bytes | None] = mapped_column(LargeBinary, unique=True)
    expires_at: Mapped[Instant]
    used_at: Mapped[Instant | None]
    undo_until: Mapped[Instant | None]
    undone_at: Mapped[Instant | None]
    created_at: Mapped[Now]


class AccountMerge(Base):
    """Made by whoever is signed in to the account that is to go; used by whoever is signed in to the one that stays."""

    __tablename__ = "account_merge"

    id: Mapped[Id]
    person_id: Mapped[UUID] = mapped_column(ForeignKey("person.id", ondelete="CASCADE"), index=True)
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    expires_at: Mapped[Instant]
    used_at: Mapped[Instant | None]
