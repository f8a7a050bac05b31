"""What the landscape answers, to programs and pages alike. Ages and states are those of the moment of reading."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

FeedState = Literal["fresh", "late", "stale", "held", "unknown"]
Key = Annotated[str, Field(pattern="^[a-z0-9][a-z0-9_-]{0,62}$")]


@dataclass(frozen=True, slots=True)
class Feed:
    """One stream of one coverage. `source_at` is the source time of its newest complete read, age and state follow
    from it; delays are seconds from the source's instant to applied; `lag_seconds` is the age of the oldest batch
    that has landed and waits; `spool` counts batches still at the agent."""

    organisation_id: UUID
    organisation: str
    system_id: UUID
    system: str
    stream: str
    coverage: str
    mapping: str
    sla_seconds: int
    source_at: datetime | None
    age_seconds: float | None
    state: FeedState
    last_good_at: datetime | None
    last_batch_id: UUID | None
    delay_p50: float | None
    delay_p95: float | None
    lag_seconds: float
    waiting: int
    rows: int
    spool: int | None
    held_batch_id: UUID | None
    agent_error: str | None
    error: str | None


@dataclass(frozen=True, slots=True)
class Agent:
    id: UUID
    name: str
    last_seen_at: datetime | None
    seen_seconds: float | None
    is_disabled: bool


@dataclass(frozen=True, slots=True)
class System:
    """A legacy system with its feeds; `state` is the worst of theirs."""

    id: UUID
    key: str
    kind: str
    name_zh: str
    name_en: str
    zone: str
    organisation_id: UUID
    organisation: str
    organisations: tuple[str, ...]
    state: FeedState
    open_quarantine: int
    positions: int
    feeds: tuple[Feed, ...]
    agents: tuple[Agent, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """A place and how long nothing moved there; `state` is measured by its own activity SLA (unknown without one)."""

    organisation_id: UUID
    organisation: str
    id: int
    place_id: str
    place_code: str | None
    name: str | None
    parent_id: str | None
    kind: str
    is_active: bool
    activity_sla_seconds: int | None
    changed_at: datetime | None
    age_seconds: float | None
    state: FeedState


class SystemIn(BaseModel):
    """A legacy system to register; `organisations` are the keys of those whose stock it may hold."""

    model_config = ConfigDict(extra="forbid")

    key: Key
    kind: Annotated[str, Field(min_length=1, max_length=40)]
    name_zh: Annotated[str, Field(min_length=1, max_length=200)]
    name_en: Annotated[str, Field(min_length=1, max_length=200)]
    zone: Annotated[str, Field(min_length=1, max_length=60)] = "Asia/Shanghai"
    organisations: Annotated[list[Annotated[str, Field(max_length=80)]], Field(max_length=200)] = []


class PlacePatch(BaseModel):
    """Seconds after which a place without any movement is late; null: no promise."""

    model_config = ConfigDict(extra="forbid")

    activity_sla_seconds: Annotated[int, Field(gt=0, le=315_360_000)] | None


class LimitsPatch(BaseModel):
    """Limits of the gate for one coverage; names as in masterdata.intake.gate.LIMITS, null takes one back."""

    model_config = ConfigDict(extra="forbid")

    limits: dict[Annotated[str, Field(max_length=40)], float | None]
