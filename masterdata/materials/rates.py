"""Exchange rates as head office uploads them: dated, never changed, the newest upload of a day in force."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from hub.errors import Unprocessable
from hub.settings import settings
from masterdata.materials.schemas import Rate, RateAge, RateIn
from masterdata.materials.tables import rows_of

STALE_DAYS = 7


def add_rates(session: Session, rates: Sequence[RateIn], uploaded_by: UUID | None = None) -> int:
    """Add what is new; a repeated value adds nothing. Returns how many rates were added."""
    currency = settings().group_currency
    for row, rate in enumerate(rates, start=1):
        if rate.currency == currency:
            raise Unprocessable(
                f"Row {row}: {currency} is the group's own currency; its rate is always 1. Leave it out."
            )
        if rate.rate_on > settings().today():
            raise Unprocessable(f"Row {row}: {rate.rate_on} lies in the future. A rate takes effect on its own day.")
    statement = text("""
        insert into exchange_rate (currency, rate_on, rate, uploaded_by)
        select n.currency, n.rate_on, n.rate, :by
        from unnest(cast(:currencies as text[]), cast(:days as date[]), cast(:rates as numeric[]))
             as n(currency, rate_on, rate)
        left join lateral (
            select e.rate from exchange_rate e where e.currency = n.currency and e.rate_on = n.rate_on
            order by e.recorded_at desc limit 1) last on true
        where last.rate is distinct from n.rate
        returning 1""")
    values = {
        "currencies": [rate.currency for rate in rates],
        "days": [rate.rate_on for rate in rates],
        "rates": [rate.rate for rate in rates],
        "by": uploaded_by,
    }
    return len(session.execute(statement, values).all())


def upload(session: Session, csv: str, uploaded_by: UUID | None = None) -> int:
    """Add the rates of a CSV text; raises Unprocessable naming the bad row, and then nothing is added."""
    return add_rates(session, rows_of(csv.encode(), "text/csv", RateIn), uploaded_by)


def list_rates(session: Session, currency: str | None = None, limit: int = 100) -> list[Rate]:
    """Newest day first; of a day the newest upload first."""
    statement = text("""
        select currency, rate_on, rate, recorded_at, uploaded_by from exchange_rate
        where cast(:currency as text) is null or currency = :currency
        order by rate_on desc, currency, recorded_at desc limit :limit""")
    return [Rate(**row) for row in session.execute(statement, {"currency": currency, "limit": limit}).mappings()]


def list_rate_ages(session: Session) -> list[RateAge]:
    """The rate in force of every currency that has one, with its age in days."""
    today = settings().today()
    statement = text("""
        select distinct on (currency) currency, rate, rate_on from exchange_rate where rate_on <= :today
        order by currency, rate_on desc, recorded_at desc""")
    rows = session.execute(statement, {"today": today})
    return [
        RateAge(r.currency, r.rate, r.rate_on, (today - r.rate_on).days, (today - r.rate_on).days > STALE_DAYS)
        for r in rows
    ]
