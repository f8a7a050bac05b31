"""Pages of the landscape: systems and feeds, and one system with its places."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Path, Request, Response
from fastapi.responses import RedirectResponse

from hub.errors import Unprocessable
from identity.access import CanReadFeeds, CanWriteSystems, SessionDep
from masterdata.golden.pages import shown
from masterdata.landscape import service

router = APIRouter(include_in_schema=False)

SystemKey = Annotated[str, Path(max_length=80)]
UNITS = {"h": 3600, "d": 86400}
MOST_PLACES = 500


@router.get("/systems")
def systems_page(request: Request, session: SessionDep, me: CanReadFeeds) -> Response:
    return shown(request, session, me, "systems.html", systems=service.list_systems(session))


@router.get("/systems/{key}")
def system_page(request: Request, session: SessionDep, me: CanReadFeeds, key: SystemKey) -> Response:
    system = service.get_system(session, key)
    places = service.list_places(session, key, limit=MOST_PLACES)
    return shown(request, session, me, "system.html", system=system, places=places)


@router.post("/systems/{key}/places/{place_id}")
def promise_activity(
    session: SessionDep, _: CanWriteSystems, key: SystemKey, place_id: Annotated[int, Path(ge=0, lt=2**63)],
    amount: Annotated[str, Form(max_length=6)] = "", unit: Annotated[str, Form(max_length=1)] = "h",
) -> Response:  # fmt: skip
    """After how long without any movement a place is late; an empty amount takes the promise back."""
    if amount and (not amount.isascii() or not amount.isdigit() or unit not in UNITS or not 0 < int(amount) < 10_000):
        raise Unprocessable(f"'{amount}' is no number of hours or days between 1 and 9999.")
    service.set_place_sla(session, key, place_id, int(amount) * UNITS[unit] if amount else None)
    return RedirectResponse(f"/systems/{key}#places", 303)
