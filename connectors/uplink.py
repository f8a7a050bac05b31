"""The agent's side of the wire: enrol, upload batches resumably, post events, report health."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import httpx
import pyarrow.parquet as pq

from connectors.contract import EVENT_LINES_MAX, utc_text
from connectors.identity import Identity
from connectors.spool import Spooled

CHUNK = 8 * 1024 * 1024
TIMEOUT = httpx.Timeout(60, connect=5)
_EVENT_STREAMS = frozenset({"stock_movements", "stock_positions"})
_EVENT_FIELDS = {"batch_id", "system", "organisation", "coverage", "stream", "counts", "observed_at", "traceparent"}
_EVENT_FIELDS |= {"mapping", "sla_seconds"}
_BACKOFF_FIRST, _BACKOFF_MAX = 0.5, 60.0


class Unavailable(Exception):
    """The hub cannot take it now; `after` is its own wish in seconds."""

    def __init__(self, message: str, after: float | None = None) -> None:
        super().__init__(message)
        self.after = after


class Refused(Exception):
    """The hub will not take it as it is; the text says why."""


class Unauthorised(Unavailable):
    """The hub does not know this agent, or the clocks differ: the fault is not in a batch, so none is parked."""


@dataclass(frozen=True)
class _Answer:
    status: int
    headers: httpx.Headers
    body: Any


def backoff(attempt: int, after: float | None = None) -> float:
    """Seconds to wait before attempt number `attempt` (from 1): exponential with full jitter, or what the hub asks."""
    if after is not None:
        return min(after, 600.0)
    return random.uniform(0.1, min(_BACKOFF_MAX, _BACKOFF_FIRST * 2 ** min(attempt, 10)))  # noqa: S311


class Uplink:
    """One hub. `identity` is None only for enrolling. May be used by several threads."""

    def __init__(self, hub: str, identity: Identity | None, transport: httpx.BaseTransport | None = None) -> None:
        self._identity = identity
        self._client = httpx.Client(base_url=hub.rstrip("/"), timeout=TIMEOUT, transport=transport)

    def close(self) -> None:
        self._client.close()

    def enrol(self, code: str, public_key: dict[str, Any], name: str) -> dict[str, Any]:
        """Trade a one-time code for an agent id and its systems."""
        answer = self._call("POST", "/v1/agents/enrol", json={"code": code, "public_key": public_key, "name": name})
        return self._said(answer, "agent_id")

    def send(self, batch: Spooled) -> None:
        """Deliver one batch. Returns when the hub has it durably; raises Unavailable or Refused."""
        header = batch.header
        if header.sync == "event" and header.stream in _EVENT_STREAMS and 0 < header.rows <= EVENT_LINES_MAX:
            self._post_events(batch)
        else:
            self._upload(batch)

    def health(self, report: dict[str, Any]) -> None:
        self._call("POST", "/v1/agents/self/health", json=report)

    def known_batches(self, system: str) -> set[str]:
        """Ids of all batches the hub has of a system, page by page."""
        known: set[str] = set()
        after = ""
        while True:
            path = f"/v1/agents/self/batches?system={quote(system)}" + (f"&after={quote(after)}" if after else "")
            body = self._said(self._call("GET", path), "batches")
            ids = [str(b["batch_id"]) for b in body["batches"]]
            known.update(ids)
            after = body.get("next") or ""
            if not after or not ids:
                return known

    def _upload(self, batch: Spooled) -> None:
        url = f"/v1/batches/{batch.header.batch_id}"
        answer = self._call("PUT", url, json=batch.header.model_dump(mode="json"), trace=batch.header.traceparent)
        body = self._said(answer, "state")
        if body["state"] != "announced":
            return
        self._send_body(batch, f"{url}/body", int(body.get("upload_offset") or 0))

    def _send_body(self, batch: Spooled, url: str, offset: int) -> None:
        """Chunks from `offset` on; where the hub is elsewhere, it says so and we go on from there."""
        restarts = 0
        with batch.path.open("rb") as file:
            while True:
                file.seek(offset)
                chunk = file.read(CHUNK)
                answer = self._chunk(url, batch, offset, chunk)
                if answer.status == 202:
                    return
                restarts += answer.status in {409, 422}
                if restarts > 3:
                    raise Refused(_words(answer))
                offset = self._next_offset(answer, offset)

    def _next_offset(self, answer: _Answer, offset: int) -> int:
        if answer.status == 422:
            return 0
        there = answer.headers.get("upload-offset", str(offset))
        if not there.isdigit() or (answer.status != 409 and int(there) <= offset):
            raise self._stranger(answer)
        return int(there)

    def _chunk(self, url: str, batch: Spooled, offset: int, chunk: bytes) -> _Answer:
        headers = {
            "Upload-Offset": str(offset),
            "Upload-Complete": "?1" if offset + len(chunk) >= batch.header.size else "?0",
            "Content-Type": "application/partial-upload",
        }
        return self._call(
            "PATCH", url, content=chunk, headers=headers, trace=batch.header.traceparent, accept=(409, 422)
        )

    def _post_events(self, batch: Spooled) -> None:
        header = batch.header
        lines = [_line(row) for row in pq.read_table(batch.path).to_pylist()]
        fields = header.model_dump(mode="json", include=_EVENT_FIELDS)
        content = json.dumps({**fields, "lines": lines}, ensure_ascii=False).encode()
        answer = self._call(
            "POST",
            "/v1/events",
            content=content,
            headers={"Content-Type": "application/json"},
            trace=header.traceparent,
        )
        if self._said(answer, "batch_id")["batch_id"] != str(header.batch_id):
            raise self._stranger(answer)

    def _call(
        self,
        method: str,
        url: str,
        *,
        json: Any = None,
        content: bytes | None = None,
        headers: dict[str, str] | None = None,
        trace: str = "",
        accept: tuple[int, ...] = (),
    ) -> _Answer:
        sent = dict(headers or {})
        if trace:
            sent["traceparent"] = trace
        if self._identity:
            sent["Authorization"] = f"Bearer {self._identity.token()}"
        try:
            response = self._client.request(method, url, json=json, content=content, headers=sent)
        except httpx.HTTPError as error:
            raise Unavailable(
                f"the hub does not answer at {self._client.base_url}: {error or type(error).__name__}"
            ) from None
        answer = _Answer(response.status_code, response.headers, _body(response))
        if response.is_success or response.status_code in accept:
            return answer
        raise self._failure(answer)

    def _failure(self, answer: _Answer) -> Exception:
        if answer.status == 401:
            if self._identity:
                self._identity.forget_token()
            return Unauthorised(f"{_words(answer)}; enrol the agent again, or set its clock", after=30.0)
        if answer.status in {408, 425, 429} or answer.status >= 500:
            wish = answer.headers.get("retry-after", "")
            return Unavailable(_words(answer), float(wish) if wish.isdigit() else None)
        return Refused(_words(answer)) if answer.status >= 400 else self._stranger(answer)

    def _said(self, answer: _Answer, field: str) -> dict[str, Any]:
        """The answer's JSON object, which must have `field`: a proxy or a portal may answer 200 in the hub's place."""
        if not isinstance(answer.body, dict) or field not in answer.body:
            raise self._stranger(answer)
        return answer.body

    def _stranger(self, answer: _Answer) -> Unavailable:
        return Unavailable(f"what answers {answer.status} at {self._client.base_url} is not the hub")


def _body(response: httpx.Response) -> Any:
    try:
        return response.json() if response.content else None
    except ValueError:
        return None


def _words(answer: _Answer) -> str:
    """An RFC 9457 problem as one sentence."""
    problem = answer.body if isinstance(answer.body, dict) else {}
    said = [str(problem[k]) for k in ("title", "detail") if problem.get(k)]
    return f"the hub answers {answer.status}" + (f": {' — '.join(said)}" if said else "")


def _line(row: dict[str, Any]) -> dict[str, Any]:
    """An event line: contract fields without the empty ones, decimals as text, the raw row as the source gave it."""
    line = {k: _json(v) for k, v in row.items() if v is not None and k not in {"_row", "_raw"}}
    return {**line, "_raw": json.loads(row["_raw"], parse_float=str) if row["_raw"] else {}}


def _json(value: Any) -> Any:
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    if isinstance(value, datetime):
        return utc_text(value)
    return value if isinstance(value, bool | str) else str(value)
