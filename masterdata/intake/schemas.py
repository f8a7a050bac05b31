"""What the intake answers, to programs and pages alike."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from connectors.contract import EVENT_LINES_MAX
from hub.formats import Exact

RowState = Literal["open", "replayed", "dismissed"]
BatchState = Literal["announced", "landed", "applied", "held", "rejected", "failed"]


@dataclass(frozen=True, slots=True)
class UploadState:
    """How far a batch's body has come."""

    state: BatchState
    upload_offset: int


@dataclass(frozen=True, slots=True)
class Finding:
    """An expectation of the gate that a snapshot failed, in words, with what was measured and the limit."""

    name: str
    measured: float | None
    limit: float | None
    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class Money:
    amount: Exact
    currency: str


@dataclass(frozen=True, slots=True)
class Goods:
    quantity: Exact
    unit: str


@dataclass(frozen=True, slots=True)
class Consequence:
    """What releasing a held snapshot would do: keys and materials that go to zero or change, in goods and money."""

    zeroed: int
    materials: int
    changed: int
    goods_lost: tuple[Goods, ...] = ()
    value_lost: tuple[Money, ...] = ()
    zh: str = ""
    en: str = ""


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch as its list shows it. rows_in = applied + unchanged + duplicate + quarantined + pending."""

    id: UUID
    organisation_id: UUID
    organisation: str
    system: str
    stream: str
    coverage: str
    sync: str
    counts: str
    observed_at: datetime
    clock: str
    state: BatchState
    origin_id: UUID | None
    announced_at: datetime
    landed_at: datetime | None
    applied_at: datetime | None
    size: int
    rows_in: int
    applied: int
    unchanged: int
    duplicate: int
    quarantined: int
    pending: int
    mapping: str
    traceparent: str
    error: str | None


@dataclass(frozen=True, slots=True)
class BatchDetail:
    """A batch with the gate's verdict and a person's decision, where there are any."""

    batch: Batch
    figures: dict[str, Any] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    consequence: Consequence | None = None
    decision: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class QuarantinedRow:
    id: int
    organisation_id: UUID
    organisation: str
    batch_id: UUID
    system: str
    stream: str
    row_no: int
    reason: str
    field: str | None
    value: str | None
    detail: str
    record: dict[str, Any]
    raw: str | None
    state: RowState
    observed_at: datetime
    mapping: str
    resolved_at: datetime | None
    replay_batch_id: UUID | None


@dataclass(frozen=True, slots=True)
class Cause:
    """Open rows that share a reason: what to repair once for all of them."""

    organisation_id: UUID
    organisation: str
    system: str
    stream: str
    reason: str
    field: str | None
    value: str | None
    rows: int
    newest_id: int
    newest_at: datetime


@dataclass(frozen=True, slots=True)
class RawRow:
    """A row as the legacy system gave it, and the record the mapping made of it."""

    batch_id: UUID
    row_no: int
    raw: str | None
    record: dict[str, Any]
    problem: str | None


@dataclass(frozen=True, slots=True)
class EventAccount:
    """The durable answer to one call of events; the same for a repeated one."""

    batch_id: UUID
    rows_in: int
    applied: int
    unchanged: int
    duplicate: int
    quarantined: int


@dataclass(frozen=True, slots=True)
class Replayed:
    """How many open rows are on their way again."""

    rows: int


class Decision(BaseModel):
    """Why a held snapshot is released or rejected, or a row dismissed."""

    model_config = ConfigDict(extra="forbid")

    reason: Annotated[str, Field(max_length=500)] = ""


class UnitIn(BaseModel):
    """`code` of the source system means the Rec 20 unit `unit`."""

    model_config = ConfigDict(extra="forbid")

    organisation_id: UUID | None = None
    code: Annotated[str, Field(min_length=1, max_length=80)]
    unit: Annotated[str, Field(min_length=1, max_length=8)]


class EventsIn(BaseModel):
    """Lines of one stream that happened just now; decimals as JSON strings."""

    model_config = ConfigDict(extra="forbid")

    batch_id: UUID
    system: Annotated[str, Field(min_length=1, max_length=80)]
    organisation: Annotated[str, Field(min_length=1, max_length=80)]
    coverage: Annotated[str, Field(min_length=1, max_length=120)] = "all"
    stream: Literal["stock_movements", "stock_positions"]
    counts: Literal["balance", "movements", "balance+movements"] = "movements"
    observed_at: AwareDatetime
    traceparent: Annotated[str, Field(max_length=55)] = ""
    mapping: Annotated[str, Field(max_length=120)] = ""
    sla_seconds: Annotated[int | None, Field(gt=0, le=2**31 - 1, description="the mapping's promise")] = None
    lines: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=EVENT_LINES_MAX)]
