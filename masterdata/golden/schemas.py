"""What the golden view answers: every figure with its unit or currency, its source time, age, promise and state.
Quantities are Decimals at their unit's decimals, money at its currency's; instants are aware UTC."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from masterdata.materials.schemas import RateAge

State = Literal["fresh", "late", "stale", "held", "unknown"]
Sort = Literal["value", "quantity", "holders", "name", "age", "number"]
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
    confidence: Decimal


@dataclass(frozen=True, slots=True)
class Stock:
    """Quantities in `unit`. `available` = unrestricted − reserved; `consigned` is somebody else's, of no value."""

    unit: str
    on_hand: Decimal
    available: Decimal
    reserved: Decimal
    in_transit: Decimal
    quality: Decimal
    blocked: Decimal
    consigned: Decimal


@dataclass(frozen=True, slots=True)
class Amount:
    amount: Decimal
    currency: str


@dataclass(frozen=True, slots=True)
class Value:
    """Value in the group's currency. `apart`: sums in a currency that has no rate. `unpriced`: parts without a cost.
    `rate_on`: day of the oldest rate used, None where no rate was needed."""

    amount: Decimal
    currency: str
    apart: list[Amount] = field(default_factory=list)
    unpriced: int = 0
    rate_on: date | None = None


@dataclass(frozen=True, slots=True)
class Apart:
    """A quantity in a unit without a factor to the golden unit: shown beside the sum, never in it."""

    unit: str
    on_hand: Decimal
    available: Decimal


@dataclass(frozen=True, slots=True)
class HolderCell:
    """One organisation's part in a row of the list. `state` is the oldest source's; `share` of the row's on-hand."""

    organisation: str
    on_hand: Decimal
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

    quantity: Decimal
    unit: str
    numerator: Decimal
    denominator: Decimal


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
    group_value: Decimal | None
    identity: Identity
    age: Age
    held_batch_id: UUID | None
    positions: int
    negatives: int
    marked: int
    has_detail: bool = True


@dataclass(frozen=True, slots=True)
class SisterStock:
    """Free stock at a place of another organisation of the group: all that a plant sees of its sisters."""

    organisation: str
    organisation_zh: str
    organisation_en: str
    seal: str
    letter: str
    place: str
    free: Decimal
    unit: str
    is_apart: bool
    age: Age


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


@dataclass(frozen=True, slots=True)
class SourceRecord:
    """A material as one system knows it, with the link that makes it this golden material."""

    id: int
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
    name_zh: str | None
    name_en: str | None
    specification: str | None
    class_code: str | None
    base_unit: str | None
    gtin: str | None
    brand: str | None
    mpn: str | None
    is_active: bool
    is_deleted: bool
    unit_cost: Amount | None
    modified_at: datetime | None
    batch_id: UUID | None
    row_no: int | None
    identity: Identity
    link_id: int | None
    evidence: dict[str, Any]
    linked_at: datetime | None
    unit_facts: list[Conversion]


@dataclass(frozen=True, slots=True)
class Attribute:
    """A golden attribute: the surviving value, the rule that chose it, and what each source says (id, value)."""

    name: str
    value: str | None
    rule: str
    sources: list[tuple[int, str | None]]
    agree: int


@dataclass(frozen=True, slots=True)
class Material:
    number: str
    name_zh: str | None
    name_en: str | None
    class_code: str | None
    unit: str
    gtin: str | None
    identity: Identity
    created_at: datetime
    merged_into: str | None
    attributes: list[Attribute]
    sources: list[SourceRecord]
    conflicts: list[Conflict]
    holders: Holders


@dataclass(frozen=True, slots=True)
class Conflict:
    """Keys that speak against each other, so that nothing was merged: `kind` is duplicate_in_system, keys_disagree or
    part_numbers_differ."""

    kind: str
    key: str
    organisation: str
    system: str
    item_id: str
    number: str
    detail: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Position:
    """One position with its way back: batch, row and trace of its last explicit fact."""

    id: int
    number: str
    organisation: str
    organisation_id: UUID
    system: str
    item_id: str
    item_code: str | None
    place_id: str
    place: str | None
    lot: str
    owner: str
    status: str
    quantity: Decimal
    unit: str
    golden_quantity: Decimal | None
    golden_unit: str
    reserved: Decimal | None
    value: Amount | None
    expires_on: date | None
    is_marked: bool
    age: Age
    batch_id: UUID
    row_no: int | None
    trace_id: str


@dataclass(frozen=True, slots=True)
class PositionPage:
    items: list[Position]
    next: str | None


@dataclass(frozen=True, slots=True)
class Movement:
    id: int
    number: str
    name_zh: str | None
    name_en: str | None
    organisation: str
    system: str
    item_id: str
    item_code: str | None
    place_id: str
    place: str | None
    lot: str
    kind: str
    quantity: Decimal
    unit: str
    occurred_at: datetime
    booked_at: datetime | None
    document: str | None
    line: str | None
    partner_id: str | None
    is_voided: bool
    batch_id: UUID
    row_no: int


@dataclass(frozen=True, slots=True)
class MovementQuery:
    """Newest first. `number` narrows to one golden material; `since`/`until` bound `occurred_at`."""

    number: str | None = None
    organisations: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    after: str | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True)
class MovementPage:
    items: list[Movement]
    next: str | None


@dataclass(frozen=True, slots=True)
class HistoryPoint:
    """`is_estimated`: a part runs back along remembered movements, before its first observation."""

    at: datetime
    quantity: Decimal
    is_estimated: bool = False


@dataclass(frozen=True, slots=True)
class History:
    """Stock over time in the golden unit, from the facts; `apart` names units left out for want of a factor."""

    number: str
    unit: str
    points: list[HistoryPoint]
    apart: list[str]
    known_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Trail:
    """The way from a position back to its raw row: conversion, position, batch and agent."""

    position: Position
    conversion: Conversion | None
    stream: str
    sync: str
    rows: list[int]
    agent: str | None
    agent_id: UUID | None
    observed_at: datetime
    landed_at: datetime | None
    applied_at: datetime | None
    clock: str
    traceparent: str


@dataclass(frozen=True, slots=True)
class ChangeItem:
    """One outbox event of the stock: `id` is the cursor."""

    id: int
    topic: str
    organisation: str
    at: datetime
    payload: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ChangePage:
    items: list[ChangeItem]
    next: int


@dataclass(frozen=True, slots=True)
class Kpi:
    """`definition_*` says in a sentence what is measured. `spark` is the figure by month, oldest first."""

    key: Literal["value", "days_of_inventory", "duplicate_share", "dormant_value", "stale_share"]
    figure: Decimal | None
    unit: str
    previous: Decimal | None
    spark: list[Decimal]
    detail: dict[str, Decimal]
    definition_zh: str
    definition_en: str
    hull: list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class OrganisationValue:
    organisation: str
    organisation_zh: str
    organisation_en: str
    seal: str
    letter: str
    value: Value
    materials: int
    codes: int
    age: Age
    months: list[tuple[date, Decimal]]
    """(month end, value in the group's currency at today's costs and rates), oldest first."""


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A material several organisations hold: the value beyond the largest holder's."""

    number: str
    name_zh: str | None
    name_en: str | None
    unit: str
    on_hand: Decimal
    organisations: list[str]
    value: Decimal
    duplicate_value: Decimal
    age: Age


@dataclass(frozen=True, slots=True)
class Dormant:
    number: str
    name_zh: str | None
    name_en: str | None
    unit: str
    on_hand: Decimal
    organisation: str
    value: Decimal
    moved_at: datetime | None
    age: Age


@dataclass(frozen=True, slots=True)
class Overview:
    currency: str
    computed_at: datetime
    organisations: list[OrganisationValue]
    kpis: list[Kpi]
    duplicates: list[Duplicate]
    dormant: list[Dormant]
    ticker: list[Movement]
    movements_today: int
    sla: dict[State, Decimal]
    """Value by the state of its source."""
    rates: list[RateAge]
