"""What the lake answers, to programs and pages alike; values are in the group's currency."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

from hub.formats import Exact

State = Literal["running", "published", "failed"]
Grade = Literal["A", "B", "C", "D"]


@dataclass(frozen=True, slots=True)
class Build:
    """One build of the marts. `positions` and `holdings` were compared with the live view, `differences` were found
    (null: it did not come to that); `seconds` is how long it took or has run. `is_current`: the one readers see."""

    id: UUID
    state: State
    reason: str
    is_current: bool
    known_at: datetime | None
    started_at: datetime
    ended_at: datetime | None
    seconds: float
    positions: int | None
    holdings: int | None
    differences: int | None
    kept: int
    broken: int
    error: str | None


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a build; `seconds` null: still to come, or under way where `is_running`."""

    name: str
    began_seconds: float
    seconds: float | None
    is_running: bool


@dataclass(frozen=True, slots=True)
class Check:
    """A rule, model or test of a build: `figure` is what was counted, `message` why it was broken."""

    name: str
    kind: str
    is_kept: bool
    figure: float | None
    seconds: float | None
    message: str | None


@dataclass(frozen=True, slots=True)
class BuildDetail:
    """A build with its steps in order, its checks (broken ones first) and the lake's snapshots by table, whose 64 bits
    are text: a JSON number loses some. `findings` counts the rows to look at that the caller may see, by kind."""

    build: Build
    steps: list[Step]
    checks: list[Check]
    snapshots: dict[str, str]
    findings: dict[str, int]


@dataclass(frozen=True, slots=True)
class Finding:
    """A row that a check refused (`kind` bronze, gold, test, …), or a figure that lake and live view tell differently
    (`kind` difference). `detail` holds its columns; number, batch and row lead to the source where they are known."""

    id: int
    organisation_id: UUID
    organisation: str
    kind: str
    name: str
    detail: dict[str, Any]
    number: str | None
    name_zh: str | None
    name_en: str | None
    batch_id: UUID | None
    row_no: int | None


@dataclass(frozen=True, slots=True)
class Alarm:
    """What is wrong with the newest build that ended."""

    kind: Literal["failed", "differences"]
    build: Build
    published_at: datetime | None


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a grade is below A: the rule, the measured figure, its limit; `points` is what it costs."""

    rule: str
    measured: float
    limit: float
    points: int


@dataclass(frozen=True, slots=True)
class DataAsset:
    """One stream of one coverage as the current build measured it. Intervals, delays and the SLA are seconds,
    `completeness` is the share of rows taken, `silent_seconds` the time from the last read to the build."""

    organisation_id: UUID
    organisation: str
    system: str
    system_zh: str
    system_en: str
    coverage: str
    stream: str
    grade: Grade
    reasons: list[Reason]
    batches: int
    rows_in: int
    quarantined: int
    first_at: datetime
    last_at: datetime
    silent_seconds: float
    interval_seconds: float | None
    delay_p50_seconds: float | None
    delay_p95_seconds: float | None
    completeness: float | None
    sla_seconds: int
    breaks: int


@dataclass(frozen=True, slots=True)
class TrendPoint:
    """A month: `turns` is issued value over mean value, `days_of_inventory` mean value over daily issued value,
    `duplicate_share` what others hold more of as a share of the value at its end. `is_partial`: not over yet."""

    month: date
    closing_value: float
    mean_value: float
    issued_value: float
    turns: float | None
    days_of_inventory: float | None
    duplicate_share: float | None
    is_partial: bool


@dataclass(frozen=True, slots=True)
class OrganisationTrend:
    organisation: str
    organisation_zh: str
    organisation_en: str
    points: list[TrendPoint]


@dataclass(frozen=True, slots=True)
class Definition:
    """What a metric means, in both languages, and how it is computed."""

    zh: str
    en: str
    formula: str


@dataclass(frozen=True, slots=True)
class Trends:
    """Months of all that the caller reads (`total`) and of each organisation, oldest first; of the current build.
    Without `tells_duplicates` what is held twice is unknown: others do not disclose their stock exactly."""

    build_id: UUID | None
    known_at: datetime | None
    currency: str
    tells_duplicates: bool
    total: list[TrendPoint]
    organisations: list[OrganisationTrend]
    definitions: dict[str, Definition]


@dataclass(frozen=True, slots=True)
class HolderAgeing:
    """Own stock of a material at one organisation, in the source's unit. `ages` are quantities by days since receipt:
    below 90, 180, 365, more, unknown; values are null where a cost or rate is missing."""

    organisation: str
    organisation_zh: str
    organisation_en: str
    system: str
    item_id: str
    unit: str
    on_hand: Exact
    value: Exact | None
    days_of_cover: float | None
    excess: Exact
    excess_value: Exact | None
    last_moved_on: date | None
    dormant_value: Exact | None
    ages: list[float]


@dataclass(frozen=True, slots=True)
class Ageing:
    """How old a material's stock is and how long it lasts, as of the current build's `known_at`."""

    number: str
    unit: str
    currency: str
    build_id: UUID | None
    known_at: datetime | None
    holders: list[HolderAgeing]
