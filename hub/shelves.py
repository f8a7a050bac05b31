"""Which route answers a request: routes lie by the first word of their path, so that a request is held against a few of
them and not against all. Whatever no shelf answers (405, 404, a slash too many) goes the router's own way."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from fastapi import APIRouter
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.routing import Match
from starlette.types import Receive, Scope, Send


class Shelves:
    """Stands before a router that has all its routes."""

    def __init__(self, router: APIRouter) -> None:
        self._router = router
        self._lying: dict[str, list[Any]] = defaultdict(list)
        for route in iter_route_contexts(router.routes):
            if isinstance(route.original_route, APIRoute) and route.path is not None:
                self._lying[_word(route.path)].append((route.matches, route.app, route))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        for matches, app, route in self._lying.get(_word(scope["path"]), ()) if scope["type"] == "http" else ():
            match, found = matches(scope)
            if match is Match.FULL:
                scope.update(found, route=route, router=self._router)
                await app(scope, receive, send)
                return
        await self._router.app(scope, receive, send)


def _word(path: str) -> str:
    """The first word; of the API's addresses the one behind its version."""
    words = path.split("/", 3)
    return words[2] if len(words) > 2 and words[1] == "v1" else words[1] if len(words) > 1 else ""
