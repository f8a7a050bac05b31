"""Tables of material identity: source materials, golden materials, the links between them, units, costs and rates.
What matching alone writes, set-wise, has no foreign keys."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from hub.columns import Instant, Json, Now, OrganisationId, OrganisationKey, Quantity, Serial
from hub.database import Base

MATERIAL = ["source_material.organisation_id", "source_material.id"]


class GoldenMaterial(Base):
    """One material of the group. Group-wide, of no tenant: names and unit are survivorship's current choice; `identity`
    is what its members share (gtin:…, mpn:…, xref:…, own:…), `rule` and `confidence` its weakest link."""

    __tablename__ = "golden_material"

    id: Mapped[Serial] = mapped_column(primary_key=True)
    number: Mapped[str] = mapped_column(unique=True)
    unit: Mapped[str]
    name_zh: Mapped[str | None]
    name_en: Mapped[str | None]
    class_code: Mapped[str | None]
    gtin: Mapped[str | None]
    created_at: Mapped[Now]
    merged_into_id: Mapped[int | None] = mapped_column(BigInteger)
    identity: Mapped[str]
    rule: Mapped[str]
    confidence: Mapped[Decimal]


class SourceMaterial(Base):
    """A material as one system knows it; a stub until its `materials` row arrives (name is None). `golden_id`, `rule`
    and `confidence` repeat the link in force; `unit_cost` repeats the newest cost."""

    __tablename__ = "source_material"
    __table_args__ = (
        UniqueConstraint("organisation_id", "system_id", "item_id"),
        Index("ix_source_material_golden", "golden_id"),
        Index("ix_source_material_id", "id"),
    )

    organisation_id: Mapped[OrganisationId] = mapped_column(primary_key=True)
    id: Mapped[Serial] = mapped_column(primary_key=True)
    system_id: Mapped[UUID]
    item_id: Mapped[str]
    item_code: Mapped[str | None]
    name: Mapped[str | None]
    name_zh: Mapped[str | None]
    name_en: Mapped[str | None]
    specification: Mapped[str | None]
    class_code: Mapped[str | None]
    base_unit: Mapped[str | None]
    gtin: Mapped[str | None]
    brand: Mapped[str | None]
    mpn: Mapped[str | None]
    is_active: Mapped[bool] = mapped_column(default=True)
    is_deleted: Mapped[bool] = mapped_column(default=False)
    unit_cost: Mapped[Quantity | None]
    currency: Mapped[str | None]
    modified_at: Mapped[Instant | None]
    batch_id: Mapped[UUID | None]
    row_no: Mapped[int | None] = mapped_column(BigInteger)
    golden_id: Mapped[int | None] = mapped_column(BigInteger)
    rule: Mapped[str | None]
    confidence: Mapped[Decimal | None]
    updated_at: Mapped[Now]


class Link(Base):
    """A dated decision that a source material is a golden material: by which rule, on which evidence, by whom."""

    __tablename__ = "link"
    __table_args__ = (Index("ix_link_material", "organisation_id", "material_id", "valid_from"),)

    organisation_id: Mapped[OrganisationKey] = mapped_column(primary_key=True)
    id: Mapped[Serial] = mapped_column(primary_key=True)
    material_id: Mapped[int] = mapped_column(BigInteger)
    golden_id: Mapped[int] = mapped_column(BigInteger)
    rule: Mapped[str]
    confidence: Mapped[Decimal]
    evidence: Mapped[Json]
    decided_by: Mapped[UUID | None]
    valid_from: Mapped[Instant]
    recorded_at: Mapped[Now]


class CrossReference(Base):
    """A person's word on a source material: the group number it shares with others; None: it stays apart."""

    __tablename__ = "cross_reference"
    __table_args__ = (Index("ix_cross_reference_item", "system_id", "item_id"),)

    organisation_id: Mapped[OrganisationId] = mapped_column(primary_key=True)
    system_id: Mapped[UUID] = mapped_column(primary_key=True)
    item_id: Mapped[str] = mapped_column(primary_key=True)
    group_number: Mapped[str | None]
    reason: Mapped[str] = mapped_column(default="")
    decided_by: Mapped[UUID | None]
    recorded_at: Mapped[Now]


class IdentityConflict(Base):
    """Keys of a material that speak against each other, so that none of them links it."""

    __tablename__ = "identity_conflict"

    organisation_id: Mapped[OrganisationKey] = mapped_column(primary_key=True)
    material_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    detail: Mapped[Json]
    recorded_at: Mapped[Now]


class Unit(Base):
    """A unit of UN/ECE Recommendation 20: quantity × numerator ÷ denominator = its dimension's base unit."""

    __tablename__ = "unit"
    __table_args__ = (CheckConstraint("numerator > 0 and denominator > 0", "factor"),)

    code: Mapped[str] = mapped_column(primary_key=True)
    name_zh: Mapped[str]
    name_en: Mapped[str]
    symbol_zh: Mapped[str]
    symbol_en: Mapped[str]
    dimension: Mapped[str | None]
    numerator: Mapped[Quantity]
    denominator: Mapped[Quantity]
    decimals: Mapped[int]


class SourceUnit(Base):
    """A steward's word that a system's own unit code means a Rec 20 unit."""

    __tablename__ = "source_unit"

    organisation_id: Mapped[OrganisationId] = mapped_column(primary_key=True)
    system_id: Mapped[UUID] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(primary_key=True)
    unit: Mapped[str] = mapped_column(ForeignKey("unit.code"))
    decided_by: Mapped[UUID | None]
    recorded_at: Mapped[Now]


class MaterialUnit(Base):
    """A dated exact factor of a material's alternative unit: base units = quantity × numerator ÷ denominator."""

    __tablename__ = "material_unit"
    __table_args__ = (
        ForeignKeyConstraint(["organisation_id", "material_id"], MATERIAL),
        CheckConstraint("numerator > 0 and denominator > 0", "factor"),
    )

    organisation_id: Mapped[OrganisationId] = mapped_column(primary_key=True)
    material_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    unit: Mapped[str] = mapped_column(primary_key=True)
    valid_from: Mapped[Instant] = mapped_column(primary_key=True)
    recorded_at: Mapped[Now] = mapped_column(primary_key=True)
    numerator: Mapped[Quantity]
    denominator: Mapped[Quantity]
    batch_id: Mapped[UUID | None]
    row_no: Mapped[int | None] = mapped_column(BigInteger)


class UnitFactor(Base):
    """The factor in force from a source material's unit to its golden material's; derived, absent where unknown."""

    __tablename__ = "unit_factor"

    organisation_id: Mapped[OrganisationKey] = mapped_column(primary_key=True)
    material_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    unit: Mapped[str] = mapped_column(primary_key=True)
    numerator: Mapped[Quantity]
    denominator: Mapped[Quantity]


class Unsettled(Base):
    """A material whose holdings matching wrote while its system's stock may have been moving: they are made again under
    the lock of the system's ledger."""

    __tablename__ = "unsettled"

    organisation_id: Mapped[OrganisationKey] = mapped_column(primary_key=True)
    material_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)


class UnitCost(Base):
    """A dated cost of one base unit of a material in its organisation's books."""

    __tablename__ = "unit_cost"
    __table_args__ = (ForeignKeyConstraint(["organisation_id", "material_id"], MATERIAL),)

    organisation_id: Mapped[OrganisationId] = mapped_column(primary_key=True)
    material_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    valid_from: Mapped[Instant] = mapped_column(primary_key=True)
    recorded_at: Mapped[Now] = mapped_column(primary_key=True)
    cost: Mapped[Quantity]
    currency: Mapped[str]
    batch_id: Mapped[UUID | None]


class ExchangeRate(Base):
    """What one unit of `currency` was worth in the group's currency on a day, as uploaded by head office."""

    __tablename__ = "exchange_rate"
    __table_args__ = (CheckConstraint("rate > 0", "rate"),)

    currency: Mapped[str] = mapped_column(primary_key=True)
    rate_on: Mapped[date] = mapped_column(primary_key=True)
    recorded_at: Mapped[Now] = mapped_column(primary_key=True)
    rate: Mapped[Quantity]
    uploaded_by: Mapped[UUID | None]
