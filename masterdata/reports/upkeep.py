"""Reports as jobs of the worker: made in a process of their own, removed after their time."""

from __future__ import annotations

import time
from uuid import UUID

import structlog
from sqlalchemy import Engine, text

from hub.database import Tenancy, unit_of_work
from hub.housekeeping import organisations
from hub.settings import settings
from masterdata.lake import apart
from masterdata.reports import service

log = structlog.get_logger("reports")

FORGET = "masterdata.reports.forget"
# A file may be there a moment before its row says so.
SPARED_SECONDS = 86_400
_FORGET = text("""
    delete from report where organisation_id = :organisation
      and asked_at < clock_timestamp() - make_interval(days => :days)""")
_NAMED = text("select file from report")


def make(engine: Engine, organisation_id: str, report_id: str) -> None:
    """One that ended without a word, killed perhaps for want of memory, has failed."""
    apart.run("answer", organisation_id, report_id)
    mark_lost(engine, service.LOST, organisation_id, report_id)


def mark_lost(engine: Engine, error: str, organisation_id: str, report_id: str) -> None:
    acting = UUID(organisation_id)
    with unit_of_work(engine, Tenancy((acting,), acting)) as session:
        service.mark_lost(session, acting, UUID(report_id), error)


def forget(engine: Engine) -> int:
    """Remove reports older than HUB_REPORT_DAYS, and files that no report names; how many reports."""
    everyone, gone = organisations(engine), 0
    for organisation_id in everyone:
        with unit_of_work(engine, Tenancy((organisation_id,), organisation_id)) as session:
            values = {"organisation": organisation_id, "days": settings().report_days}
            gone += session.execute(_FORGET, values).rowcount  # type: ignore[attr-defined]
    with unit_of_work(engine, Tenancy(everyone)) as session:
        named = set(session.scalars(_NAMED))
    for path in service.folder().glob("*"):
        if path.name not in named and path.stat().st_mtime < time.time() - SPARED_SECONDS:
            path.unlink(missing_ok=True)
    log.info("reports_forgotten", reports=gone)
    return gone
