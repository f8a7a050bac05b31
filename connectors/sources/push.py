"""The agent's own HTTP door for systems that push: an event is answered 202 once it is on disk, and forgotten here
once the runner's cursor has passed it."""

from __future__ import annotations

import hmac
import json
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from connectors.sources.base import Abort, Page, Retry
from connectors.sources.checks import require_columns, required

BODY_BYTES_MAX = 8 << 20
PAGE_ROWS = 5_000
KEPT = timedelta(days=30)
STARTED_WITHIN_SECONDS = 10.0


class PushSource:
    """`connection`: `listen` (address:port), `secret`, `state` (a folder). `arrived` is set when events have come in;
    `port` is the bound one. The server starts with the first read or `start()` and ends with `close()`."""

    def __init__(self, connection: Mapping[str, Any]) -> None:
        self._secret = str(required(connection, "secret", "push"))
        host, _, port = str(required(connection, "listen", "push")).rpartition(":")
        if not port.isdigit():
            raise Abort("The connection's `listen` is not address:port, such as 127.0.0.1:8090.")
        self._host, self.port, self.arrived = host or "127.0.0.1", int(port), threading.Event()
        self._store = EventStore(Path(str(required(connection, "state", "push"))) / "push.sqlite")
        self._server: uvicorn.Server | None = None
        self._starting = threading.Lock()

    def start(self) -> None:
        """Bind and serve in a thread of its own. Abort where the address is taken."""
        with self._starting:
            if self._server is None:
                self._serve()

    def _serve(self) -> None:
        app = Starlette(routes=[Route("/events", self._take, methods=["POST"])])
        config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off")
        try:
            listening = socket.create_server((self._host, self.port))
        except OSError:
            raise Abort(f"Address {self._host}:{self.port} is taken or not ours: choose another `listen`.") from None
        self.port = listening.getsockname()[1]
        server = self._server = uvicorn.Server(config)
        threading.Thread(target=server.run, kwargs={"sockets": [listening]}, name="push", daemon=True).start()
        deadline = time.monotonic() + STARTED_WITHIN_SECONDS
        while not server.started:
            if time.monotonic() > deadline:
                raise Retry(f"The push endpoint on port {self.port} did not start.")
            time.sleep(0.005)

    def close(self) -> None:
        if self._server is not None:
            self._server.should_exit = True
        self._store.close()

    def read(self, table: Mapping[str, Any], since: str | None) -> Iterator[Page]:
        self.start()
        columns = [*map(str, required(table, "columns", "the table"))]
        own = [c for c in columns if c not in {"_seq", "_received_at"}]
        header = [*own, "_seq", "_received_at"]
        require_columns(table, header, "what is pushed")
        observed_at, after = datetime.now(UTC), 0
        if since is not None:
            after = int(since) - 1
            self._store.forget(int(since), table.get("match", {}))
        yield Page(header, [], observed_at)
        while events := self._store.after(after):
            after = events[-1][0]
            rows = [_row(event, own) for event in events]
            wanted = [
                row for row, event in zip(rows, events, strict=True) if _matches(event[2], table.get("match", {}))
            ]
            yield Page(header, wanted, observed_at)

    async def _take(self, request: Request) -> JSONResponse:
        given = request.headers.get("x-push-secret", "")
        if not hmac.compare_digest(given.encode(), self._secret.encode()):
            return JSONResponse({"error": "The header X-Push-Secret is missing or wrong."}, 401)
        body = await request.body()
        if len(body) > BODY_BYTES_MAX:
            return JSONResponse({"error": f"At most {BODY_BYTES_MAX} bytes a call: send the lines in parts."}, 413)
        lines, problem = _lines(body)
        if problem:
            return JSONResponse({"error": problem}, 400)
        try:
            await run_in_threadpool(self._store.keep, lines)
        except sqlite3.Error as error:
            return JSONResponse({"error": f"The agent cannot store events now ({error}): send again."}, 503)
        self.arrived.set()
        return JSONResponse({"accepted": len(lines)}, 202)


class EventStore:
    """Arrived events in one SQLite file, in order of arrival; a commit returns after the bytes are on disk."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        try:
            self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            self._db.execute("pragma journal_mode = wal")
            self._db.execute("pragma synchronous = full")
            self._db.execute(
                "create table if not exists event"
                " (seq integer primary key autoincrement, at text not null, body text not null)"
            )
        except sqlite3.Error as error:
            raise Abort(f"The agent's state file {path} cannot be used: {error}.") from None

    def keep(self, lines: list[str]) -> None:
        at = datetime.now(UTC).isoformat()
        with self._lock:
            self._db.execute("begin immediate")
            try:
                self._db.executemany("insert into event (at, body) values (?, ?)", [(at, line) for line in lines])
                self._db.execute("commit")
            except sqlite3.Error:
                self._db.execute("rollback")
                raise

    def after(self, seq: int) -> list[tuple[int, str, dict[str, Any]]]:
        query = "select seq, at, body from event where seq > ? order by seq limit ?"
        with self._lock:
            try:
                found = self._db.execute(query, (seq, PAGE_ROWS)).fetchall()
            except sqlite3.Error as error:
                raise Retry(f"The agent's store of pushed events does not answer: {error}.") from None
        return [(row[0], row[1], _parsed(row[2])) for row in found]

    def forget(self, before: int, match: Mapping[str, Any]) -> None:
        """Drop this table's events before the cursor, and those no table has asked for in a month."""
        old = (datetime.now(UTC) - KEPT).isoformat()
        with self._lock:
            try:
                found = self._db.execute("select seq, body, at from event where seq < ?", (before,)).fetchall()
                done = [(seq,) for seq, body, at in found if at < old or _matches(_parsed(body), match)]
                self._db.execute("begin immediate")
                self._db.executemany("delete from event where seq = ?", done)
                self._db.execute("commit")
            except sqlite3.Error as error:
                raise Retry(f"The agent's store of pushed events does not answer: {error}.") from None

    def close(self) -> None:
        with self._lock:
            self._db.close()


def _lines(body: bytes) -> tuple[list[str], str | None]:
    """The non-empty lines, and what is wrong with the first bad one."""
    lines = []
    for number, raw in enumerate(body.split(b"\n"), 1):
        if not raw.strip():
            continue
        try:
            line = raw.decode("utf-8").strip()
            if not isinstance(_parsed(line), dict):
                return [], f"Line {number} is no JSON object; nothing of this call was taken."
        except ValueError:
            return [], f"Line {number} is no JSON in UTF-8; nothing of this call was taken."
        lines.append(line)
    return lines, None if lines else "No event in the body."


def _parsed(line: str) -> Any:
    return json.loads(line, parse_float=Decimal, parse_int=Decimal)


def _row(event: tuple[int, str, dict[str, Any]], columns: list[str]) -> tuple[Any, ...]:
    seq, at, body = event
    return (*(body.get(name) for name in columns), seq, at)


def _matches(body: Mapping[str, Any], match: Mapping[str, Any]) -> bool:
    return all(body.get(name) in values for name, values in match.items())
