"""Door: the HTTP application. It wires routers, errors, pages and what lives as long as the process; no more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from secrets import compare_digest
from typing import Any
from uuid import UUID

import structlog
from anyio import to_thread
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel
from sqlalchemy import text
from sqlalchemy.orm import sessionmaker

from hub import metrics, pages, problems
from hub.database import IN_WRITTEN_ORDER, Tenancy, make_engine, set_tenancy
from hub.errors import Forbidden
from hub.middleware import Around
from hub.outbox import Broker
from hub.reference import describe
from hub.settings import Settings, settings
from hub.shelves import Shelves
from hub.store import application_url
from hub.web import OpenSessionDep, Router
from identity.audit.notes import INFO, Notes
from masterdata.directory import frame_of

log = structlog.get_logger("hub.app")

BODY_MAX = 16 << 20
# Requests a process works on at once. More would wait for the interpreter and for the database's processors instead of
# for their turn, and all of them would be late.
AT_ONCE = 4
ROUTERS = (
    "masterdata.intake.router",
    "identity.router",
    "identity.pages",
    "masterdata.landscape.router",
    "masterdata.ledger.router",
    "masterdata.materials.router",
    "masterdata.golden.router",
    "masterdata.lake.router",
    "masterdata.reports.router",
    "masterdata.disclosure.router",
    "masterdata.router",
    "masterdata.pages",
)

operation = Router(tags=["operation"])


class Health(BaseModel):
    status: str


class Readiness(BaseModel):
    """What a load balancer asks. `schema_revision` differs from `expected` while an upgrade runs."""

    status: str
    schema_revision: str | None
    expected: str | None


@operation.get("/healthz")
def healthz() -> Health:
    """The process answers."""
    return Health(status="ok")


@operation.get("/readyz", responses={503: {"model": Readiness, "description": "the database or its schema is away"}})
def readyz(session: OpenSessionDep) -> Any:
    """The database answers and has this version's schema."""
    revision = session.execute(text("select version_num from alembic_version")).scalar()
    ready = revision == expected_schema()
    answer = Readiness(status="ready" if ready else "migrating", schema_revision=revision, expected=expected_schema())
    return answer if ready else JSONResponse(answer.model_dump(), 503)


@operation.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
def read_metrics(request: Request, session: OpenSessionDep) -> Response:
    """Prometheus metrics: for this machine, or with the bearer token HUB_METRICS_TOKEN."""
    if not _may_scrape(request, settings()):
        raise Forbidden("Metrics are for this machine. From elsewhere, set HUB_METRICS_TOKEN and send it as bearer.")
    everyone: list[UUID] = session.execute(text("select all_organisations()")).scalar_one()
    set_tenancy(session, Tenancy(readable=tuple(everyone)))
    return Response(metrics.exposition(session), media_type="text/plain; version=0.0.4; charset=utf-8")


@cache
def expected_schema() -> str | None:
    """Asked once; the migration library is not loaded before."""
    from hub import migrate

    return migrate.head()


def _may_scrape(request: Request, configured: Settings) -> bool:
    given = request.headers.get("authorization", "").removeprefix("Bearer ")
    if configured.metrics_token is not None:
        return compare_digest(given.encode(), configured.metrics_token.get_secret_value().encode())
    local = request.client is not None and request.client.host in ("127.0.0.1", "::1")
    return local and "x-forwarded-for" not in request.headers


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """What lives as long as the process: the engine, the writer of audit notes and the outbox broker."""
    url = application_url(settings())
    to_thread.current_default_thread_limiter().total_tokens = AT_ONCE
    engine = make_engine(url, pool_size=2 * AT_ONCE, options=IN_WRITTEN_ORDER)
    notes = Notes(engine)
    app.state.new_session = sessionmaker(engine, expire_on_commit=False, info={INFO: notes})
    app.state.broker = Broker(url)
    await app.state.broker.start()
    log.info("api_started", address=settings().address)
    yield
    await app.state.broker.stop()
    await to_thread.run_sync(notes.stop)
    engine.dispose()


def create_app() -> FastAPI:
    """The application without its lifetime's resources: `app.state.new_session` makes a request's session."""
    app = FastAPI(
        title="Group Hub",
        summary="Every legacy stock system of a group in one golden inventory view",
        version="1",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=_operation_id,
    )
    app.state.broker = Broker()
    app.state.turns = asyncio.Semaphore(AT_ONCE)
    app.state.error_page = _error_page
    app.add_middleware(Around, body_max=BODY_MAX)
    problems.install(app)
    for router in routers():
        app.include_router(router)
    pages.mount(app, frame_of)
    app.router.middleware_stack = Shelves(app.router)
    app.openapi = lambda: describe(app)  # type: ignore[method-assign]
    return app


def routers() -> list[Any]:
    """The routers of every package."""
    return [operation, *(import_module(name).router for name in ROUTERS if find_spec(name) is not None)]


def _operation_id(route: APIRoute) -> str:
    return route.name


def _error_page(request: Request, status: int, problem: dict[str, Any]) -> Response | None:
    return pages.error_page(request, status, problem) if pages.wants_page(request) else None
