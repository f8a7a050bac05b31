"""A hub of memory: the wire protocol as the agent sees it, keeping what it got. `faults` are answers given first."""

from __future__ import annotations

import hashlib
import io
import threading
import time
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import uvicorn
from joserfc import jwt
from joserfc.jwk import OKPKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

CODE = "one-time"


@dataclass
class FakeHub:
    headers: dict[str, dict[str, Any]] = field(default_factory=dict)
    bodies: dict[str, bytes] = field(default_factory=dict)
    landed: list[str] = field(default_factory=list)
    events: dict[str, dict[str, Any]] = field(default_factory=dict)
    health: list[dict[str, Any]] = field(default_factory=list)
    faults: list[int] = field(default_factory=list)
    keys: dict[str, OKPKey] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)

    def app(self) -> Starlette:
        routes = [
            Route("/v1/agents/enrol", self._enrol, methods=["POST"]),
            Route("/v1/agents/self/health", self._guarded(self._health), methods=["POST"]),
            Route("/v1/agents/self/batches", self._guarded(self._known), methods=["GET"]),
            Route("/v1/batches/{id}", self._guarded(self._announce), methods=["PUT"]),
            Route("/v1/batches/{id}/body", self._guarded(self._chunk), methods=["PATCH"]),
            Route("/v1/events", self._guarded(self._events), methods=["POST"]),
        ]
        return Starlette(routes=routes)

    def _guarded(self, handler: Any) -> Any:
        async def guarded(request: Request) -> Response:
            self.calls.append(f"{request.method} {request.url.path}")
            token = request.headers.get("authorization", "").removeprefix("Bearer ")
            claims = jwt.decode(token, lambda obj: self.keys[obj.headers()["kid"]], algorithms=["Ed25519"]).claims
            assert claims["aud"] == "group-hub" and claims["exp"] - claims["iat"] <= 300
            if self.faults and "health" not in request.url.path:
                status = self.faults.pop(0)
                return JSONResponse({"title": "Fault", "detail": f"planned {status}"}, status)
            return await handler(request)

        return guarded

    async def _enrol(self, request: Request) -> Response:
        body = await request.json()
        if body["code"] != CODE:
            return JSONResponse({"title": "Unknown code", "detail": "ask for a new one"}, 404)
        self.keys["agent-1"] = OKPKey.import_key(body["public_key"])
        return JSONResponse({"agent_id": "agent-1", "systems": [{"system": "u8", "organisations": ["qingyu"]}]})

    async def _health(self, request: Request) -> Response:
        self.health.append(await request.json())
        return Response(status_code=204)

    async def _known(self, request: Request) -> Response:
        ids = [i for i in self.landed if self.headers[i]["system"] == request.query_params["system"]]
        return JSONResponse({"batches": [{"batch_id": i} for i in ids], "next": None})

    async def _announce(self, request: Request) -> Response:
        batch, header = request.path_params["id"], await request.json()
        if self.headers.setdefault(batch, header) != header:
            return JSONResponse({"title": "Other header"}, 409)
        state = "landed" if batch in self.landed else "announced"
        return JSONResponse({"state": state, "upload_offset": len(self.bodies.setdefault(batch, b""))})

    async def _chunk(self, request: Request) -> Response:
        batch = request.path_params["id"]
        have = self.bodies[batch]
        if int(request.headers["upload-offset"]) != len(have):
            return JSONResponse({"title": "Wrong offset"}, 409, {"Upload-Offset": str(len(have))})
        self.bodies[batch] = have + await request.body()
        if request.headers["upload-complete"] != "?1":
            return Response(status_code=204, headers={"Upload-Offset": str(len(self.bodies[batch]))})
        if hashlib.sha256(self.bodies[batch]).hexdigest() != self.headers[batch]["sha256"]:
            self.bodies[batch] = b""
            return JSONResponse({"title": "Digest differs"}, 422, {"Upload-Offset": "0"})
        self.landed.append(batch)
        return JSONResponse({"state": "landed"}, 202)

    async def _events(self, request: Request) -> Response:
        body = await request.json()
        assert 1 <= len(body["lines"]) <= 512
        self.events.setdefault(body["batch_id"], body)
        return JSONResponse({"batch_id": body["batch_id"], "rows_in": len(body["lines"])})

    def tables(self, stream: str) -> list[tuple[dict[str, Any], pa.Table]]:
        """Header and rows of every landed batch of a stream, in order of arrival."""
        mine = [i for i in self.landed if self.headers[i]["stream"] == stream]
        return [(self.headers[i], pq.read_table(io.BytesIO(self.bodies[i]))) for i in mine]


class Running:
    """The fake hub behind a real socket."""

    def __init__(self, hub: FakeHub, port: int = 0) -> None:
        config = uvicorn.Config(hub.app(), host="127.0.0.1", port=port, log_config=None, lifespan="off")
        socket = config.bind_socket()
        self.port, self._server = socket.getsockname()[1], uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [socket]}, daemon=True)
        self._thread.start()
        while not self._server.started:
            time.sleep(0.005)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join()
