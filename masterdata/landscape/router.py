"""HTTP of the landscape: systems, feeds, places, limits of the gate."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query

from hub.paging import Page, PagingDep, cut
from hub.web import Router
from identity.access import CanReadFeeds, CanWriteSystems, SessionDep
from masterdata.landscape import service
from masterdata.landscape.schemas import Feed, LimitsPatch, Place, PlacePatch, System, SystemIn

router = Router(prefix="/v1", tags=["landscape"])

SystemKey = Annotated[str, Path(max_length=80)]


@router.get("/systems")
def list_systems(session: SessionDep, _: CanReadFeeds) -> list[System]:
    """Every source system with its feeds and agents."""
    return service.list_systems(session)


@router.post("/systems", status_code=201)
def register_system(given: SystemIn, session: SessionDep, _: CanWriteSystems) -> System:
    """Register a source system run by the organisation you act for."""
    service.register_system(session, given)
    return service.get_system(session, given.key)


@router.get("/systems/{key}")
def get_system(key: SystemKey, session: SessionDep, _: CanReadFeeds) -> System:
    """One source system."""
    return service.get_system(session, key)


@router.get("/systems/{key}/places")
def list_places(key: SystemKey, session: SessionDep, _: CanReadFeeds, paging: PagingDep) -> Page[Place]:
    """Places of a system, and how long nothing moved there."""
    service.get_system(session, key)
    after = paging.key((int,))
    found = service.list_places(session, key, after[0] if after else None, paging.limit + 1)
    items, following = cut(found, paging.limit, lambda place: (place.id,))
    return Page(items=list(items), next=following)


@router.patch("/systems/{key}/places/{place_id}")
def patch_place(
    key: SystemKey,
    place_id: Annotated[int, Path(ge=0, lt=2**63)],
    given: PlacePatch,
    session: SessionDep,
    _: CanWriteSystems,
) -> Place:
    """Promise that something moves at a place within a time, or take the promise back."""
    return service.set_place_sla(session, key, place_id, given.activity_sla_seconds)


@router.patch("/systems/{key}/coverages/{coverage}/limits")
def patch_limits(
    key: SystemKey,
    coverage: Annotated[str, Path(max_length=120)],
    given: LimitsPatch,
    session: SessionDep,
    _: CanWriteSystems,
) -> LimitsPatch:
    """Change what the gate lets pass for one coverage; the answer lists the coverage's own limits."""
    return LimitsPatch(limits=dict(service.set_limits(session, key, coverage, given.limits)))


@router.get("/feeds")
def list_feeds(
    session: SessionDep, _: CanReadFeeds, system: Annotated[str | None, Query(max_length=80)] = None
) -> list[Feed]:
    """Every feed with its age, state, delay and lag now."""
    return service.list_feeds(session, system)
