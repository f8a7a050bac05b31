"""What every router needs of the running application: its router class, its session, one transaction per request."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from sqlalchemy.orm import Session
from starlette.requests import HTTPConnection

from hub.database import NOBODY
from hub.idempotency import IdempotentRoute


class Router(APIRouter):
    """FastAPI's router; its writes honour Idempotency-Key."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"route_class": IdempotentRoute} | options)


def get_session(request: HTTPConnection) -> Iterator[Session]:
    """The request's transaction. It acts for nobody until `authorize` binds the caller's tenancy with set_tenancy."""
    session: Session = request.app.state.new_session()
    with session:
        session.info["tenancy"] = NOBODY
        with session.begin():
            yield session


# scope="function": it commits before the answer is sent, so that a failing commit is never answered with success.
SessionDep = Annotated[Session, Depends(get_session, scope="function")]
