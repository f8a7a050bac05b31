"""Page of units and rates: the group's units, what plants' own codes mean, exchange rates and their upload."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import text

from hub.errors import HubError
from identity.access import CanReadInventory, CanWriteRates, Principal, SessionDep
from masterdata.directory import directory
from masterdata.golden.pages import shown
from masterdata.materials import rates

router = APIRouter(include_in_schema=False)

_OWN = text("""
    select o.key as organisation, s.key as system, u.code, u.unit, n.name_zh, n.name_en, u.recorded_at
    from source_unit u join organisation o on o.id = u.organisation_id join source_system s on s.id = u.system_id
    join unit n on n.code = u.unit order by u.recorded_at desc limit 500""")


@router.get("/units")
def units_page(request: Request, session: SessionDep, me: CanReadInventory) -> Response:
    return _units(request, session, me)


def _units(request: Request, session: SessionDep, me: Principal, error: str = "", given: str = "") -> Response:
    return shown(
        request, session, me, "units.html", rates=rates.list_rate_ages(session),
        own=session.execute(_OWN).all(), known=list(directory(session, me).units.values()), error=error, given=given,
    )  # fmt: skip


@router.post("/units/rates")
def upload_rates(
    request: Request, session: SessionDep, me: CanWriteRates, csv: Annotated[str, Form(max_length=200_000)]
) -> Response:
    """A wrong line refuses the whole upload, and says which."""
    try:
        with session.begin_nested():
            rates.upload(session, csv, me.id)
    except HubError as refused:
        return _units(request, session, me, refused.detail, csv)
    return RedirectResponse("/units", 303)
