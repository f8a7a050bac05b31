"""HTTP of units, exchange rates and what people say of identity."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Query, Request
from sqlalchemy import text

from hub.web import Router
from identity.access import CanReadMaterials, CanWriteLinks, CanWriteRates, SessionDep
from masterdata.golden.material import CONFLICTS, conflict_of
from masterdata.golden.records import Conflict
from masterdata.materials import links, rates, units
from masterdata.materials.schemas import Added, Rate, RateAge, RateIn, RestoreIn, SplitIn, UnitOut, XrefIn
from masterdata.materials.tables import rows_of

router = Router(prefix="/v1", tags=["materials"])


def _table(model: type[Any]) -> dict[str, Any]:
    """The two forms a table may come in, for the reference."""
    header = ",".join(model.model_fields)
    schema = {"type": "array", "items": model.model_json_schema(), "minItems": 1}
    csv_form = {"schema": {"type": "string"}, "example": header + "\n"}
    return {
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema}, "text/csv": csv_form}}
    }


async def _body(request: Request) -> tuple[bytes, str]:
    return await request.body(), request.headers.get("content-type", "text/csv")


Body = Annotated[tuple[bytes, str], Depends(_body)]


@router.get("/units")
def list_units(session: SessionDep, _: CanReadMaterials) -> list[UnitOut]:
    """Units of UN/ECE Recommendation 20 that quantities may stand in."""
    return units.list_units(session)


@router.get("/rates")
def list_rates(
    session: SessionDep,
    _: CanReadMaterials,
    currency: Annotated[str | None, Query(pattern="^[A-Z]{3}$")] = None,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 100,
) -> list[Rate]:
    """Uploaded exchange rates, newest day first."""
    return rates.list_rates(session, currency, limit)


@router.get("/rates/current")
def list_current_rates(session: SessionDep, _: CanReadMaterials) -> list[RateAge]:
    """The rate in force of every currency, with its age."""
    return rates.list_rate_ages(session)


@router.post("/rates", status_code=201, openapi_extra=_table(RateIn))
def add_rates(session: SessionDep, principal: CanWriteRates, body: Body) -> Added:
    """Upload dated rates as CSV (`currency,rate_on,rate`) or JSON; rows already known add nothing."""
    return Added(rates.add_rates(session, rows_of(*body, RateIn), principal.id))


@router.post("/xrefs", status_code=201, openapi_extra=_table(XrefIn))
def add_xrefs(session: SessionDep, principal: CanWriteLinks, body: Body) -> Added:
    """Upload a cross-reference as CSV (`system,item_id,group_number`) or JSON: items of one group are one material."""
    return links.add_xrefs(session, rows_of(*body, XrefIn), principal.id)


@router.post("/links/split", status_code=201)
def split_link(session: SessionDep, principal: CanWriteLinks, given: SplitIn) -> Added:
    """Keep an item apart, whatever its keys say; `POST /v1/links/restore` takes it back."""
    return links.split(session, given.system, given.item_id, given.reason, principal.id)


@router.post("/links/restore", status_code=201)
def restore_link(session: SessionDep, _: CanWriteLinks, given: RestoreIn) -> Added:
    """Take back what was said of an item (cross-reference or split); its keys decide again."""
    return links.restore(session, given.system, given.item_id)


@router.get("/links/conflicts")
def list_conflicts(
    session: SessionDep, _: CanReadMaterials, limit: Annotated[int, Query(ge=1, le=10_000)] = 100
) -> list[Conflict]:
    """Materials whose sure keys speak against each other, so that nothing was merged."""
    rows = session.execute(text(f"{CONFLICTS} order by m.id, c.kind, c.key limit :limit"), {"limit": limit})
    return [conflict_of(row) for row in rows]
