"""What the golden view answers about one material and over time: its records, positions, movements, history, changes,
and the group's overview. Quantities, money and instants as in `schemas`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

from hub.formats import Exact
from masterdata.golden.schemas import Age, Amount, Conversion, Holders, Identity, State, Value
from masterdata.materials.schemas import RateAge


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
    quantity: Exact
    unit: str
    golden_quantity: Exact | None
    golden_unit: str
    reserved: Exact | None
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
    quantity: Exact
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
    quantity: Exact
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
    figure: Exact | None
    unit: str
    previous: Exact | None
    spark: list[Exact]
    detail: dict[str, Exact]
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
    months: list[tuple[date, Exact]]
    """(month end, value in the group's currency at today's costs and rates), oldest first."""


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A material several organisations hold: the value beyond the largest holder's."""

    number: str
    name_zh: str | None
    name_en: str | None
    unit: str
    on_hand: Exact
    organisations: list[str]
    value: Exact
    duplicate_value: Exact
    age: Age


@dataclass(frozen=True, slots=True)
class Dormant:
    number: str
    name_zh: str | None
    name_en: str | None
    unit: str
    on_hand: Exact
    organisation: str
    value: Exact
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
    sla: dict[State, Exact]
    """Value by the state of its source."""
    rates: list[RateAge]
