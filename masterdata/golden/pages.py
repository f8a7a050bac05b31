"""Pages of stock: group overview, golden inventory, material, movements, search, and the way back of a number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import RedirectResponse

from hub.errors import Unprocessable
from hub.formats import Speaker, speaker
from hub.pages import render
from hub.web import gathered
from identity.access import CanReadInventory, Principal, SessionDep
from masterdata.directory import Directory, directory
from masterdata.golden import listing, plots, service
from masterdata.golden.records import MovementQuery
from masterdata.golden.schemas import InventoryQuery, Moment
from masterdata.lake import service as lake
from masterdata.reports import looking
from masterdata.reports import service as reports
from masterdata.words import STOCKS, TABLES, word

router = APIRouter(include_in_schema=False)

Number = Annotated[str, Path(max_length=40)]
Text = Annotated[str, Query(max_length=200)]
Cursor = Annotated[str | None, Query(max_length=2000)]
STATES = ("fresh", "late", "stale", "held", "unknown")
SORTS = ("value", "quantity", "holders", "name", "age", "number")


def shown(request: Request, session: SessionDep, me: Principal, template: str, **values: Any) -> Response:
    """A page with the words it speaks in: organisations, units, names of codes."""
    say, names = speaker(me.locale, me.zone), directory(session, me)
    return render(request, template, viewer=me, **_words(say, names), **values)


def _words(say: Speaker, names: Directory) -> dict[str, Any]:
    def org_options(counted: Sequence[tuple[str, int]] = ()) -> list[tuple[str, str]]:
        keys = [key for key, _ in counted] or [org.key for org in names.plants]
        return [(key, say.pick(names.orgs[key].name_zh, names.orgs[key].name_en)) for key in keys]

    return {
        "orgs": names.orgs,
        "plants": names.plants,
        "decimals": names.decimals,
        "unit": lambda code: names.unit(say, code),
        "word": lambda table, key: say.pick(*word(table, key)),
        "options": lambda table: [(key, say.pick(*pair)) for key, pair in TABLES[table].items()],
        "class_options": lambda counted: [(key, f"{key} ({number})") for key, number in counted],
        "org_options": org_options,
        "rows": lambda items, query="": listing.rows(items, say, names, query),
    }


@dataclass(frozen=True)
class Filters:
    """The list's filters as its address says them; every control of the page is one of these."""

    q: Text = ""
    org: Text = ""
    klass: Annotated[str, Query(alias="class", max_length=200)] = ""
    state: Text = ""
    status: Text = ""
    sort: Text = "value"
    dir: Text = "desc"
    as_of: Text = ""
    known_at: Text = ""
    after: Cursor = None

    @property
    def descending(self) -> bool:
        return self.dir != "asc"

    def query(self, language: str) -> InventoryQuery:
        return InventoryQuery(
            text=self.q.strip(),
            organisations=(self.org,) if self.org else (),
            classes=(self.klass,) if self.klass else (),
            states=(self.state,) if self.state in STATES else (),  # type: ignore[arg-type]
            status=self.status if self.status in STOCKS else None,  # type: ignore[arg-type]
            sort=self.sort if self.sort in SORTS else "value",  # type: ignore[arg-type]
            descending=self.descending,
            after=self.after,
            language="en" if language == "en" else "zh",
        )

    def address(self, **changes: str | None) -> str:
        fields: dict[str, str | None] = {"q": self.q, "org": self.org, "class": self.klass, "state": self.state}
        fields |= {"status": self.status, "sort": self.sort, "dir": self.dir}
        fields |= {"as_of": self.as_of, "known_at": self.known_at, **changes}
        return urlencode({k: v for k, v in fields.items() if v})

    def export(self, form: str) -> str:
        """The whole list under these filters as a file of the API."""
        fields = {"text": self.q, "organisation": self.org, "class_code": self.klass, "state": self.state}
        fields |= {"status": self.status, "sort": self.sort, "order": self.dir}
        return f"/v1/inventory/export.{form}?" + urlencode({k: v for k, v in fields.items() if v})

    def sorted_by(self, key: str) -> str:
        turned = "asc" if (self.sort == key and self.descending) or (self.sort != key and key == "name") else "desc"
        return "/inventory?" + self.address(sort=key, dir=turned)


FiltersDep = Annotated[Filters, gathered(Filters)]


@dataclass(frozen=True)
class Past:
    """Two time axes as a page's address says them, in the reader's zone: what was so, what we knew."""

    as_of: Text = ""
    known_at: Text = ""

    @property
    def query(self) -> str:
        return urlencode({k: v for k, v in (("as_of", self.as_of), ("known_at", self.known_at)) if v})

    def moment(self, say: Speaker) -> Moment:
        return Moment(_instant(self.as_of, say), _instant(self.known_at, say))


PastDep = Annotated[Past, gathered(Past)]


def _instant(text: str, say: Speaker) -> datetime | None:
    """A day means its end, as a stock at a day is what the day left."""
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise Unprocessable(f"'{text}' is no date. Write it as 2026-10-31 or 2026-10-31T14:30.") from None
    if len(text) == len("2026-10-31"):
        at += timedelta(days=1) - timedelta(seconds=1)
    return at if at.tzinfo else at.replace(tzinfo=say.clock)


@router.get("/")
def overview_page(request: Request, session: SessionDep, me: CanReadInventory) -> Response:
    found = service.get_overview(session)
    return shown(
        request, session, me, "overview.html", overview=found, kpis={kpi.key: kpi for kpi in found.kpis},
        systems=_systems(session), alarm=lake.get_alarm(session),
        chart=plots.value_by_organisation(found, speaker(me.locale, me.zone)),
    )  # fmt: skip


def _systems(session: SessionDep) -> list[Any]:
    from masterdata.landscape import service as landscape

    return [s for s in landscape.list_systems(session) if s.feeds]


@router.get("/inventory")
def inventory_page(
    request: Request, session: SessionDep, me: CanReadInventory, filters: FiltersDep, past: PastDep
) -> Response:
    query, moment = filters.query(me.locale), past.moment(speaker(me.locale, me.zone))
    common = {"filters": filters, "facets": service.list_facets(session), "months": reports.months(session)}
    if not moment.is_live:
        return shown(request, session, me, "inventory.html", **common, **looking.shown_past(session, moment, query))
    return shown(
        request, session, me, "inventory.html", **common, page=service.list_inventory(session, query),
        totals=service.get_totals(session, query),
    )  # fmt: skip


@router.get("/inventory/rows")
def inventory_rows(
    request: Request, session: SessionDep, me: CanReadInventory, filters: FiltersDep, past: PastDep
) -> Response:
    """More rows of the list, to be put below those shown."""
    query, moment = filters.query(me.locale), past.moment(speaker(me.locale, me.zone))
    if not moment.is_live:
        values = looking.shown_past(session, moment, query)
        return shown(request, session, me, "inventory-rows.html", filters=filters, **values)
    page = service.list_inventory(session, query)
    return shown(request, session, me, "inventory-rows.html", filters=filters, page=page)


@router.get("/materials/{number}")
def material_page(
    request: Request, session: SessionDep, me: CanReadInventory, number: Number, past: PastDep
) -> Response:
    say = speaker(me.locale, me.zone)
    moment = past.moment(say)
    material = service.get_material(session, number, moment)
    if material.merged_into:
        return RedirectResponse(f"/materials/{material.merged_into}", 303)
    decimals = directory(session, me).decimals(material.unit)
    return shown(
        request, session, me, "material.html", material=material, held=material.holders, past=moment, wanted=past,
        wanted_query=past.query,
        movements=service.list_movements(session, MovementQuery(number=number, limit=12)).items,
        chart=plots.history(session, number, moment, say, decimals), ageing=lake.get_ageing(session, number),
    )  # fmt: skip


@router.get("/materials/{number}/holders")
def holders_rows(
    request: Request, session: SessionDep, me: CanReadInventory, number: Number, past: PastDep
) -> Response:
    """Who holds it, as rows below the material's own in the list."""
    held = service.get_holders(session, number, past.moment(speaker(me.locale, me.zone)))
    return shown(request, session, me, "holders-rows.html", held=held, wanted_query=past.query)


@router.get("/materials/{number}/positions")
def positions_page(
    request: Request, session: SessionDep, me: CanReadInventory, number: Number, *,
    past: PastDep, after: Cursor = None,
) -> Response:  # fmt: skip
    moment = past.moment(speaker(me.locale, me.zone))
    page = service.list_positions(session, number, after, moment=moment)
    held = service.get_holders(session, number, moment)
    return shown(request, session, me, "positions.html", page=page, held=held, past=moment, wanted=past)


@router.get("/positions/{organisation}/{position_id}")
def trail_page(
    request: Request, session: SessionDep, me: CanReadInventory, organisation: UUID,
    position_id: Annotated[int, Path(ge=0, lt=2**63)],
) -> Response:  # fmt: skip
    return shown(request, session, me, "trail.html", trail=service.get_trail(session, organisation, position_id))


@dataclass(frozen=True)
class MovementFilters:
    number: Text = ""
    org: Text = ""
    kind: Text = ""
    after: Cursor = None

    def address(self, **changes: str | None) -> str:
        fields = {"number": self.number, "org": self.org, "kind": self.kind} | changes
        return urlencode({k: v for k, v in fields.items() if v})


MovementFiltersDep = Annotated[MovementFilters, gathered(MovementFilters)]


@router.get("/movements")
def movements_page(
    request: Request, session: SessionDep, me: CanReadInventory, filters: MovementFiltersDep
) -> Response:
    query = MovementQuery(
        number=filters.number or None,
        organisations=(filters.org,) if filters.org else (),
        kinds=(filters.kind,) if filters.kind else (),
        after=filters.after,
    )
    page = service.list_movements(session, query)
    return shown(request, session, me, "movements.html", filters=filters, page=page)


@router.get("/search")
def search_page(request: Request, session: SessionDep, me: CanReadInventory, q: Text = "") -> Response:
    hits = service.search(session, q.strip(), 50) if q.strip() else []
    return shown(request, session, me, "search.html", q=q.strip(), hits=hits)
