"""The golden list looked back at, as its page shows it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from sqlalchemy.orm import Session

from masterdata.golden.schemas import InventoryQuery, Moment
from masterdata.reports import inventory, service


def shown_past(session: Session, moment: Moment, query: InventoryQuery) -> dict[str, Any]:
    """What the page needs: the report that answers (None: nobody has asked), and once it is ready its rows. Filters
    that have no past fall away."""
    report = service.find_report(session, moment) if moment.as_of else None
    if report is None:
        return {"past": moment, "report": None}
    told = Moment(report.as_of, report.known_at)
    if report.state != "ready":
        return {"past": told, "report": report}
    asked = replace(
        query,
        states=(),
        status=query.status if query.status in inventory.STATUS else None,
        sort=query.sort if query.sort in inventory.ORDERS else "value",
    )
    page, totals = inventory.list_rows(session, service.answer_of(session, report.id), asked)
    moments = {"as_of": moment_text(report.as_of), "known_at": moment_text(report.known_at)}
    return {
        "past": told,
        "report": report,
        "page": page,
        "totals": totals,
        "moment_query": urlencode(moments),
    }


def moment_text(at: Any) -> str:
    """An instant as an address carries it."""
    return at.isoformat().replace("+00:00", "Z") if at else ""
