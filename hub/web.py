"""What every router needs of the running application: its router class, its session, one transaction per request."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator
from typing import Annotated, Any

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Depends
from sqlalchemy.orm import Session
from starlette.requests import HTTPConnection

from hub.database import NOBODY
from hub.idempotency import IdempotentRoute


class Router(APIRouter):
    """FastAPI's router; its writes honour Idempotency-Key."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"route_class": IdempotentRoute} | options)


# Whoever holds a connection ends in threads of their own, so that they never wait for those who wait for a connection.
_ENDING = CapacityLimiter(40)
_TURN = "turn"


async def get_session(request: HTTPConnection) -> AsyncIterator[Session]:
    """The request's transaction. It acts for nobody until `authorize` binds the caller's tenancy with set_tenancy."""
    session: Session = request.app.state.new_session()
    session.info["tenancy"] = NOBODY
    try:
        yield session
        if session.in_transaction():
            await to_thread.run_sync(session.commit, limiter=_ENDING)
    finally:
        if session.in_transaction():
            await to_thread.run_sync(session.close, limiter=_ENDING)
        if session.info.pop(_TURN, False):
            request.app.state.turns.release()


async def take_turn(request: HTTPConnection, session: Session) -> None:
    """Before the first statement of a request that keeps its connection: waits until the process has room for it. The
    turn ends with the session."""
    if _TURN in session.info:
        return
    await request.app.state.turns.acquire()
    session.info[_TURN] = True


# scope="function": it commits before the answer is sent, so that a failing commit is never answered with success.
SessionDep = Annotated[Session, Depends(get_session, scope="function")]


async def _in_turn(request: HTTPConnection, session: SessionDep) -> Session:
    await take_turn(request, session)
    return session


# Of a route that nobody signs in for: no authentication takes its turn.
OpenSessionDep = Annotated[Session, Depends(_in_turn, scope="function")]


def gathered(kind: type) -> Any:
    """The dependency that fills a dataclass out of the request. FastAPI would build it in a thread of its own; there is
    nothing to wait for."""

    async def make(**values: Any) -> Any:
        return kind(**values)

    make.__signature__ = inspect.signature(kind, eval_str=True)  # type: ignore[attr-defined]
    return Depends(make)
