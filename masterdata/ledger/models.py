"""Tables of the ledger: positions and the append-only facts they are a pure function of. See docs/positions.md.
No foreign keys here: only the ledger's own set statements write these tables, a million rows at a time."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, Date, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from hub.columns import Instant, OrganisationKey, Quantity, Serial
from hub.database import Base


class Recording(Base):
    """When a transaction's facts became known: ids are taken early, `recorded_at` at its end in commit order."""

    __tablename__ = "recording"

    id: Mapped[Serial] = mapped_column(primary_key=True)
    recorded_at: Mapped[Instant] = mapped_column(unique=True)


class Position(Base):
    """What one key holds now. `hash` is the md5 of the natural key; `observed_at` the newest explicit observation,
    `moved_at` the newest movement; `batch_id` and `row_no` lead to the raw row of the last explicit fact."""

    __tablename__ = "position"
    __table_args__ = (
        UniqueConstraint("organisation_id", "hash"),
        Index("ix_position_material", "organisation_id", "material_id"),
        Index("ix_position_coverage", "organisation_id", "coverage_id"),
        {"postgresql_with": {"fillfactor": "85"}},
    )

    organisation_id: Mapped[OrganisationKey] = mapped_column(primary_key=True)
    id: Mapped[Serial] = mapped_column(primary_key=True)
    system_id: Mapped[UUID]
    coverage_id: Mapped[int] = mapped_column(BigInteger)
    material_id: Mapped[int] = mapped_column(BigInteger)
    place_id: Mapped[int] = mapped_column(BigInteger)
    lot: Mapped[str]
    owner: Mapped[str]
    status: Mapped[str]
    unit: Mapped[str]
    hash: Mapped[UUID]
    quantity: Mapped[Quantity]
    reserved: Mapped[Quantity | None]
    value: Mapped[Quantity | None]
    currency: Mapped[str | None]
    expires_on: Mapped[Date | None] = mapped_column(Date)
    observed_at: Mapped[Instant | None]
    moved_at: Mapped[Instant | None]
    batch_id: Mapped[UUID]
    row_no: Mapped[int | None] = mapped_column(BigInteger)
    is_marked: Mapped[bool] = mapped_column(default=False)


class Snapshot(Base):
    """A full read of a coverage: the implicit observation of every key of it, but for those in `snapshot_gap`."""

    __tablename__ = "snapshot"
    organisation_id: Mapped[OrganisationKey] = mapped_column(primary_key=True)
    coverage_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    observed_at: Mapped[Instant] = mapped_column(primary_key=True)
    batch_id: Mapped[UUID] = mapped_column(primary_key=True)
    recording_id: Mapped[int] = mapped_column(BigInteger)


class SnapshotGap(Base):
    """A key that a snapshot did not observe because its row was quarantined."""

    __tablename__ = "snapshot_gap"

    organisation_id: Mapped[OrganisationKey] = mapped_column(primary_key=True)
    hash: Mapped[UUID] = mapped_column(primary_key=True)
    observed_at: Mapped[Instant] = mapped_column(primary_key=True)
    batch_id: Mapped[UUID] = mapped_column(primary_key=True)


class Observation(Base):
    """At source instant `observed_at` the key held `quantity`. `rows` lists the batch rows summed, if several;
    `row_no` is None where the key was absent from a full read or the read repeated what was known."""

    __tablename__ = "observation"
    __table_args__ = (Index("ix_observation_recording", "recording_id", postgresql_using="brin"),)

    organisation_id: Mapped[OrganisationKey] = mapped_column(primary_key=True)
    position_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    observed_at: Mapped[Instant] = mapped_column(primary_key=True)
    recording_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    quantity: Mapped[Quantity]
    reserved: Mapped[Quantity | None]
    batch_id: Mapped[UUID]
    row_no: Mapped[int | None] = mapped_column(BigInteger)
    rows: Mapped[list[int] | None] = mapped_column(ARRAY(BigInteger))


class Movement(Base):
    """One version of a movement: `identity` names the source line, `content` what it said. Every version stays; the one
    in force is the newest by `modified_at`, else by recording. `booked_at` is None for history that moves nothing."""

    __tablename__ = "movement"
    __table_args__ = (
        UniqueConstraint("organisation_id", "identity", "content"),
        Index("uq_movement_current", "organisation_id", "identity", unique=True, postgresql_where=text("is_current")),
        Index("ix_movement_position", "organisation_id", "position_id", "booked_at"),
        Index("ix_movement_occurred", "organisation_id", "occurred_at", "id"),
        Index("ix_movement_recording", "recording_id", postgresql_using="brin"),
    )

    organisation_id: Mapped[OrganisationKey] = mapped_column(primary_key=True)
    id: Mapped[Serial] = mapped_column(primary_key=True)
    position_id: Mapped[int] = mapped_column(BigInteger)
    identity: Mapped[UUID]
    content: Mapped[UUID]
    booked_at: Mapped[Instant | None]
    occurred_at: Mapped[Instant]
    quantity: Mapped[Quantity]
    is_voided: Mapped[bool] = mapped_column(default=False)
    is_current: Mapped[bool] = mapped_column(default=True)
    modified_at: Mapped[Instant | None]
    kind: Mapped[str]
    document: Mapped[str | None]
    line: Mapped[str | None]
    partner_id: Mapped[str | None]
    recording_id: Mapped[int] = mapped_column(BigInteger)
    batch_id: Mapped[UUID]
    row_no: Mapped[int] = mapped_column(BigInteger)


class MaterialStock(Base):
    """Positions summed per source material, coverage and unit, kept in the transaction that moves them.
    `oldest_at` and `newest_at` bound the own source times of the parts; the coverage's read_through may be newer."""

    __tablename__ = "material_stock"
    organisation_id: Mapped[OrganisationKey] = mapped_column(primary_key=True)
    material_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    coverage_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    unit: Mapped[str] = mapped_column(primary_key=True)
    on_hand: Mapped[Quantity]
    unrestricted: Mapped[Quantity]
    quality: Mapped[Quantity]
    blocked: Mapped[Quantity]
    in_transit: Mapped[Quantity]
    reserved: Mapped[Quantity]
    consigned: Mapped[Quantity]
    positions: Mapped[int]
    stocked: Mapped[int]
    negatives: Mapped[int]
    marked: Mapped[int]
    oldest_at: Mapped[Instant | None]
    newest_at: Mapped[Instant | None]


class Change(Base):
    """One application of a batch to one coverage, for readers that ask for changes since a cursor."""

    __tablename__ = "change"
    __table_args__ = (Index("ix_change_recording", "organisation_id", "recording_id"),)

    organisation_id: Mapped[OrganisationKey] = mapped_column(primary_key=True)
    id: Mapped[Serial] = mapped_column(primary_key=True)
    recording_id: Mapped[int] = mapped_column(BigInteger)
    system_id: Mapped[UUID]
    batch_id: Mapped[UUID]
    positions: Mapped[int] = mapped_column(BigInteger)
