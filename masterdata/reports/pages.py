"""Pages of reports: asked for, listed, downloaded; and the question behind the golden list looked back at."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, ValidationError

from hub.errors import HubError, Unprocessable
from hub.formats import speaker
from identity.access import CanReadInventory, Principal, SessionDep
from masterdata.golden.pages import FiltersDep, Past, shown
from masterdata.lake.service import current_build
from masterdata.reports import service
from masterdata.reports.looking import moment_text
from masterdata.reports.schemas import GOLDEN, ReportIn

router = APIRouter(include_in_schema=False)

SHOWN = 30
After = Annotated[UUID | None, Query()]


class Asked(BaseModel):
    """A form's question. `month` is the instant of a month's end, which `as_of` goes before; instants without a zone
    are the reader's."""

    kind: str = GOLDEN
    month: str = ""
    as_of: str = ""
    known_at: str = ""

    def question(self, me: Principal) -> ReportIn:
        moment = Past(self.as_of or self.month, self.known_at).moment(speaker(me.locale, me.zone))
        try:
            return ReportIn.model_validate({"kind": self.kind, "as_of": moment.as_of, "known_at": moment.known_at})
        except ValidationError as error:
            raise Unprocessable(f"There is no report of the kind {self.kind}.") from error


AskedDep = Annotated[Asked, Form()]


@router.get("/reports")
def reports_page(request: Request, session: SessionDep, me: CanReadInventory, after: After = None) -> Response:
    return _page(request, session, me, after)


@router.post("/reports")
def ask_report(request: Request, session: SessionDep, me: CanReadInventory, form: AskedDep) -> Response:
    """Ask for a report, then see the list."""
    try:
        service.ask(session, me, form.question(me))
    except HubError as error:
        return _page(request, session, me, problem=error)
    return RedirectResponse("/reports", 303)


@router.post("/inventory/past")
def ask_past(
    request: Request, session: SessionDep, me: CanReadInventory, form: AskedDep, filters: FiltersDep
) -> Response:
    """Ask for the list at an instant, then look back at it with the same filters."""
    try:
        report = service.ask(session, me, form.question(me))
    except HubError as error:
        return _page(request, session, me, problem=error)
    moment = {"as_of": moment_text(report.as_of), "known_at": moment_text(report.known_at)}
    return RedirectResponse(f"/inventory?{filters.address(**moment)}", 303)


def _page(
    request: Request, session: SessionDep, me: Principal, after: UUID | None = None, problem: HubError | None = None
) -> Response:
    found = service.list_reports(session, after, SHOWN + 1)
    limit = problem.extra.get("limit") if problem else None
    return shown(
        request, session, me, "reports.html", reports=found[:SHOWN], months=service.months(session),
        following=found[SHOWN - 1].id if len(found) > SHOWN else None, current=current_build(session),
        moment_text=moment_text, problem=problem, limit=limit and datetime.fromisoformat(limit),
        status=problem.status if problem else 200,
    )  # fmt: skip
