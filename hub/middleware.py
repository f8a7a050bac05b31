"""Around every request: its trace and id, security headers, the limit of its body, its line in the log, its metrics."""

from __future__ import annotations

import re
import time
from urllib.parse import parse_qsl

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hub import metrics
from hub.problems import http_problem, unexpected
from hub.trace import come_from, continue_trace

log = structlog.get_logger("hub.request")


def content_security(form_action: str = "") -> str:
    """The policy of every page; the forms of some lead, in the end, to another site."""
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self' data:",
            "font-src 'self'",
            "connect-src 'self'",
            "manifest-src 'self'",
            f"form-action 'self' {form_action}".rstrip(),
            "base-uri 'none'",
            "frame-ancestors 'none'",
        )
    )


SECURITY = {
    "content-security-policy": content_security(),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}
HSTS = "max-age=31536000"
QUIET = ("/healthz", "/readyz", "/metrics", "/static/")
_ID = re.compile(r"[\w.-]{1,64}")


class Around:
    """Pure ASGI, so that streams pass through unbuffered."""

    def __init__(self, app: ASGIApp, *, body_max: int) -> None:
        self.app = app
        self.body_max = body_max

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        traceparent = continue_trace(headers.get("traceparent"))
        come_from((scope.get("client") or ("",))[0])
        given = headers.get("x-request-id", "")
        request_id = given if _ID.fullmatch(given) else traceparent[36:52]
        answer = _Answer(scope, send, {"x-request-id": request_id, "traceparent": traceparent})
        structlog.contextvars.bind_contextvars(request_id=request_id)
        began = time.perf_counter()
        try:
            if _declared(headers) > self.body_max:
                raise _too_large(self.body_max)
            await self.app(scope, _Body(receive, self.body_max).receive, answer.send)
        except HTTPException as error:
            # Only a body declared too large comes this far: it is refused before there are handlers of errors.
            if answer.started:
                raise
            await (await http_problem(Request(scope), error))(scope, receive, answer.send)
        # Whatever it is, the caller gets a problem with its request's id, and the log says which.
        except Exception:
            log.exception("request_failed", method=scope["method"], path=scope["path"])
            if answer.started:
                raise
            await unexpected(Request(scope))(scope, receive, answer.send)
        finally:
            self._tell(scope, answer.status, time.perf_counter() - began)
            structlog.contextvars.unbind_contextvars("request_id")

    def _tell(self, scope: Scope, status: int, seconds: float) -> None:
        path = _template(scope)
        metrics.REQUESTS.labels(scope["method"], path, f"{status // 100}xx").observe(seconds)
        if not scope["path"].startswith(QUIET):
            log.info(
                "request_answered",
                method=scope["method"],
                path=scope["path"],
                query=[name for name, _ in parse_qsl(scope["query_string"].decode("latin-1"))],
                status=status,
                ms=round(seconds * 1000, 1),
            )


class _Body:
    """Counts what comes, as a body in chunks declares no length."""

    def __init__(self, receive: Receive, most: int) -> None:
        self._receive, self._most, self._came = receive, most, 0

    async def receive(self) -> Message:
        message = await self._receive()
        self._came += len(message.get("body", b""))
        if self._came > self._most:
            raise _too_large(self._most)
        return message


def _too_large(most: int) -> HTTPException:
    return HTTPException(413, f"The body is larger than {most >> 20} MiB. Send it in parts.")


class _Answer:
    def __init__(self, scope: Scope, send: Send, ids: dict[str, str]) -> None:
        self._scope, self._send, self._ids = scope, send, ids
        self.status = 500
        self.started = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status, self.started = message["status"], True
            headers = MutableHeaders(scope=message)
            for name, value in (SECURITY | self._ids).items():
                headers.setdefault(name, value)
            if self._scope["scheme"] == "https":
                headers.setdefault("strict-transport-security", HSTS)
            if not self._scope["path"].startswith("/static/"):
                headers.setdefault("cache-control", "no-store")
        await self._send(message)


def _declared(headers: Headers) -> int:
    length = headers.get("content-length", "")
    return int(length) if length.isascii() and length.isdigit() else 0


def _template(scope: Scope) -> str:
    """The route's pattern, so that ids do not multiply the metrics; one name for everything unknown."""
    route = scope.get("route")
    return str(getattr(route, "path", None) or ("/static" if scope["path"].startswith("/static/") else "unmatched"))
