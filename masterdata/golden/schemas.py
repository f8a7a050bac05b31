"""What the golden view answers: every figure with its unit or currency, its source time, age, promise and state.
Quantities are Decimals at their unit's decimals, money at its currency's; instants are aware UTC."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal
from uuid import UUID

from hub.formats import Exact

State = Literal["fresh", "late", "stale", "held", "unknown"]
Sort = Literal["value", "quantity", "holders", "name", "age", "number"]
Level = Literal["full", "banded", "yes_no", "hidden", "none"]
StockStatus = Literal["on_hand", "available", "reserved", "in_transit", "quality", "blocked", "negative", "apart"]


@dataclass(frozen=True, slots=True)
class Moment:
    """Two time axes: what was so at `as_of`, as it was known at `known_at`; None means now."""

    as_of: datetime | None = None
    known_at: datetime | None = None

    @property
    def is_live(self) -> bool:
        return self.as_of is None and self.known_at is None


LIVE = Moment()


@dataclass(frozen=True, slots=True)
class Age:
    """How old a figure is. `ratio` = age ÷ promise (late over 1, stale over 2). Of a sum: `source_at` and the rest are
    those of its oldest part, `main_ratio` is the ratio that 80 % of the quantity does not exceed."""

    source_at: datetime | None
    age_seconds: int | None
    sla_seconds: int | None
    state: State
    ratio: float | None = None
    main_ratio: float | None = None


@dataclass(frozen=True, slots=True)
class Identity:
    """Why records are one material: rule `gtin`, `mpn`, `xref` or `own` (one source), and how sure (0 to 1)."""

    rule: str
    confidence: Exact


@dataclass(frozen=True, slots=True)
class Stock:
    """Quantities in `unit`. `available` = unrestricted − reserved; `consigned` is somebody else's, of no value."""

    unit: str
    on_hand: Exact
    available: Exact
    reserved: Exact
    in_transit: Exact
    quality: Exact
    blocked: Exact
    consigned: Exact


@dataclass(frozen=True, slots=True)
class Amount:
    amount: Exact
    currency: str


@dataclass(frozen=True, slots=True)
class Value:
    """Value in the group's currency. `apart`: sums in a currency that has no rate. `unpriced`: parts without a cost.
    `rate_on`: day of the oldest rate used, None where no rate was needed."""

    amount: Exact
    currency: str
    apart: list[Amount] = field(default_factory=list)
    unpriced: int = 0
    rate_on: date | None = None


@dataclass(frozen=True, slots=True)
class Apart:
    """A quantity in a unit without a factor to the golden unit: shown beside the sum, never in it."""

    unit: str
    on_hand: Exact
    available: Exact


@dataclass(frozen=True, slots=True)
class HolderCell:
    """One organisation's part in a row of the list. `state` is the oldest source's; `share` of the row's on-hand."""

    organisation: str
    on_hand: Exact
    state: State


@dataclass(frozen=True, slots=True)
class InventoryRow:
    number: str
    name_zh: str | None
    name_en: str | None
    class_code: str | None
    identity: Identity
    codes: int
    stock: Stock
    value: Value
    apart: list[Apart]
    holders: list[HolderCell]
    age: Age
    is_marked: bool


@dataclass(frozen=True, slots=True)
class InventoryQuery:
    """Filters of the golden list; all given ones must hold. `text` finds as search does."""

    text: str = ""
    organisations: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    states: tuple[State, ...] = ()
    status: StockStatus | None = None
    sort: Sort = "value"
    descending: bool = True
    after: str | None = None
    limit: int = 50
    language: Literal["zh", "en"] = "zh"


@dataclass(frozen=True, slots=True)
class InventoryPage:
    """`next` continues behind the last row; rows whose sort value stays are never met twice nor missed."""

    items: list[InventoryRow]
    next: str | None


@dataclass(frozen=True, slots=True)
class InventoryTotals:
    materials: int
    codes: int
    value: Value
    apart: int
    age: Age
    hull: list[tuple[float, float]] = field(default_factory=list)
    """Silhouette of the value: (ratio, share of the value at least that old), rising ratio."""


@dataclass(frozen=True, slots=True)
class Facets:
    """What filters can be set to, with the number of golden materials each would show."""

    organisations: list[tuple[str, int]]
    classes: list[tuple[str, int]]


@dataclass(frozen=True, slots=True)
class Conversion:
    """golden quantity = quantity in `unit` × numerator ÷ denominator, half-even at the golden unit's decimals, once."""

    quantity: Exact
    unit: str
    numerator: Exact
    denominator: Exact


@dataclass(frozen=True, slots=True)
class Holding:
    """What one organisation holds of a golden material under one of its codes (in one coverage and one unit).
    `is_apart`: no factor is known and `stock` stands in the source's unit. `has_detail` is False for a sister's stock,
    of which only place and free quantity are shown."""

    organisation: str
    organisation_zh: str
    organisation_en: str
    seal: str
    letter: str
    system: str
    system_name_zh: str
    system_name_en: str
    item_id: str
    item_code: str | None
    name: str | None
    coverage: str
    stock: Stock
    is_apart: bool
    source: Conversion | None
    value: Amount | None
    group_value: Exact | None
    identity: Identity
    age: Age
    held_batch_id: UUID | None
    positions: int
    negatives: int
    marked: int
    has_detail: bool = True


@dataclass(frozen=True, slots=True)
class SisterStock:
    """Free stock of another organisation as far as it discloses it. `full`: at a place, exact in `free`. `banded`: at
    least `free_from` and less than `free_below` (None: no limit). `yes_no`: `has_some` alone. `hidden`: a band over all
    holders that are not named."""

    organisation: str | None
    organisation_zh: str | None
    organisation_en: str | None
    seal: str | None
    letter: str | None
    level: Level
    place: str | None
    free: Exact | None
    free_from: Exact | None
    free_below: Exact | None
    has_some: bool
    unit: str
    is_apart: bool
    age: Age


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Free stock of other organisations: the sum of what is disclosed exactly, in the golden unit, and how many further
    lines have some that is in no sum."""

    free: Exact
    more: int


@dataclass(frozen=True, slots=True)
class Holders:
    """Who holds a golden material: all organisations in one answer."""

    number: str
    name_zh: str | None
    name_en: str | None
    unit: str
    moment: Moment
    stock: Stock
    value: Value
    apart: list[Apart]
    age: Age
    holders: list[Holding]
    sisters: list[SisterStock]
    elsewhere: Elsewhere


@dataclass(frozen=True, slots=True)
class Found:
    """Answer to a question by text: what it hit, best first, and who holds each."""

    text: str
    hits: list[Hit]
    holders: list[Holders]


@dataclass(frozen=True, slots=True)
class Hit:
    """A golden material found by search; `matched` names the field that hit: number, code, gtin, mpn or name."""

    number: str
    name_zh: str | None
    name_en: str | None
    class_code: str | None
    matched: str
    text: str
