"""Read models of the golden view, kept by the functions of hub/migrations/sql in the transaction that changes them."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, Index, Text
from sqlalchemy.orm import Mapped, mapped_column

from hub.columns import Instant, OrganisationKey, Quantity
from hub.database import Base


class Holding(Base):
    """A row of material_stock in the golden unit (apart: in its own) with its value in the organisation's currency."""

    __tablename__ = "holding"
    __table_args__ = (Index("ix_holding_golden", "golden_id"), {"postgresql_with": {"fillfactor": "85"}})

    organisation_id: Mapped[OrganisationKey] = mapped_column(primary_key=True)
    material_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    coverage_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    unit: Mapped[str] = mapped_column(primary_key=True)
    system_id: Mapped[UUID]
    golden_id: Mapped[int] = mapped_column(BigInteger)
    is_apart: Mapped[bool]
    on_hand: Mapped[Quantity]
    available: Mapped[Quantity]
    reserved: Mapped[Quantity]
    in_transit: Mapped[Quantity]
    quality: Mapped[Quantity]
    blocked: Mapped[Quantity]
    consigned: Mapped[Quantity]
    value: Mapped[Quantity | None]
    currency: Mapped[str | None]
    positions: Mapped[int]
    negatives: Mapped[int]
    marked: Mapped[int]
    oldest_at: Mapped[Instant | None]
    newest_at: Mapped[Instant | None]


class MaterialKey(Base):
    """A sure key of a source material. Of no grant: identity's functions alone see keys across organisations."""

    __tablename__ = "material_key"
    __table_args__ = (Index("ix_material_key_key", "kind", "key"),)

    material_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str]
    owner_id: Mapped[UUID]
    system_id: Mapped[UUID]
    brand: Mapped[str | None]
    is_live: Mapped[bool]
    is_shared: Mapped[bool]


class MaterialSearch(Base):
    """What search compares with, per source material. Of no grant: reached through search_find alone."""

    __tablename__ = "material_search"
    __table_args__ = (
        Index("ix_material_search_codes", "codes", postgresql_using="gin"),
        Index("ix_material_search_grams", "grams", postgresql_using="gin"),
        # With it, common words of a large group are looked for among the reader's own materials alone.
        Index("ix_material_search_owner", "owner_id"),
    )

    material_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    owner_id: Mapped[UUID]
    golden_id: Mapped[int] = mapped_column(BigInteger)
    codes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    words: Mapped[str]
    grams: Mapped[list[str]] = mapped_column(ARRAY(Text))
