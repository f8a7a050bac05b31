"""Errors that people and programs see: what happened, with an HTTP status; rendered as RFC 9457 problem details."""

from __future__ import annotations

from typing import Any


class HubError(Exception):
    """`title` names the kind of problem, the message what happened and what to do; `extra` are further members."""

    status = 500
    title = "Internal error"

    def __init__(self, detail: str, **extra: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.extra = extra


class Unauthenticated(HubError):
    status, title = 401, "Not signed in"


class Forbidden(HubError):
    status, title = 403, "Not allowed"


class NotFound(HubError):
    status, title = 404, "Not found"


class Conflict(HubError):
    status, title = 409, "Conflict"


class TooLarge(HubError):
    status, title = 413, "Too large"


class Unprocessable(HubError):
    status, title = 422, "Cannot be processed"


class TooManyRequests(HubError):
    status, title = 429, "Too many requests"


class Unavailable(HubError):
    status, title = 503, "Not available now"
