"""What every router needs of the running application: its router class, its session, one transaction per request."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection

from hub.database import NOBODY
from hub.idempotency import IdempotentRoute


class Router(APIRouter):
    """FastAPI's router; its writes honour Idempotency-Key."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"route_class": IdempotentRoute} | options)


async def get_session(request: HTTPConnection) -> AsyncIterator[Session]:
    """The request's transaction. It acts for nobody until `authorize` binds the caller's tenancy with set_tenancy."""
    session: Session = request.app.state.new_session()
    session.info["tenancy"] = NOBODY
    try:
        yield session
        if session.in_transaction():
            await run_in_threadpool(session.commit)
    finally:
        if session.in_transaction():
            await run_in_threadpool(session.close)


# scope="function": it commits before the answer is sent, so that a failing commit is never answered with success.
SessionDep = Annotated[Session, Depends(get_session, scope="function")]
