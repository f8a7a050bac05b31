"""Page: an organisation's audit log."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date, datetime, time, timedelta
from typing import Annotated
from urllib.parse import urlencode
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Request, Response

from hub.errors import Unprocessable
from hub.pages import render
from hub.paging import PagingDep, cut
from hub.web import SessionDep, gathered
from identity.access import CanReadAudit
from identity.audit import service
from identity.audit.router import Filters, shown
from identity.audit.words import ACTIONS
from identity.organisations.service import list_organisations

router = APIRouter(include_in_schema=False)

SHOWN = 50
Text = Annotated[str, Query(max_length=80, pattern=r"^[a-z0-9_-]*$")]


@dataclass(frozen=True)
class Asked:
    """The form, as a browser sends it: empty fields too."""

    of: Text = ""
    action: Text = ""
    actor: Text = ""
    since: Text = ""
    until: Text = ""

    def filters(self, zone: str) -> Filters:
        days = _day(self.since, zone), _day(self.until, zone, days=1)
        return Filters(_id(self.of), self.action, _id(self.actor), *days)

    def address(self, **changes: object) -> str:
        return _query(asdict(self) | changes)


@router.get("/audit")
def audit_page(
    request: Request, session: SessionDep, me: CanReadAudit, page: PagingDep, asked: Annotated[Asked, gathered(Asked)]
) -> Response:
    own, wanted = asked.filters(me.zone).wanted(session, me)
    after = page.key((UUID,))
    rows = service.list_events(session, wanted, after[0] if after else None, SHOWN + 1)
    events, following = cut(rows, SHOWN, lambda e: (e.event_id,))
    narrowed: dict[str, object] = {
        "action": wanted.action,
        "actor": wanted.actor,
        "from": wanted.since,
        "to": wanted.until,
    }
    organisations = list_organisations(session)
    return render(
        request, "audit.html", me=me, own=own, events=shown(session, events), following=following, asked=asked,
        export=_query(narrowed | {"organisation_id": own.id}), actions=ACTIONS, organisations=organisations,
        head=service.head_of(session, own.id), keys={o.key: o for o in organisations},
        named={str(o.id): o.key for o in organisations},
    )  # fmt: skip


def _query(values: dict[str, object]) -> str:
    given = {name: v.isoformat() if isinstance(v, datetime) else str(v) for name, v in values.items() if v}
    return urlencode(given)


def _id(given: str) -> UUID | None:
    try:
        return UUID(given) if given else None
    except ValueError:
        raise Unprocessable(f"{given} is no id.") from None


def _day(given: str, zone: str, days: int = 0) -> datetime | None:
    """The begin of a day in the reader's zone, or of the day after."""
    try:
        day = date.fromisoformat(given) + timedelta(days=days) if given else None
    except (ValueError, OverflowError):
        raise Unprocessable(f"{given} is no day such as 2026-10-31.") from None
    return datetime.combine(day, time(), ZoneInfo(zone)) if day else None
