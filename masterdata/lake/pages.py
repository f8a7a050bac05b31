"""Pages of the lake: builds with what they found, feeds as they were measured, trends."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import FileResponse, RedirectResponse

from hub.formats import Speaker, speaker
from hub.paging import cut, decode
from identity.access import CanReadFeeds, CanReadInventory, CanRepairStock, CanStartBuilds, SessionDep
from masterdata.golden.pages import Cursor, shown
from masterdata.lake import documentation, grades, plots, repair, service, trends

router = APIRouter(include_in_schema=False)

SHOWN, FINDINGS = 30, 50
After = Annotated[UUID | None, Query()]


@router.get("/builds")
def builds_page(request: Request, session: SessionDep, me: CanReadFeeds, after: After = None) -> Response:
    found = service.list_builds(session, after, SHOWN + 1)
    return shown(
        request, session, me, "builds.html", builds=found[:SHOWN], alarm=service.get_alarm(session),
        following=found[SHOWN - 1].id if len(found) > SHOWN else None, is_waiting=service.is_waiting(session),
    )  # fmt: skip


@router.post("/builds")
def start_build(session: SessionDep, _: CanStartBuilds) -> Response:
    """A build as soon as a worker is free; one that waits already is enough."""
    service.request_build(session)
    return RedirectResponse("/builds", 303)


@router.get("/builds/models")
def documentation_page(_: CanReadFeeds) -> Response:
    """Models, columns, tests and lineage as dbt documents them, for anybody who may see builds."""
    return FileResponse(documentation.page(), headers=documentation.HEADERS)


@router.get("/builds/{build_id}")
def build_page(
    request: Request, session: SessionDep, me: CanReadFeeds, build_id: UUID, after: Cursor = None
) -> Response:
    detail = service.get_build(session, build_id)
    key = decode(after, (int,)) if after else (None,)
    rows = service.list_findings(session, build_id, key[0], FINDINGS + 1)
    findings, following = cut(rows, FINDINGS, lambda finding: (finding.id,))
    broken = {check.name for check in detail.checks if not check.is_kept}
    say = speaker(me.locale, me.zone)
    return shown(
        request, session, me, "build.html", detail=detail, build=detail.build, findings=findings, following=following,
        figure=lambda told: figure(told, say), picture=plots.models(say, broken),
    )  # fmt: skip


@router.post("/builds/{build_id}/repair")
def repair_build(session: SessionDep, by: CanRepairStock, build_id: UUID) -> Response:
    """Stock that differs, made anew from its facts."""
    done = repair.repair_build(session, build_id, str(by.id))
    return RedirectResponse(f"/builds/{build_id}?repaired={done.positions}#findings", 303)


def figure(told: str | None, say: Speaker) -> str:
    """A figure of a difference, which is kept as text."""
    try:
        return say.number(None if told is None else Decimal(told))
    except InvalidOperation:
        return str(told)


@router.get("/data-assets")
def data_assets_page(request: Request, session: SessionDep, me: CanReadFeeds) -> Response:
    return shown(
        request, session, me, "data-assets.html", assets=service.list_data_assets(session),
        current=service.current_build(session), rules=grades,
    )  # fmt: skip


@router.get("/trends")
def trends_page(request: Request, session: SessionDep, me: CanReadInventory) -> Response:
    found = trends.get_trends(session)
    return shown(
        request, session, me, "trends.html", trends=found, metrics=plots.metrics(found, speaker(me.locale, me.zone))
    )
