"""Tables of the intake: batches with the account of their rows, landed bodies, quarantined rows."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKeyConstraint, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from hub.columns import Id, Instant, Json, Now, OrganisationId, Serial
from hub.database import Base

ACCOUNT = "state <> 'applied' or (pending = 0 and rows_in = applied + unchanged + duplicate + quarantined)"


class Batch(Base):
    """What an agent delivered: header, state, account of its rows, the gate's verdict. Replays name their origin."""

    __tablename__ = "batch"
    __table_args__ = (
        CheckConstraint("state in ('announced', 'landed', 'applied', 'held', 'rejected', 'failed')", "state"),
        CheckConstraint("rows_in = applied + unchanged + duplicate + quarantined + pending", "rows"),
        CheckConstraint(ACCOUNT, "account"),
        UniqueConstraint("organisation_id", "id"),
        ForeignKeyConstraint(["organisation_id", "origin_id"], ["batch.organisation_id", "batch.id"]),
        Index(
            "ix_batch_open", "organisation_id", "state", postgresql_where=text("state in ('landed', 'held', 'failed')")
        ),
        Index("ix_batch_feed", "organisation_id", "system_id", "stream", "observed_at"),
    )

    id: Mapped[Id]
    organisation_id: Mapped[OrganisationId]
    system_id: Mapped[UUID]
    agent_id: Mapped[UUID | None]
    stream: Mapped[str]
    coverage: Mapped[str]
    sync: Mapped[str]
    counts: Mapped[str] = mapped_column(default="balance")
    observed_at: Mapped[Instant]
    clock: Mapped[str] = mapped_column(default="source")
    header: Mapped[Json]
    traceparent: Mapped[str] = mapped_column(default="")
    sha256: Mapped[str]
    size: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[str]
    origin_id: Mapped[UUID | None]
    announced_at: Mapped[Now]
    landed_at: Mapped[Instant | None]
    applied_at: Mapped[Instant | None]
    recording_id: Mapped[int | None] = mapped_column(BigInteger)
    rows_in: Mapped[int] = mapped_column(BigInteger)
    applied: Mapped[int] = mapped_column(BigInteger, default=0)
    unchanged: Mapped[int] = mapped_column(BigInteger, default=0)
    duplicate: Mapped[int] = mapped_column(BigInteger, default=0)
    quarantined: Mapped[int] = mapped_column(BigInteger, default=0)
    pending: Mapped[int] = mapped_column(BigInteger, default=0)
    gate: Mapped[Json | None]
    decision: Mapped[Json | None]
    error: Mapped[str | None]


class Landing(Base):
    """A landed body by its digest: bytes here (under 64 KiB), or a place in a file of the landing folder."""

    __tablename__ = "landing"

    organisation_id: Mapped[OrganisationId] = mapped_column(primary_key=True)
    sha256: Mapped[str] = mapped_column(primary_key=True)
    size: Mapped[int] = mapped_column(BigInteger)
    body: Mapped[bytes | None] = mapped_column(LargeBinary)
    path: Mapped[str | None]
    offset: Mapped[int] = mapped_column(BigInteger, default=0)
    created_at: Mapped[Now]


class Quarantine(Base):
    """A row that could not be accepted: where it stands, why, what it holds; open until replayed or dismissed."""

    __tablename__ = "quarantine"
    __table_args__ = (
        CheckConstraint("state in ('open', 'replayed', 'dismissed')", "state"),
        ForeignKeyConstraint(["organisation_id", "batch_id"], ["batch.organisation_id", "batch.id"]),
        Index("ix_quarantine_open", "organisation_id", "reason", "id", postgresql_where=text("state = 'open'")),
        Index("ix_quarantine_batch", "organisation_id", "batch_id"),
    )

    organisation_id: Mapped[OrganisationId] = mapped_column(primary_key=True)
    id: Mapped[Serial] = mapped_column(primary_key=True)
    batch_id: Mapped[UUID]
    system_id: Mapped[UUID]
    stream: Mapped[str]
    row_no: Mapped[int] = mapped_column(BigInteger)
    reason: Mapped[str]
    field: Mapped[str | None]
    value: Mapped[str | None]
    detail: Mapped[str]
    record: Mapped[dict[str, Any]] = mapped_column(JSONB)
    raw: Mapped[str | None]
    position_hash: Mapped[UUID | None]
    state: Mapped[str] = mapped_column(default="open")
    resolved_at: Mapped[Instant | None]
    resolved_by: Mapped[UUID | None]
    note: Mapped[str | None]
    replay_batch_id: Mapped[UUID | None]
