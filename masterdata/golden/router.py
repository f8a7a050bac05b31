"""HTTP of the golden view: the list, who holds what, materials, movements, changes, exports, overview."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Annotated, Any, Literal, cast
from uuid import UUID

from fastapi import Depends, Header, Path, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from hub.outbox import Broker, Event
from hub.paging import PagingDep
from hub.sse import EventStream, last_event_id
from hub.web import Router, gathered
from identity.access import CanReadInventory, Principal, SessionDep
from identity.audit.service import note
from identity.principal import find_caller
from masterdata.golden import export, service
from masterdata.golden.changes import TOPICS
from masterdata.golden.records import (
    ChangePage,
    History,
    Material,
    MovementPage,
    MovementQuery,
    Overview,
    PositionPage,
    Trail,
)
from masterdata.golden.schemas import (
    Facets,
    Found,
    Hit,
    Holders,
    InventoryPage,
    InventoryQuery,
    InventoryTotals,
    Moment,
    Sort,
    State,
    StockStatus,
)
from masterdata.reports import inventory as past

router = Router(prefix="/v1", tags=["inventory"])

PRINTABLE = r"^[^\x00-\x1f]*$"
Number = Annotated[str, Path(pattern=r"^GM-[0-9]{7,12}$", examples=["GM-0000001"])]
Text = Annotated[
    str, Query(min_length=1, max_length=200, pattern=PRINTABLE, description="code, part number, GTIN or words")
]
Few = Annotated[int, Query(ge=1, le=20)]
Several = Annotated[int, Query(ge=1, le=200)]
Key = Annotated[str, Query(max_length=100, pattern=PRINTABLE)]


@dataclass(frozen=True)
class Filters:
    """What narrows and orders the golden list; repeat a parameter for several values."""

    text: Annotated[str, Query(max_length=200, pattern=PRINTABLE)] = ""
    organisation: Annotated[list[Key] | None, Query(max_length=200)] = None
    class_code: Annotated[list[Key] | None, Query(max_length=200)] = None
    state: Annotated[list[State] | None, Query(max_length=5)] = None
    status: StockStatus | None = None
    sort: Sort = "value"
    order: Literal["asc", "desc"] = "desc"

    def query(self, principal: Principal, after: str | None = None, limit: int = 50) -> InventoryQuery:
        return InventoryQuery(
            text=self.text.strip(),
            organisations=tuple(self.organisation or ()),
            classes=tuple(self.class_code or ()),
            states=tuple(self.state or ()),
            status=self.status,
            sort=self.sort,
            descending=self.order == "desc",
            after=after,
            limit=limit,
            language="en" if principal.locale == "en" else "zh",
        )


FiltersDep = Annotated[Filters, gathered(Filters)]


async def _moment(as_of: AwareDatetime | None = None, known_at: AwareDatetime | None = None) -> Moment:
    """`as_of`: what was so; `known_at`: as it was known then. Both with a zone; left out: now."""
    return Moment(as_of, known_at)


MomentDep = Annotated[Moment, Depends(_moment)]


@router.get("/inventory", response_model=InventoryPage)
def list_inventory(
    session: SessionDep, principal: CanReadInventory, filters: FiltersDep, page: PagingDep, moment: MomentDep
) -> Any:
    """Golden materials in stock, each with quantity, value, age and holders. Rows whose sort value stays are never met
    twice nor missed while stock moves. With `as_of` the list as it was, out of a report that was asked for before (404,
    or 409 while it is made): then `state` and some orders cannot be asked, and ages are unknown."""
    query = filters.query(principal, page.after, page.limit)
    if not moment.is_live:
        return past.list_past(session, moment, query)
    rows, following = service.list_rows(session, query)
    last = "null" if following is None else f'"{following}"'
    return Response(f'{{"items":[{",".join(rows)}],"next":{last}}}', media_type="application/json")


@router.get("/inventory/totals")
def get_totals(session: SessionDep, principal: CanReadInventory, filters: FiltersDep) -> InventoryTotals:
    """What the whole list comes to under these filters."""
    return service.get_totals(session, filters.query(principal))


@router.get("/inventory/facets")
def list_facets(session: SessionDep, _: CanReadInventory) -> Facets:
    """What the list can be narrowed to, with the number of materials each would show."""
    return service.list_facets(session)


@router.get("/inventory/export.{form}", response_class=StreamingResponse)
def export_inventory(
    request: Request, principal: CanReadInventory, filters: FiltersDep, form: Literal["csv", "xlsx"]
) -> StreamingResponse:
    """The whole list as a file, streamed."""
    query = filters.query(principal)
    media = "text/csv; charset=utf-8" if form == "csv" else export.XLSX
    headers = {"content-disposition": f'attachment; filename="inventory.{form}"'}
    return StreamingResponse(_file(request, principal, form, query), media_type=media, headers=headers)


def _file(request: Request, principal: Principal, form: str, query: InventoryQuery) -> Iterator[Any]:
    """The request's session ends before its answer is sent; an export reads on one of its own. Every organisation whose
    rows may stand in the file learns of it."""
    rows = export.csv_of if form == "csv" else export.xlsx_of
    session: Session = request.app.state.new_session()
    with session:
        session.info["tenancy"] = principal.tenancy
        with session.begin():
            concerned = export.organisations_in(session, query.organisations)
            note(session, "inventory_exported", organisations=concerned, actor=principal, format=form)
            yield from rows(session, query)


@router.get("/inventory/changes", responses={200: {"content": {"text/event-stream": {}}}}, response_model=ChangePage)
async def list_changes(
    request: Request,
    principal: CanReadInventory,
    after: Annotated[int, Query(ge=0, le=2**62)] = 0,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
    last_id: Annotated[str | None, Header(alias="Last-Event-ID", max_length=40)] = None,
) -> Any:
    """Stock that changed since a cursor: a page of JSON, or, with `Accept: text/event-stream`, server-sent events that
    go on from `after` or `Last-Event-ID` and then stay live."""
    if "text/event-stream" not in request.headers.get("accept", ""):
        return await run_in_threadpool(_changes, request, principal, after, limit)
    resumed = last_event_id(last_id)
    start = resumed if resumed is not None else (after or None)
    return EventStream(_stock_events(request, start))


async def _stock_events(request: Request, after: int | None) -> AsyncIterator[Event]:
    broker: Broker = request.app.state.broker
    found = cast(AsyncGenerator[Event], broker.subscribe(lambda: _readable(request), after))
    async with aclosing(found) as events:
        async for event in events:
            if event.topic in TOPICS:
                yield event


def _readable(request: Request) -> Collection[UUID] | None:
    """Asked again while a stream runs: whoever signed out, whose token ended or who lost the scope hears no more."""
    session: Session = request.app.state.new_session()
    with session:
        caller = find_caller(request, session)
        session.commit()
    return caller.readable if caller and "inventory:read" in caller.scopes else None


def _changes(request: Request, principal: Principal, after: int, limit: int) -> ChangePage:
    session: Session = request.app.state.new_session()
    with session:
        session.info["tenancy"] = principal.tenancy
        with session.begin():
            return service.list_changes(session, after, limit)


@router.get("/inventory/overview")
def get_overview(session: SessionDep, _: CanReadInventory) -> Overview:
    """Figures of the group overview; at most 5 s old."""
    return service.get_overview(session)


@router.get("/holders")
def find_holders(
    session: SessionDep, _: CanReadInventory, q: Text, limit: Annotated[int, Query(ge=1, le=50)] = 5
) -> Found:
    """Who holds X: all organisations in one answer, by any plant's code, a name in either language, a part number."""
    return service.find_holders(session, q, limit)


@router.get("/search")
def search(
    session: SessionDep, _: CanReadInventory, q: Text, limit: Annotated[int, Query(ge=1, le=200)] = 20
) -> list[Hit]:
    """Golden materials that `q` names, best first."""
    return service.search(session, q, limit)


@router.get("/materials/{number}")
def get_material(session: SessionDep, _: CanReadInventory, number: Number, moment: MomentDep) -> Material:
    """A golden material with its sources side by side, why they are one, and who holds it."""
    return service.get_material(session, number, moment)


@router.get("/materials/{number}/holders")
def get_holders(session: SessionDep, _: CanReadInventory, number: Number, moment: MomentDep) -> Holders:
    """Who holds it, now or at another moment."""
    return service.get_holders(session, number, moment)


@router.get("/materials/{number}/positions")
def list_positions(
    session: SessionDep, _: CanReadInventory, number: Number, page: PagingDep, moment: MomentDep
) -> PositionPage:
    """Every position with its way back to the raw row."""
    return service.list_positions(session, number, page.after, page.limit, moment)


@router.get("/materials/{number}/movements")
def list_material_movements(session: SessionDep, _: CanReadInventory, number: Number, page: PagingDep) -> MovementPage:
    """Its movements, newest first."""
    return service.list_movements(session, MovementQuery(number=number, after=page.after, limit=page.limit))


@router.get("/materials/{number}/history")
def get_history(
    session: SessionDep,
    _: CanReadInventory,
    number: Number,
    moment: MomentDep,
    days: Annotated[int, Query(ge=1, le=3_660)] = 365,
) -> History:
    """Its stock over time, out of the facts."""
    return service.get_history(session, number, days, moment)


@dataclass(frozen=True)
class Wanted:
    """What narrows the movements; `since` and `until` bound their business time."""

    organisation: Annotated[list[Key] | None, Query(max_length=200)] = None
    kind: Annotated[list[Key] | None, Query(max_length=20)] = None
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None


@router.get("/movements")
def list_movements(
    session: SessionDep,
    _: CanReadInventory,
    page: PagingDep,
    wanted: Annotated[Wanted, gathered(Wanted)],
) -> MovementPage:
    """Movements of all organisations, newest first."""
    query = MovementQuery(
        organisations=tuple(wanted.organisation or ()),
        kinds=tuple(wanted.kind or ()),
        since=wanted.since,
        until=wanted.until,
        after=page.after,
        limit=page.limit,
    )
    return service.list_movements(session, query)


@router.get("/organisations/{organisation_id}/positions/{position_id}")
def get_trail(
    session: SessionDep, _: CanReadInventory, organisation_id: UUID, position_id: Annotated[int, Path(ge=1, le=2**62)]
) -> Trail:
    """From one number back to its source row: conversion, batch, agent, trace."""
    return service.get_trail(session, organisation_id, position_id)
