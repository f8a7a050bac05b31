"""Tables of the system landscape: source systems, the coverages of their stock, their feeds, their places."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, ForeignKeyConstraint, Index, UniqueConstraint, Uuid, text
from sqlalchemy.orm import Mapped, mapped_column

from hub.columns import Id, Instant, Json, Now, OrganisationId, Serial
from hub.database import Base

MATERIAL = ["source_material.organisation_id", "source_material.id"]


class SourceSystem(Base):
    """A legacy system. `organisation_id` runs it; `organisations` (it included) are those whose stock it may hold."""

    __tablename__ = "source_system"
    __table_args__ = (UniqueConstraint("key"),)

    id: Mapped[Id]
    organisation_id: Mapped[OrganisationId]
    organisations: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))
    key: Mapped[str]
    kind: Mapped[str]
    name_zh: Mapped[str]
    name_en: Mapped[str]
    zone: Mapped[str] = mapped_column(default="Asia/Shanghai")
    created_at: Mapped[Now]


class Coverage(Base):
    """A set of places of one system that a full snapshot observes as a whole. `read_through` is the source time of
    the last complete read, `snapshot_at` that of the newest full snapshot; `limits` are the gate's own here."""

    __tablename__ = "coverage"
    __table_args__ = (UniqueConstraint("organisation_id", "system_id", "name"),)

    organisation_id: Mapped[OrganisationId] = mapped_column(primary_key=True)
    id: Mapped[Serial] = mapped_column(primary_key=True)
    system_id: Mapped[UUID]
    name: Mapped[str]
    sla_seconds: Mapped[int]
    read_through: Mapped[Instant | None]
    read_clock: Mapped[str] = mapped_column(default="source")
    snapshot_at: Mapped[Instant | None]
    held_batch_id: Mapped[UUID | None]
    limits: Mapped[Json] = mapped_column(default=dict, server_default=text("'{}'::jsonb"))


class Feed(Base):
    """One stream of one coverage, as it last behaved; the systems page reads nothing else."""

    __tablename__ = "feed"

    organisation_id: Mapped[OrganisationId] = mapped_column(primary_key=True)
    system_id: Mapped[UUID] = mapped_column(primary_key=True)
    stream: Mapped[str] = mapped_column(primary_key=True)
    coverage: Mapped[str] = mapped_column(primary_key=True)
    sla_seconds: Mapped[int]
    mapping: Mapped[str] = mapped_column(default="")
    last_batch_id: Mapped[UUID | None]
    last_good_at: Mapped[Instant | None]
    read_through: Mapped[Instant | None]
    rows: Mapped[int] = mapped_column(BigInteger, default=0)
    delays: Mapped[Json | None]
    error: Mapped[str | None]


class Place(Base):
    """A warehouse, shelf or bin of one system; a stub until its `locations` row arrives (name is None)."""

    __tablename__ = "place"
    __table_args__ = (
        UniqueConstraint("organisation_id", "system_id", "place_id"),
        Index("ix_place_parent", "organisation_id", "system_id", "parent_id"),
    )

    organisation_id: Mapped[OrganisationId] = mapped_column(primary_key=True)
    id: Mapped[Serial] = mapped_column(primary_key=True)
    system_id: Mapped[UUID]
    place_id: Mapped[str]
    place_code: Mapped[str | None]
    name: Mapped[str | None]
    parent_id: Mapped[str | None]
    kind: Mapped[str] = mapped_column(default="warehouse")
    is_active: Mapped[bool] = mapped_column(default=True)
    activity_sla_seconds: Mapped[int | None]
    changed_at: Mapped[Instant | None]
    modified_at: Mapped[Instant | None]
    batch_id: Mapped[UUID | None]
    row_no: Mapped[int | None] = mapped_column(BigInteger)


class Partner(Base):
    """A supplier, customer or carrier as one system knows it."""

    __tablename__ = "partner"

    organisation_id: Mapped[OrganisationId] = mapped_column(primary_key=True)
    system_id: Mapped[UUID] = mapped_column(primary_key=True)
    partner_id: Mapped[str] = mapped_column(primary_key=True)
    partner_code: Mapped[str | None]
    name: Mapped[str]
    kind: Mapped[str]
    tax_id: Mapped[str | None]
    country: Mapped[str | None]
    is_active: Mapped[bool] = mapped_column(default=True)
    modified_at: Mapped[Instant | None]
    batch_id: Mapped[UUID]
    row_no: Mapped[int] = mapped_column(BigInteger)


class PurchaseOrderLine(Base):
    """An order line as its system last told it; quantities in the order's unit and in the material's."""

    __tablename__ = "purchase_order_line"
    __table_args__ = (
        ForeignKeyConstraint(
            ["organisation_id", "material_id"], ["source_material.organisation_id", "source_material.id"]
        ),
        Index("ix_purchase_order_line_material", "organisation_id", "material_id"),
    )

    organisation_id: Mapped[OrganisationId] = mapped_column(primary_key=True)
    system_id: Mapped[UUID] = mapped_column(primary_key=True)
    document: Mapped[str] = mapped_column(primary_key=True)
    line: Mapped[str] = mapped_column(primary_key=True)
    material_id: Mapped[int] = mapped_column(BigInteger)
    fields: Mapped[Json]
    state: Mapped[str]
    modified_at: Mapped[Instant | None]
    is_gone: Mapped[bool] = mapped_column(default=False)
    batch_id: Mapped[UUID]
    row_no: Mapped[int] = mapped_column(BigInteger)


class DemandLine(Base):
    """An issue or sale as its system last told it."""

    __tablename__ = "demand_line"
    __table_args__ = (
        ForeignKeyConstraint(
            ["organisation_id", "material_id"], ["source_material.organisation_id", "source_material.id"]
        ),
        Index("ix_demand_line_material", "organisation_id", "material_id", "occurred_at"),
    )

    organisation_id: Mapped[OrganisationId] = mapped_column(primary_key=True)
    system_id: Mapped[UUID] = mapped_column(primary_key=True)
    document: Mapped[str] = mapped_column(primary_key=True)
    line: Mapped[str] = mapped_column(primary_key=True)
    material_id: Mapped[int] = mapped_column(BigInteger)
    occurred_at: Mapped[Instant]
    fields: Mapped[Json]
    modified_at: Mapped[Instant | None]
    is_gone: Mapped[bool] = mapped_column(default=False)
    batch_id: Mapped[UUID]
    row_no: Mapped[int] = mapped_column(BigInteger)
