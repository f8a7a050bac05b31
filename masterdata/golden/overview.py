"""Figures of the group overview: what is where and worth what, how old, held twice, unmoved. Kept for 5 s per set of
readable organisations; what reads the movements of a year is kept for ten minutes."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import text
from sqlalchemy.orm import Session

from hub.settings import settings
from masterdata.golden.ages import COVERAGES, RATES, SOURCE_AT, VALUE, age_of, combined
from masterdata.golden.cache import Cache
from masterdata.golden.kpis import FULL_MONTHS, kpis
from masterdata.golden.positions import list_movements
from masterdata.golden.records import Dormant, Duplicate, MovementQuery, OrganisationValue, Overview
from masterdata.golden.schemas import State
from masterdata.golden.totals import aged, value_of
from masterdata.materials.rates import list_rate_ages

DORMANT_DAYS = 365
SHOWN = 10
MONTHS = 12

_cache = Cache(5)
_slow = Cache(600)

_PARTS = text(f"""with {RATES},{COVERAGES},
part as (
    select h.organisation_id, h.coverage_id, h.currency, sum({VALUE}) as worth, sum(h.value) as value,
           count(*) filter (where h.value is null and h.on_hand <> 0) as unpriced, count(*) as codes,
           count(distinct h.golden_id) as materials, min(r.rate_on) as rate_on, min({SOURCE_AT}) as source_at
    from live_holding h join cov c on c.organisation_id = h.organisation_id and c.id = h.coverage_id
    left join rate r on r.currency = h.currency group by 1, 2, 3)
select part.*, o.key, o.name_zh, o.name_en, o.seal, o.letter, c.sla_seconds, c.held_batch_id
from part join cov c on c.organisation_id = part.organisation_id and c.id = part.coverage_id
join organisation o on o.id = part.organisation_id order by o.rank, o.key""")

_DUPLICATES = text(f"""with {RATES},{COVERAGES},
org as (
    select h.golden_id, h.organisation_id, sum({VALUE}) as worth,
           sum(h.on_hand) filter (where not h.is_apart) as on_hand
    from live_holding h left join rate r on r.currency = h.currency where h.on_hand > 0 group by 1, 2),
held as (
    select golden_id, sum(worth) as worth, sum(on_hand) as on_hand, sum(worth) - max(worth) as twice,
           array_agg(organisation_id) as organisations
    from org group by golden_id having count(*) > 1)
select g.number, g.name_zh, g.name_en, g.unit, held.*, sum(held.twice) over () as all_twice,
       count(*) over () as several,
       array(select o.key from organisation o where o.id = any(held.organisations) order by o.rank, o.key) as keys
from held join golden_material g on g.id = held.golden_id order by held.twice desc nulls last, g.id limit {SHOWN}""")

_AGES = text(f"""
select h.golden_id, {SOURCE_AT} as source_at, c.sla_seconds, c.held_batch_id, abs(h.on_hand) as weight
from live_holding h join coverage c on c.organisation_id = h.organisation_id and c.id = h.coverage_id
where h.golden_id = any(cast(:goldens as bigint[])) and h.on_hand <> 0""")

# The worth of one unit of a position: its holding's value by its quantity.
_WORTH = f"""with {RATES},
worth as materialized (
    select h.organisation_id, h.material_id, h.unit, sum({VALUE}) as worth, sum(t.on_hand) as quantity
    from live_holding h join material_stock t using (organisation_id, material_id, coverage_id, unit)
    left join rate r on r.currency = h.currency where t.on_hand <> 0 group by 1, 2, 3)"""

_FLOWS = text(f"""{_WORTH}
select v.organisation_id, cast(date_trunc('month', v.occurred_at at time zone :zone) as date) as month,
       sum(v.quantity * w.worth / w.quantity) as net,
       -sum(v.quantity * w.worth / w.quantity) filter (
           where v.quantity < 0 and v.kind = 'issue') as issued
from movement v join position p on p.organisation_id = v.organisation_id and p.id = v.position_id
join worth w on w.organisation_id = p.organisation_id and w.material_id = p.material_id and w.unit = p.unit
where v.is_current and not v.is_voided and v.occurred_at >= :since and p.status <> 'in_transit' group by 1, 2""")

_DORMANT = text(f"""with {RATES},
moved as materialized (
    select p.organisation_id, p.material_id, max(v.occurred_at) as moved_at
    from movement v join position p on p.organisation_id = v.organisation_id and p.id = v.position_id
    where v.is_current and not v.is_voided group by 1, 2),
still as (
    select h.golden_id, h.organisation_id, sum({VALUE}) as worth,
           sum(h.on_hand) filter (where not h.is_apart) as on_hand,
           max(m.moved_at) as moved_at
    from live_holding h left join rate r on r.currency = h.currency
    left join moved m on m.organisation_id = h.organisation_id and m.material_id = h.material_id
    where h.on_hand > 0 group by 1, 2
    having coalesce(max(m.moved_at), '-infinity') < cast(:now as timestamptz) - interval '{DORMANT_DAYS} days'
       and bool_or(m.moved_at is not null))
select still.*, g.number, g.name_zh, g.name_en, g.unit, o.key, sum(still.worth) over () as whole
from still join golden_material g on g.id = still.golden_id join organisation o on o.id = still.organisation_id
order by still.worth desc nulls last, g.id limit {SHOWN}""")

_TODAY = text("select count(*) from movement where is_current and not is_voided and occurred_at >= :midnight")

Flows = dict[tuple[Any, date], tuple[Decimal, Decimal]]


def get_overview(session: Session) -> Overview:
    return _cache.get(session, "overview", lambda: _overview(session))


def _overview(session: Session) -> Overview:
    now = datetime.now(UTC)
    values = {"now": now, "today": settings().today(), "currency": settings().group_currency}
    parts = session.execute(_PARTS, values).all()
    months = _slow.get(session, "flows", lambda: _flows(session, values))
    duplicates, twice, several = _duplicates(session, values, now)
    dormant, still = _slow.get(session, "dormant", lambda: _dormant(session, values, now))
    organisations = _organisations(parts, months, now)
    ages = aged(parts, now)
    sla: dict[State, Decimal] = dict.fromkeys(("fresh", "late", "stale", "held", "unknown"), Decimal(0))
    for age, worth in ages:
        sla[age.state] += worth
    zone = ZoneInfo(settings().zone)
    midnight = now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    return Overview(
        currency=settings().group_currency,
        computed_at=now,
        organisations=organisations,
        kpis=kpis(organisations, _issued(months, now), ages, {"twice": twice, "several": several, "still": still}),
        duplicates=duplicates,
        dormant=dormant,
        ticker=list_movements(session, MovementQuery(limit=SHOWN)).items,
        movements_today=session.execute(_TODAY, {"midnight": midnight}).scalar_one(),
        sla=sla,
        rates=list_rate_ages(session),
    )


def month_ends(now: datetime) -> list[date]:
    """First days of the months that follow each of the last full months, oldest first: a month's end is one of them."""
    first = now.astimezone(ZoneInfo(settings().zone)).date().replace(day=1)
    ends = [first]
    while len(ends) < MONTHS:
        ends.append((ends[-1] - timedelta(days=1)).replace(day=1))
    return ends[::-1]


def _flows(session: Session, values: dict[str, Any]) -> Flows:
    """(organisation, month) → (net value moved, value issued), at today's costs and rates."""
    since = month_ends(values["now"])[0]
    rows = session.execute(_FLOWS, values | {"since": since, "zone": settings().zone})
    return {(row.organisation_id, row.month): (row.net or Decimal(0), row.issued or Decimal(0)) for row in rows}


def _issued(flows: Flows, now: datetime) -> Decimal:
    """Value issued in the last full months."""
    full = month_ends(now)[-FULL_MONTHS - 1 : -1]
    return sum((issued for (_, month), (_, issued) in flows.items() if month in full), Decimal(0))


def _organisations(parts: Any, months: Any, now: datetime) -> list[OrganisationValue]:
    grouped: dict[Any, list[Any]] = defaultdict(list)
    for part in parts:
        grouped[part.organisation_id].append(part)
    return [
        OrganisationValue(
            organisation=rows[0].key,
            organisation_zh=rows[0].name_zh,
            organisation_en=rows[0].name_en,
            seal=rows[0].seal,
            letter=rows[0].letter,
            value=value_of(rows),
            materials=sum(row.materials for row in rows),
            codes=sum(row.codes for row in rows),
            age=combined(aged(rows, now)),
            months=_months(value_of(rows).amount, {m: net for (o, m), (net, _) in months.items() if o == org}, now),
        )
        for org, rows in grouped.items()
    ]


def _months(amount: Decimal, nets: dict[date, Decimal], now: datetime) -> list[tuple[date, Decimal]]:
    """Value at each month's end: today's, less what moved since."""
    found = []
    for end in month_ends(now):
        moved = sum((net for month, net in nets.items() if month >= end), Decimal(0))
        found.append((end - timedelta(days=1), round(amount - moved, 2)))
    return found


def _duplicates(session: Session, values: dict[str, Any], now: datetime) -> tuple[list[Duplicate], Decimal, int]:
    rows = session.execute(_DUPLICATES, values).all()
    ages: dict[int, list[Any]] = defaultdict(list)
    for row in session.execute(_AGES, {"goldens": [row.golden_id for row in rows]}):
        age = age_of(row.source_at, row.sla_seconds, row.held_batch_id is not None, now)
        ages[row.golden_id].append((age, row.weight))
    made = [
        Duplicate(
            number=row.number,
            name_zh=row.name_zh,
            name_en=row.name_en,
            unit=row.unit,
            on_hand=row.on_hand or Decimal(0),
            organisations=list(row.keys),
            value=row.worth or Decimal(0),
            duplicate_value=row.twice or Decimal(0),
            age=combined(ages[row.golden_id]),
        )
        for row in rows
    ]
    return made, (rows[0].all_twice or Decimal(0)) if rows else Decimal(0), rows[0].several if rows else 0


def _dormant(session: Session, values: dict[str, Any], now: datetime) -> tuple[list[Dormant], Decimal]:
    rows = session.execute(_DORMANT, values).all()
    ages: dict[int, list[Any]] = defaultdict(list)
    for row in session.execute(_AGES, {"goldens": [row.golden_id for row in rows]}):
        age = age_of(row.source_at, row.sla_seconds, row.held_batch_id is not None, now)
        ages[row.golden_id].append((age, row.weight))
    made = [
        Dormant(
            number=row.number,
            name_zh=row.name_zh,
            name_en=row.name_en,
            unit=row.unit,
            on_hand=row.on_hand or Decimal(0),
            organisation=row.key,
            value=row.worth or Decimal(0),
            moved_at=row.moved_at,
            age=combined(ages[row.golden_id]),
        )
        for row in rows
    ]
    return made, (rows[0].whole or Decimal(0)) if rows else Decimal(0)
