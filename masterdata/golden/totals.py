"""Totals of the golden list under its filters, what the filters can be set to, and the silhouette of a value by age."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from hub.settings import settings
from masterdata.golden.ages import COVERAGES, RATES, SOURCE_AT, VALUE, age_of, combined
from masterdata.golden.cache import Cache
from masterdata.golden.inventory import narrowing, needed_joins, parameters
from masterdata.golden.schemas import Age, Amount, Facets, InventoryQuery, InventoryTotals, Value

_cache = Cache(5)
_choices = Cache(30)

# One row per organisation, coverage and currency: few, however many holdings.
_TOTALS = f"""with {RATES},{COVERAGES},
chosen as materialized (select h.golden_id {{joins}} where {{where}} group by h.golden_id having {{having}}),
part as (
    select h.organisation_id, h.coverage_id, h.currency, sum({VALUE}) as worth, sum(h.value) as value,
           count(*) filter (where h.value is null and h.on_hand <> 0) as unpriced,
           count(*) filter (where h.is_apart and h.on_hand <> 0) as apart, min(r.rate_on) as rate_on,
           min({SOURCE_AT}) as source_at
    from live_holding h join cov c on c.organisation_id = h.organisation_id and c.id = h.coverage_id
    left join rate r on r.currency = h.currency
    where {{kept}} group by 1, 2, 3)
select part.*, c.sla_seconds, c.held_batch_id,
       (select count(*) from chosen) as materials,
       (select count(*)
        from (select distinct organisation_id, material_id from live_holding h where {{kept}}) x) as codes
from part join cov c on c.organisation_id = part.organisation_id and c.id = part.coverage_id"""

_FACETS = text("""
    select o.key, count(*), 'organisation' as facet, o.rank
    from (select distinct organisation_id, golden_id from live_holding) h
    join organisation o on o.id = h.organisation_id
    group by o.key, o.rank
    union all
    select g.class_code, count(*), 'class', 0 from golden_material g
    where g.class_code is not null and exists (select from live_holding h where h.golden_id = g.id)
    group by g.class_code
    order by 3, 4, 1""")


def get_totals(session: Session, query: InventoryQuery) -> InventoryTotals:
    """What all rows of the list come to; kept for up to 5 s."""
    key = (query.text, query.organisations, query.classes, query.states, query.status)
    return _cache.get(session, key, lambda: _totals(session, query))


def _totals(session: Session, query: InventoryQuery) -> InventoryTotals:
    where, having = narrowing(query)
    kept = narrowing(InventoryQuery(organisations=query.organisations))[0]
    if (where, having) != (kept, "true"):
        kept += " and h.golden_id in (select golden_id from chosen)"
    joins = needed_joins(replace(query, sort="quantity"))
    statement = _TOTALS.format(joins=joins, where=where, having=having, kept=kept)
    rows = session.execute(text(statement), parameters(query)).all()
    parts = aged(rows, datetime.now(UTC))
    return InventoryTotals(
        materials=rows[0].materials if rows else 0,
        codes=rows[0].codes if rows else 0,
        value=value_of(rows),
        apart=sum(row.apart for row in rows),
        age=combined(parts),
        hull=hull(parts),
    )


def aged(rows: Sequence[Row[Any]], now: datetime) -> list[tuple[Age, Decimal]]:
    """Parts of a value with the age of each."""
    return [
        (age_of(row.source_at, row.sla_seconds, row.held_batch_id is not None, now), abs(row.worth or Decimal(0)))
        for row in rows
    ]


def value_of(rows: Sequence[Row[Any]]) -> Value:
    """Rows of one currency each: worth in the group's currency (None: no rate), value in their own."""
    apart: dict[str, Decimal] = {}
    for row in rows:
        if row.worth is None and row.value is not None:
            apart[row.currency] = apart.get(row.currency, Decimal(0)) + row.value
    return Value(
        amount=sum((row.worth for row in rows if row.worth is not None), Decimal(0)),
        currency=settings().group_currency,
        apart=[Amount(amount, currency) for currency, amount in sorted(apart.items())],
        unpriced=sum(row.unpriced for row in rows),
        rate_on=min((row.rate_on for row in rows if row.rate_on), default=None),
    )


def hull(parts: Sequence[tuple[Age, Decimal]]) -> list[tuple[float, float]]:
    """(ratio, share of the value that is at least that old), rising ratio: the silhouette under a large sum."""
    known = sorted(((age.ratio, weight) for age, weight in parts if age.ratio is not None), key=lambda part: part[0])
    whole = sum((weight for _, weight in known), Decimal(0))
    left, made = whole, []
    for ratio, weight in known:
        made.append((round(ratio, 4), float(left / whole) if whole else 0.0))
        left -= weight
    return made


def list_facets(session: Session) -> Facets:
    """What the list can be narrowed to; kept for up to 30 s."""
    return _choices.get(session, "facets", lambda: _facets(session))


def _facets(session: Session) -> Facets:
    rows = session.execute(_FACETS).all()
    return Facets(
        organisations=[(row[0], row[1]) for row in rows if row.facet == "organisation"],
        classes=[(row[0], row[1]) for row in rows if row.facet == "class"],
    )
