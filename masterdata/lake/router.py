"""HTTP of the lake: builds and what they found, feeds as measured, trends, the age of a material's stock."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Query

from hub.paging import Page, PagingDep, cut
from hub.web import Router
from identity.access import CanReadFeeds, CanReadInventory, CanRepairStock, SessionDep
from masterdata.golden.router import Number
from masterdata.lake import repair, service, trends
from masterdata.lake.schemas import Ageing, Build, BuildDetail, DataAsset, Finding, Trends
from masterdata.ledger.repair import Repaired

router = Router(prefix="/v1", tags=["lake"])


@router.get("/builds")
def list_builds(session: SessionDep, _: CanReadFeeds, paging: PagingDep) -> Page[Build]:
    """Builds of the marts, newest first."""
    after = paging.key((UUID,))
    found = service.list_builds(session, after[0] if after else None, paging.limit + 1)
    items, following = cut(found, paging.limit, lambda build: (build.id,))
    return Page(items=list(items), next=following)


@router.get("/builds/{build_id}")
def get_build(session: SessionDep, _: CanReadFeeds, build_id: UUID) -> BuildDetail:
    """One build with its steps, checks and snapshots."""
    return service.get_build(session, build_id)


@router.get("/builds/{build_id}/findings")
def list_findings(session: SessionDep, _: CanReadFeeds, build_id: UUID, paging: PagingDep) -> Page[Finding]:
    """Rows that a check refused and figures that lake and live view tell differently, as far as you may see them."""
    after = paging.key((int,))
    found = service.list_findings(session, build_id, after[0] if after else None, paging.limit + 1)
    items, following = cut(found, paging.limit, lambda finding: (finding.id,))
    return Page(items=list(items), next=following)


@router.post("/builds/{build_id}/repair")
def repair_build(session: SessionDep, by: CanRepairStock, build_id: UUID) -> Repaired:
    """Make stock that differs from the lake anew from the ledger's facts, as far as you may see it. The next build
    compares again."""
    return repair.repair_build(session, build_id, str(by.id))


@router.get("/data-assets")
def list_data_assets(session: SessionDep, _: CanReadFeeds) -> list[DataAsset]:
    """Every feed with its measured pace, delay and completeness, and a grade with its reasons; the worst first."""
    return service.list_data_assets(session)


@router.get("/trends")
def get_trends(
    session: SessionDep, _: CanReadInventory, months: Annotated[int, Query(ge=1, le=120)] = trends.MONTHS
) -> Trends:
    """Days of inventory, turnover and duplicate share by month."""
    return trends.get_trends(session, months)


@router.get("/materials/{number}/ageing")
def get_ageing(session: SessionDep, _: CanReadInventory, number: Number) -> Ageing:
    """Age, cover, excess and dormancy of a material's stock per holder, as of the current build."""
    return service.get_ageing(session, number)
