"""What materials take and give over HTTP: rates, units, cross-references, conflicts of identity."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field

from hub.formats import Exact


class RateIn(BaseModel):
    """One unit of `currency` was worth `rate` of the group's currency on `rate_on`."""

    currency: Annotated[str, Field(pattern="^[A-Z]{3}$", examples=["EUR"])]
    rate_on: date
    rate: Annotated[Decimal, Field(gt=0, max_digits=29, decimal_places=9, examples=["7.71"])]


@dataclass(frozen=True, slots=True)
class Rate:
    currency: str
    rate_on: date
    rate: Exact
    recorded_at: datetime
    uploaded_by: UUID | None


@dataclass(frozen=True, slots=True)
class RateAge:
    """The rate in force of a currency; stale once older than a week."""

    currency: str
    rate: Exact
    rate_on: date
    age_days: int
    is_stale: bool


Code = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]*$")]


class XrefIn(BaseModel):
    """Items of any systems with the same `group_number` are one material; a golden number joins them to that one."""

    system: Code
    item_id: Code
    group_number: Code


class SplitIn(BaseModel):
    """Keep an item apart, whatever its keys say."""

    system: Code
    item_id: Code
    reason: Annotated[str, Field(min_length=1, max_length=2_000, pattern=r"^[^\x00]*$")]


class RestoreIn(BaseModel):
    """Take back what a person said of an item; its keys decide again."""

    system: Code
    item_id: Code


@dataclass(frozen=True, slots=True)
class Added:
    """How many rows were new, and how many links they changed."""

    added: int
    linked: int = 0


@dataclass(frozen=True, slots=True)
class UnitOut:
    code: str
    name_zh: str
    name_en: str
    symbol_zh: str
    symbol_en: str
    dimension: str | None
    decimals: int
