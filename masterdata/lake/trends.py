"""Days of inventory, turnover and duplicate share by month, out of the current build's months."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterable
from datetime import date
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from hub.settings import settings
from masterdata.lake.schemas import OrganisationTrend, TrendPoint, Trends
from masterdata.lake.service import current_build
from masterdata.lake.words import definitions
from masterdata.words import METRICS

MONTHS = 24

_SUMS = """
    m.month, sum(m.closing_value) as closing_value, sum(m.mean_value) as mean_value,
    sum(m.issued_value) as issued_value, max(m.days) as days, sum(m.duplicate_value) as duplicate_value"""
_SINCE = """
    m.month > (select max(month) from mart_month) - make_interval(months => :months)"""
_TOTAL = text(f"select {_SUMS} from mart_month m where {_SINCE} group by m.month order by m.month")
_EACH = text(f"""
    select o.key, o.name_zh, o.name_en, {_SUMS} from mart_month m join organisation o on o.id = m.organisation_id
    where {_SINCE} group by o.key, o.name_zh, o.name_en, o.rank, m.month order by o.rank, o.key, m.month""")


def get_trends(session: Session, months: int = MONTHS) -> Trends:
    """The last `months` months of all that the caller reads and of each organisation."""
    current = current_build(session)
    each: dict[str, list[Row[Any]]] = {}
    for row in session.execute(_EACH, {"months": months}):
        each.setdefault(row.key, []).append(row)
    return Trends(
        build_id=current.id if current else None,
        known_at=current.known_at if current else None,
        currency=settings().group_currency,
        total=_points(session.execute(_TOTAL, {"months": months})),
        organisations=[OrganisationTrend(k, r[0].name_zh, r[0].name_en, _points(r)) for k, r in each.items()],
        definitions={key: definitions()[key] for key in METRICS},
    )


def _points(rows: Iterable[Row[Any]]) -> list[TrendPoint]:
    return [_point(row) for row in rows]


def _point(row: Row[Any]) -> TrendPoint:
    daily = row.issued_value / row.days if row.days else 0.0
    return TrendPoint(
        month=row.month,
        closing_value=row.closing_value,
        mean_value=row.mean_value,
        issued_value=row.issued_value,
        turns=_ratio(row.issued_value, row.mean_value),
        days_of_inventory=_ratio(row.mean_value, daily),
        duplicate_share=_ratio(row.duplicate_value, row.closing_value),
        is_partial=row.days < days_of(row.month),
    )


def days_of(month: date) -> int:
    return monthrange(month.year, month.month)[1]


def _ratio(part: float, whole: float) -> float | None:
    """None where the mart has none either: nothing to divide by."""
    return part / whole if whole > 0 else None
