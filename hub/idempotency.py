"""Idempotency-Key on writes: the first answer is stored in the write's own transaction and given again to repetitions.

`IdempotentRoute` (every router's, see hub.web) notes the key and stores the answer; `begin` is called by `authorize`,
which knows who is asking. An error is not stored: its transaction is rolled back, the key with it."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from fastapi import Request, Response
from fastapi.routing import APIRoute
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from hub.errors import Conflict, Unprocessable
from hub.models import IdempotencyKey

HEADER = "idempotency-key"
KEY_MAX = 200
BODY_MAX = 1 << 20
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
KEPT_HEADERS = ("content-type", "location", "etag")


@dataclass(slots=True)
class Claim:
    """The key of the running request, and its row once `begin` has made it."""

    key: str
    sha256: str
    session: Session | None = None
    row: IdempotencyKey | None = None


class Replay(Exception):
    """Not an error: the answer that was given the first time."""

    def __init__(self, row: IdempotencyKey) -> None:
        super().__init__(row.key)
        headers = {**(row.headers or {}), "idempotent-replayed": "true"}
        self.answer = Response(row.body or b"", row.status or 200, headers=headers)


class IdempotentRoute(APIRoute):
    def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:  # type: ignore[override]
        answer = super().get_route_handler()

        async def handle(request: Request) -> Response:
            claim = await _claim(request)
            if claim is None:
                return await answer(request)
            try:
                response = await answer(request)
            except Replay as replay:
                return replay.answer
            _store(claim, response)
            return response

        return handle


async def _claim(request: Request) -> Claim | None:
    key = request.headers.get(HEADER)
    if key is None or request.method in SAFE:
        return None
    if not 0 < len(key) <= KEY_MAX:
        raise Unprocessable(f"Idempotency-Key must have 1 to {KEY_MAX} characters.")
    if int(request.headers.get("content-length") or 0) > BODY_MAX:
        raise Unprocessable("Idempotency-Key is for bodies up to 1 MiB; uploads are idempotent by their own id.")
    digest = hashlib.sha256(f"{request.method} {request.url.path}?{request.url.query}\n".encode())
    digest.update(await request.body())
    claim = Claim(key, digest.hexdigest())
    request.state.idempotency = claim
    return claim


def is_claimed(request: Request) -> bool:
    """The request names a key."""
    return getattr(request.state, "idempotency", None) is not None


def begin(request: Request, session: Session, principal: str, organisation_id: UUID | None) -> None:
    """Claim the request's key for this caller, or raise Replay with the first answer. A concurrent repetition waits
    here until the first is committed. Raises Unprocessable when the key was used for another request."""
    claim: Claim | None = getattr(request.state, "idempotency", None)
    if claim is None or organisation_id is None:
        return
    identity: dict[str, Any] = {"organisation_id": organisation_id, "principal": principal, "key": claim.key}
    made = session.execute(
        insert(IdempotencyKey)
        .values(**identity, request_sha256=claim.sha256)
        .on_conflict_do_nothing()
        .returning(IdempotencyKey.key)
    ).one_or_none()
    row = session.scalars(select(IdempotencyKey).filter_by(**identity)).one()
    if made is not None:
        claim.session, claim.row = session, row
        return
    if row.request_sha256 != claim.sha256:
        raise Unprocessable("This Idempotency-Key was used for another request. Use a new key for each request.")
    if row.status is None:
        raise Conflict("The first request with this Idempotency-Key is still being answered. Try again.")
    raise Replay(row)


def _store(claim: Claim, response: Response) -> None:
    """Part of the write's transaction, which commits after the route has answered."""
    if claim.row is None or claim.session is None:
        return
    claim.row.status = response.status_code
    claim.row.body = bytes(getattr(response, "body", b""))
    claim.row.headers = {name: response.headers[name] for name in KEPT_HEADERS if name in response.headers}
    claim.session.flush()
