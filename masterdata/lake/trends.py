"""Days of inventory, turnover and duplicate share by month, out of the current build's months."""

from __future__ import annotations

from calendar import monthrange
from collections import defaultdict
from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from hub.settings import settings
from masterdata.lake.schemas import OrganisationTrend, TrendPoint, Trends
from masterdata.lake.words import definitions
from masterdata.words import METRICS

MONTHS = 24

# One statement: rows and build are of the same publication. What is held twice compares with others' stock: it is told
# to who sees all of that exactly.
_MONTHS = text("""
    with disclosure as materialized (select disclosure_is_open() as is_open)
    select d.is_open, b.id as build_id, b.known_at, o.key, o.name_zh, o.name_en, m.month, m.closing_value, m.mean_value,
           m.issued_value, m.days, case when d.is_open then m.duplicate_value end as duplicate_value
    from build b cross join disclosure d
    left join (mart_month m join organisation o on o.id = m.organisation_id)
      on m.month > (select max(month) from mart_month) - make_interval(months => :months)
    where b.is_current order by o.rank, o.key, m.month""")


def get_trends(session: Session, months: int = MONTHS) -> Trends:
    """The last `months` months of all that the caller reads and of each organisation."""
    rows = session.execute(_MONTHS, {"months": months}).all()
    each, total = defaultdict[str, list[Row[Any]]](list), defaultdict[date, list[Row[Any]]](list)
    for row in rows:
        if row.month is not None:
            each[row.key].append(row)
            total[row.month].append(row)
    return Trends(
        build_id=rows[0].build_id if rows else None,
        known_at=rows[0].known_at if rows else None,
        currency=settings().group_currency,
        tells_duplicates=bool(rows and rows[0].is_open),
        total=[_point(total[month]) for month in sorted(total)],
        organisations=[
            OrganisationTrend(key, found[0].name_zh, found[0].name_en, [_point([row]) for row in found])
            for key, found in each.items()
        ],
        definitions={key: definitions()[key] for key in METRICS},
    )


def _point(rows: Sequence[Row[Any]]) -> TrendPoint:
    """A month of one or several organisations."""
    month, days = rows[0].month, max(row.days for row in rows)
    closing, mean, issued = (
        sum(row._mapping[name] for row in rows) for name in ("closing_value", "mean_value", "issued_value")
    )
    twice = [row.duplicate_value for row in rows]
    return TrendPoint(
        month=month,
        closing_value=closing,
        mean_value=mean,
        issued_value=issued,
        turns=_ratio(issued, mean),
        days_of_inventory=_ratio(mean, issued / days if days else 0.0),
        duplicate_share=None if None in twice else _ratio(sum(twice), closing),
        is_partial=days < days_of(month),
    )


def days_of(month: date) -> int:
    return monthrange(month.year, month.month)[1]


def _ratio(part: float, whole: float) -> float | None:
    """None where the mart has none either: nothing to divide by."""
    return part / whole if whole > 0 else None
