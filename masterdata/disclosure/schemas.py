"""What is asked of disclosure and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from masterdata.golden.schemas import Level

PartnerKind = Literal["subsidiary", "supplier", "carrier"]
ClassPrefix = Annotated[str, StringConstraints(strip_whitespace=True, max_length=80, pattern=r"^[^\x00-\x1f]*$")]

KINDS: Final[tuple[PartnerKind, ...]] = ("subsidiary", "supplier", "carrier")
LEVELS: Final[tuple[Level, ...]] = ("full", "banded", "yes_no", "hidden", "none")
# Where no rule applies.
DEFAULTS: Final[dict[PartnerKind, Level]] = {"subsidiary": "full", "supplier": "none", "carrier": "none"}
# At least, and less than (None: no limit): what a banded quantity is told as. `disclosure_band` in SQL gives the same.
BANDS: Final[tuple[tuple[int, int | None], ...]] = (
    (0, 1), (1, 10), (10, 100), (100, 1_000), (1_000, 10_000), (10_000, 100_000), (100_000, 1_000_000),
    (1_000_000, None),
)  # fmt: skip


class RuleIn(BaseModel):
    """One rule. `class_prefix` is the beginning of a class of the own system; empty: all materials."""

    model_config = ConfigDict(extra="forbid")

    partner_kind: PartnerKind
    class_prefix: ClassPrefix = ""
    level: Level


class DisclosureIn(BaseModel):
    """The whole policy: a rule that is not in it is taken back."""

    model_config = ConfigDict(extra="forbid")

    rules: list[RuleIn] = Field(max_length=500)
    valid_from: AwareDatetime | None = Field(default=None, description="left out: now; never in the past")


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule with the instant from which it holds; `level` null: the rule ends then."""

    partner_kind: PartnerKind
    class_prefix: str
    level: Level | None
    valid_from: datetime


@dataclass(frozen=True, slots=True)
class Disclosure:
    """An organisation's policy: rules in force, rules to come, what holds where none applies, and the bands."""

    organisation: str
    rules: list[Rule]
    upcoming: list[Rule]
    defaults: dict[PartnerKind, Level]
    bands: list[tuple[int, int | None]]
