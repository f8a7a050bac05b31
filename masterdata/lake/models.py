"""Tables of the lake: which batches bronze holds, builds with their checks and differences."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Date, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, Session, mapped_column

from hub.columns import Id, Instant, Json, Now, OrganisationKey, Quantity, Serial
from hub.database import Base


class BronzeBatch(Base):
    """An applied batch on its way into the lake: `token` names the commit that carries it. Full snapshots of a coverage
    stand in a chain: number `chain_no` holds what differs from its forerunner, `base_no` is the last one kept whole."""

    __tablename__ = "bronze_batch"
    __table_args__ = (
        Index("ix_bronze_batch_open", "organisation_id", "token", postgresql_where=text("not is_written")),
        Index("ix_bronze_batch_chain", "organisation_id", "coverage_id", "chain_no"),
    )

    organisation_id: Mapped[OrganisationKey] = mapped_column(primary_key=True)
    batch_id: Mapped[UUID] = mapped_column(primary_key=True)
    sequence: Mapped[Serial]
    coverage_id: Mapped[int] = mapped_column(BigInteger)
    chain_no: Mapped[int | None] = mapped_column(BigInteger)
    base_no: Mapped[int | None] = mapped_column(BigInteger)
    token: Mapped[UUID]
    is_written: Mapped[bool] = mapped_column(default=False)


class Build(Base):
    """One run of the marts over pinned inputs: all facts known at `known_at`. `is_current` marks the publication that
    readers see; `snapshots` are the lake's tables as of it, `steps` what was done and how long it took, `queries` the
    compiled SQL that answers questions of the past."""

    __tablename__ = "build"
    __table_args__ = (Index("uq_build_current", "is_current", unique=True, postgresql_where=text("is_current")),)

    id: Mapped[Id]
    state: Mapped[str]
    reason: Mapped[str] = mapped_column(default="")
    known_at: Mapped[Instant | None]
    started_at: Mapped[Now]
    ended_at: Mapped[Instant | None]
    is_current: Mapped[bool] = mapped_column(default=False)
    snapshots: Mapped[Json]
    steps: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    checks: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    figures: Mapped[Json]
    queries: Mapped[Json] = mapped_column(default=dict)
    error: Mapped[str | None]


class BuildFinding(Base):
    """A row that a check refused, or a figure that lake and live view tell differently (`kind` difference); rows of no
    one organisation are the group's."""

    __tablename__ = "build_finding"
    __table_args__ = (Index("ix_build_finding_build", "organisation_id", "build_id"),)

    organisation_id: Mapped[OrganisationKey] = mapped_column(primary_key=True)
    id: Mapped[Serial] = mapped_column(primary_key=True)
    build_id: Mapped[UUID]
    kind: Mapped[str]
    name: Mapped[str]
    detail: Mapped[Json]


class MartMonth(Base):
    """Value of an organisation's own stock in a month, in the group's currency: at its end, on average, issued, and
    what others hold more of. Copied from the marts of the current build."""

    __tablename__ = "mart_month"

    organisation_id: Mapped[OrganisationKey] = mapped_column(primary_key=True)
    month: Mapped[date] = mapped_column(Date, primary_key=True)
    closing_value: Mapped[float]
    mean_value: Mapped[float]
    issued_value: Mapped[float]
    days: Mapped[int]
    duplicate_value: Mapped[float]
    shared_materials: Mapped[int] = mapped_column(BigInteger)
    materials: Mapped[int] = mapped_column(BigInteger)


class MartFeed(Base):
    """How a feed has behaved, as measured by the current build."""

    __tablename__ = "mart_feed"

    organisation_id: Mapped[OrganisationKey] = mapped_column(primary_key=True)
    coverage_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    stream: Mapped[str] = mapped_column(primary_key=True)
    system_id: Mapped[UUID]
    batches: Mapped[int] = mapped_column(BigInteger)
    first_at: Mapped[Instant]
    last_at: Mapped[Instant]
    rows_in: Mapped[int] = mapped_column(BigInteger)
    quarantined: Mapped[int] = mapped_column(BigInteger)
    interval_seconds: Mapped[float | None]
    delay_p50_seconds: Mapped[float | None]
    delay_p95_seconds: Mapped[float | None]
    completeness: Mapped[float | None]
    sla_seconds: Mapped[int]
    breaks: Mapped[int] = mapped_column(BigInteger)


class MartMaterial(Base):
    """Cover, excess, dormancy and age of an organisation's own stock of a material, in the source's unit; values in the
    group's currency; `ages` are quantities by days since receipt (90, 180, 365, more, unknown)."""

    __tablename__ = "mart_material"
    __table_args__ = (Index("ix_mart_material_golden", "golden_id"),)

    organisation_id: Mapped[OrganisationKey] = mapped_column(primary_key=True)
    material_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    unit: Mapped[str] = mapped_column(primary_key=True)
    golden_id: Mapped[int] = mapped_column(BigInteger)
    on_hand: Mapped[Quantity]
    value: Mapped[Quantity | None]
    days_of_cover: Mapped[float | None]
    excess: Mapped[Quantity]
    excess_value: Mapped[Quantity | None]
    last_moved_on: Mapped[date | None] = mapped_column(Date)
    dormant_value: Mapped[Quantity | None]
    ages: Mapped[list[float]] = mapped_column(JSONB)


def current(session: Session) -> Build | None:
    """The build that readers see."""
    return session.query(Build).where(Build.is_current).one_or_none()
