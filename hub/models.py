"""Tables of the kernel: the organisations of the group, the outbox, mail to send, answers kept for repeated writes."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from hub.columns import Id, Instant, Json, Now, OrganisationId
from hub.database import Base


class Organisation(Base):
    """A legal or organisational unit of the group, or a partner. `seal` is its one Han sign, `letter` its Latin one."""

    __tablename__ = "organisation"
    __table_args__ = (CheckConstraint("kind in ('group', 'subsidiary', 'supplier', 'carrier')", "kind"),)

    id: Mapped[Id]
    parent_id: Mapped[UUID | None] = mapped_column(ForeignKey("organisation.id"))
    key: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    name_zh: Mapped[str]
    name_en: Mapped[str]
    seal: Mapped[str] = mapped_column(default="")
    letter: Mapped[str] = mapped_column(default="")
    rank: Mapped[int] = mapped_column(default=0)
    currency: Mapped[str] = mapped_column(default="CNY")
    zone: Mapped[str] = mapped_column(default="Asia/Shanghai")
    closed_at: Mapped[Instant | None]
    created_at: Mapped[Now]


class Outbox(Base):
    """An event written with the change it tells of. `seq` is given by the relay in the order of visibility."""

    __tablename__ = "outbox"
    __table_args__ = (
        Index("ix_outbox_unnumbered", "id", postgresql_where=text("seq is null")),
        Index("ix_outbox_seq", "seq", unique=True, postgresql_where=text("seq is not null")),
    )

    id: Mapped[Id]
    seq: Mapped[int | None] = mapped_column(BigInteger)
    organisation_id: Mapped[OrganisationId]
    topic: Mapped[str]
    payload: Mapped[Json]
    traceparent: Mapped[str] = mapped_column(default="")
    created_at: Mapped[Now]


class Mail(Base):
    """A message to a person; sent by SMTP and then without its body, or shown on the administrator's outbox page."""

    __tablename__ = "mail"

    id: Mapped[Id]
    organisation_id: Mapped[OrganisationId]
    recipient: Mapped[str]
    subject: Mapped[str]
    body: Mapped[str]
    created_at: Mapped[Now]
    sent_at: Mapped[Instant | None]
    attempts: Mapped[int] = mapped_column(default=0)
    error: Mapped[str | None]


class IdempotencyKey(Base):
    """The answer once given to a write, kept so that its repetition gets the same."""

    __tablename__ = "idempotency_key"

    organisation_id: Mapped[OrganisationId] = mapped_column(primary_key=True)
    principal: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    request_sha256: Mapped[str]
    status: Mapped[int | None]
    headers: Mapped[Json | None]
    body: Mapped[bytes | None] = mapped_column(LargeBinary)
    created_at: Mapped[Now]


def is_open(organisation: Organisation, at: datetime) -> bool:
    return organisation.closed_at is None or organisation.closed_at > at
