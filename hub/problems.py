"""Every error as RFC 9457 problem details, or as a page where a browser asked for one."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from psycopg.errors import InsufficientPrivilege
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.exc import DataError, IntegrityError, OperationalError, ProgrammingError
from starlette.exceptions import HTTPException

from hub.errors import HubError
from hub.trace import trace_id

log = structlog.get_logger("hub")
MEDIA_TYPE = "application/problem+json"


class FieldError(BaseModel):
    where: str = Field(description="path to the value, e.g. body.lines.3.quantity")
    message: str


class Problem(BaseModel):
    """RFC 9457. `detail` says what happened and what to do; `trace_id` finds it in the logs."""

    model_config = ConfigDict(extra="allow")

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    trace_id: str = ""
    errors: list[FieldError] | None = None


def problem(
    request: Request, status: int, title: str, detail: str, *, headers: Mapping[str, str] | None = None, **extra: Any
) -> Response:
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, "trace_id": trace_id()} | extra
    page = getattr(request.app.state, "error_page", None)
    if page is not None and (answer := page(request, status, body)) is not None:
        return _with_headers(answer, headers)
    return JSONResponse(body, status, headers=headers, media_type=MEDIA_TYPE)


def _with_headers(answer: Response, headers: Mapping[str, str] | None) -> Response:
    answer.headers.update(headers or {})
    return answer


async def _hub_error(request: Request, error: HubError) -> Response:
    headers = dict(getattr(error, "headers", {}))
    if error.status == HTTPStatus.UNAUTHORIZED:
        headers.setdefault("WWW-Authenticate", "Bearer")
    return problem(request, error.status, error.title, error.detail, headers=headers, **error.extra)


async def _invalid(request: Request, error: RequestValidationError) -> Response:
    errors = [{"where": ".".join(map(str, one["loc"])), "message": one["msg"]} for one in error.errors()]
    wrong = "; ".join(f"{one['where']}: {one['message']}" for one in errors[:3])
    more = f" and {len(errors) - 3} more" if len(errors) > 3 else ""
    return problem(request, 422, "Cannot be processed", f"The request does not fit: {wrong}{more}.", errors=errors)


async def http_problem(request: Request, error: HTTPException) -> Response:
    if error.status_code < 400:
        return Response(status_code=error.status_code, headers=error.headers)
    title = HTTPStatus(error.status_code).phrase
    detail = error.detail if error.detail != title else _plain(request, error.status_code)
    return problem(request, error.status_code, title, detail, headers=error.headers)


def _plain(request: Request, status: int) -> str:
    if status == HTTPStatus.NOT_FOUND:
        return f"There is nothing at {request.url.path}. The reference of all addresses is /openapi.json."
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        return f"{request.method} is not possible on {request.url.path}."
    return HTTPStatus(status).description or HTTPStatus(status).phrase


async def _integrity(request: Request, error: IntegrityError) -> Response:
    """A race between two writers, or a rule that only the database sees; the constraint's name tells which."""
    constraint = getattr(getattr(error.orig, "diag", None), "constraint_name", None) or "a constraint"
    log.warning("integrity_violated", constraint=constraint, path=request.url.path)
    return problem(request, 409, "Conflict", f"This contradicts what is stored ({constraint}). Reload and try again.")


async def _refused(request: Request, error: ProgrammingError) -> Response:
    """Row security refused a write that the code let through: nothing happened, and the log says where to look."""
    if not isinstance(error.orig, InsufficientPrivilege):
        log.error("statement_failed", exc_info=error, path=request.url.path)
        return unexpected(request)
    log.error("row_security_refused", error=str(error.orig), path=request.url.path)
    return problem(request, 403, "Not allowed", "This belongs to an organisation you cannot write for.")


async def _data(request: Request, error: DataError) -> Response:
    log.warning("data_refused", error=str(error.orig), path=request.url.path)
    return problem(request, 422, "Cannot be processed", "A value is outside what can be stored.")


async def _database_away(request: Request, error: OperationalError) -> Response:
    log.error("database_away", error=str(error.orig), path=request.url.path)
    detail = "The database does not answer. Nothing was changed; try again in a few seconds."
    return problem(request, 503, "Not available now", detail, headers={"Retry-After": "2"})


def unexpected(request: Request) -> Response:
    """The answer to a defect; the middleware has logged it with its traceback."""
    detail = f"Something unexpected happened. Tell your administrator this trace id: {trace_id()}"
    return problem(request, 500, "Internal error", detail)


HANDLERS: dict[type[Exception], Any] = {
    HubError: _hub_error,
    RequestValidationError: _invalid,
    HTTPException: http_problem,
    ProgrammingError: _refused,
    IntegrityError: _integrity,
    DataError: _data,
    OperationalError: _database_away,
}


def install(app: FastAPI) -> None:
    for kind, handler in HANDLERS.items():
        app.add_exception_handler(kind, handler)
