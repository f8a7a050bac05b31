"""Tables of the audit log: events, the seals that chain them, where a shortened chain begins, and who is who."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, CheckConstraint, ForeignKey, Index, LargeBinary, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from hub.columns import Instant, Json, OrganisationId
from hub.database import Base

KINDS = ("person", "agent", "client", "system", "anonymous")


class AuditSubject(Base):
    """Who a pseudonym of the log is. Made with the person; without this row nobody can tell any more."""

    __tablename__ = "audit_subject"

    pseudonym: Mapped[UUID] = mapped_column(primary_key=True)
    person_id: Mapped[UUID] = mapped_column(ForeignKey("person.id", ondelete="CASCADE"), unique=True)


class AuditEvent(Base):
    """One event in the log of one organisation; one that concerns several has the same id in each of their logs.
    People, as actor or as object, are pseudonyms. `acting_for` is the key of the organisation the actor acted for."""

    __tablename__ = "audit_event"
    __table_args__ = (
        CheckConstraint(f"actor_kind in {KINDS}", "actor_kind"),
        CheckConstraint("action ~ '^[a-z][a-z0-9_]{2,60}$'", "action"),
        Index("ix_audit_event_seal", "organisation_id", "seal", "event_id"),
    )

    organisation_id: Mapped[OrganisationId] = mapped_column(primary_key=True)
    # A UUID version 7, made at `at`: the log's order, and what narrows it by time.
    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    at: Mapped[Instant]
    action: Mapped[str]
    actor_kind: Mapped[str]
    actor: Mapped[UUID | None]
    acting_for: Mapped[str]
    object_kind: Mapped[str]
    object_id: Mapped[str]
    detail: Mapped[Json]
    request_id: Mapped[str]
    trace_id: Mapped[str]
    network: Mapped[str]
    # Given once, by the sealer.
    seal: Mapped[int | None] = mapped_column(BigInteger)
    position: Mapped[int | None]


class AuditSeal(Base):
    """Rows that were closed together: ids and digests in order, chained to the seal before (chain.py)."""

    __tablename__ = "audit_seal"

    organisation_id: Mapped[OrganisationId] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    sealed_at: Mapped[Instant]
    events: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))
    digests: Mapped[list[bytes]] = mapped_column(ARRAY(LargeBinary))
    previous: Mapped[bytes] = mapped_column(LargeBinary)
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    mark: Mapped[bytes] = mapped_column(LargeBinary)


class AuditAnchor(Base):
    """The last seal that retention let go: the chain goes on from its digest."""

    __tablename__ = "audit_anchor"

    organisation_id: Mapped[OrganisationId] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger)
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    sealed_at: Mapped[Instant]
    forgotten_at: Mapped[Instant]
