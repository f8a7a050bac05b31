"""How old figures are, as SQL that every question of the golden view shares, and the states it names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from hub.formats import sla_state
from masterdata.golden.schemas import Age, State

MAIN_SHARE = Decimal("0.8")

# The rate of each currency in force: the newest day not in the future, as last uploaded. The group's own is 1.
RATES = """
rate as materialized (
    select distinct on (currency) currency, rate, rate_on from exchange_rate
    where rate_on <= cast(:today as date) and currency <> :currency
    order by currency, rate_on desc, recorded_at desc
)"""

COVERAGES = """
cov as materialized (
    select organisation_id, id, name, read_through, sla_seconds, held_batch_id from coverage
)"""

# Of a holding `h` with its coverage `c` and rate `r`.
SOURCE_AT = "greatest(h.oldest_at, c.read_through)"
RATIO = f"extract(epoch from cast(:now as timestamptz) - {SOURCE_AT})::float8 / c.sla_seconds"
VALUE = "case when h.currency = :currency then h.value else round_half_even(h.value * r.rate, 2) end"


def state_sql(held: str, ratio: str) -> str:
    return (
        f"case when {held} then 'held' when {ratio} is null then 'unknown' when {ratio} <= 1 then 'fresh' "
        f"when {ratio} <= 2 then 'late' else 'stale' end"
    )


def age_of(source_at: datetime | None, sla_seconds: int | None, is_held: bool, now: datetime) -> Age:
    """The age of one sourced figure; a figure from the future is 0 s old."""
    seconds = None if source_at is None else max(0, int((now - source_at).total_seconds()))
    state: State = "held" if is_held else sla_state(seconds, sla_seconds)  # type: ignore[assignment]
    ratio = seconds / sla_seconds if seconds is not None and sla_seconds else None
    return Age(source_at, seconds, sla_seconds, state, ratio, ratio)


def combined(parts: Sequence[tuple[Age, Decimal]]) -> Age:
    """The age of a sum: its worst part (held first, then by ratio) and what 80 % of it does not exceed."""
    if not parts:
        return Age(None, None, None, "unknown")
    worst = max(
        (age for age, _ in parts), key=lambda age: (age.state == "held", age.ratio if age.ratio is not None else -1)
    )
    known = sorted(((age.ratio, weight) for age, weight in parts if age.ratio is not None), key=lambda part: part[0])
    whole, sofar = sum((weight for _, weight in known), Decimal(0)), Decimal(0)
    for ratio, weight in known:
        sofar += weight
        if sofar >= whole * MAIN_SHARE:
            return replace(worst, main_ratio=ratio)
    return worst
