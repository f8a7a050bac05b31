"""What is asked of reports and what they answer; instants are aware UTC."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

# `golden_inventory` is asked as of an instant; all others are tables of the lake as a build left them.
Kind = Literal[
    "golden_inventory",
    "gold.golden_inventory",
    "gold.stock_history",
    "gold.stock_movements",
    "gold.inventory_ageing",
    "gold.stock_cover",
    "gold.inventory_turnover",
    "gold.duplicate_share",
    "gold.duplicate_records",
    "gold.purchase_orders",
    "gold.feed_reliability",
]
GOLDEN: Final = "golden_inventory"
State = Literal["waiting", "running", "ready", "failed"]


class ReportIn(BaseModel):
    """A question: `golden_inventory` needs `as_of` and takes `known_at`; marts take neither."""

    model_config = ConfigDict(extra="forbid")

    kind: Kind
    as_of: AwareDatetime | None = Field(default=None, description="what was so at this instant")
    known_at: AwareDatetime | None = Field(
        default=None, description="counting only what was recorded by then; left out: all that the current build knows"
    )


@dataclass(frozen=True, slots=True)
class Report:
    """A question with the state of its answer. `known_at` is filled in where it was left out, so that the same question
    can be asked again; `rows` counts those the caller may read (null until the answer is ready)."""

    id: UUID
    organisation: str
    kind: Kind
    as_of: datetime | None
    known_at: datetime
    build_id: UUID
    state: State
    error: str | None
    rows: int | None
    asked_by: str | None
    asked_at: datetime
    ended_at: datetime | None
    age_seconds: float

    @property
    def is_under_way(self) -> bool:
        return self.state in ("waiting", "running")


@dataclass(frozen=True, slots=True)
class Month:
    """A month that is over, and the instant of its end in the group's zone."""

    month: date
    ends_at: datetime
