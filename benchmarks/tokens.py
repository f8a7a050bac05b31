"""The token endpoint: refresh tokens rotated at 100 a second, and as fast as sixteen callers can; beside it, in turns,
npm oidc-provider (certified) on PostgreSQL, two processes each, on the same server with fsync on. Both rotate
durably and sign a JWT access token and an ID token for every answer."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import psycopg.conninfo

from benchmarks.harness import Deployment, deployment, milliseconds
from benchmarks.wire import Wire
from hub.columns import new_id
from identity.secrets import digest, new_token

RATE = 100
SECONDS = float(os.environ.get("HUB_BENCH_SECONDS", "20"))
FAMILIES, CALLERS, ROUNDS = 600, 16, 3
P95_MS = 50.0
CLIENT, SECRET = "bench", "bench-secret-bench-secret-bench-secret"
ROOT = Path(__file__).parent.parent
PEER = ROOT / "tests" / "conformance" / "node" / "throughput.mjs"
NODE = ROOT / ".venv-conformance" / "bin" / "node"

_CLIENT = """
    insert into oauth_client (id, organisation_id, client_id, name, application_type, token_endpoint_auth_method,
                              redirect_uris, post_logout_redirect_uris, grant_types, scopes, is_trusted)
    values (%(id)s, %(org)s, %(name)s, 'bench', 'web', 'client_secret_basic', '{https://bench.example/cb}', '{}',
            '{authorization_code,refresh_token}', '{openid,offline_access,inventory:read}', true)"""
_PROOF = """
    insert into oauth_client_secret (id, organisation_id, client_id, secret_hash) values (%s, %s, %s, %s)"""
_GRANT = """
    insert into oauth_grant (id, organisation_id, client_id, person_id, scopes, is_offline, authenticated_at, amr,
                             expires_at)
    select %(id)s, %(org)s, %(client)s, p.id, '{openid,offline_access,inventory:read}', true, now(), '{pwd}',
           now() + interval '1 day'
    from person p where p.email = 'planner@bench.example'"""
_FIRST = "insert into oauth_refresh_token (token_hash, grant_id, expires_at) values (%s, %s, now() + interval '1 day')"


@dataclass(slots=True)
class Target:
    """A token endpoint and the families that refresh there; each waits in `tokens` between its turns."""

    address: str
    path: str
    tokens: asyncio.Queue[str]

    def wire(self) -> Wire:
        parts = urlsplit(self.address)
        return Wire(str(parts.hostname), int(parts.port or 80))

    async def refresh(self, wire: Wire) -> None:
        token = await self.tokens.get()
        body = urlencode({"grant_type": "refresh_token", "refresh_token": token}).encode()
        basic = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        headers = {"authorization": f"Basic {basic}", "content-type": "application/x-www-form-urlencoded"}
        status, answer = await wire.request("POST", self.path, headers, body)
        said = json.loads(answer)
        if status != 200 or said["refresh_token"] == token or "id_token" not in said:
            raise RuntimeError(f"{self.address}{self.path} answered {status}: {answer[:300]!r}")
        self.tokens.put_nowait(said["refresh_token"])


def run() -> dict[str, Any]:
    with deployment() as hub, _peer(hub) as (peer_address, peer_tokens):
        ours, theirs = asyncio.run(_measure(hub.address, _seed(hub), peer_address, peer_tokens))
    fastest, peer = max(ours["per_s"]), max(theirs["per_s"])
    return {
        "metrics": {
            "p95_ms": milliseconds(ours["steady"], 0.95),
            "p50_ms": milliseconds(ours["steady"], 0.5),
            "ratio_to_peer": round(fastest / peer, 2),
            "per_s": round(fastest),
            "rate_per_s": RATE,
            "refreshes": len(ours["steady"]),
        },
        "peer": {
            "name": "npm oidc-provider on PostgreSQL",
            "p95_ms": milliseconds(theirs["steady"], 0.95),
            "per_s": round(peer),
        },
        "limit": {"name": "the token endpoint", "p95_ms": P95_MS, "ratio_to_peer": 1.0},
    }


def _seed(hub: Deployment) -> list[str]:
    """A client and FAMILIES grants with a refresh token each."""
    client, tokens = new_id(), [new_token() for _ in range(FAMILIES)]
    with hub.owner() as owner:
        owner.execute(_CLIENT, {"id": client, "org": hub.root, "name": CLIENT})
        owner.execute(_PROOF, [new_id(), hub.root, client, digest(SECRET)])
        for token in tokens:
            grant = new_id()
            owner.execute(_GRANT, {"id": grant, "org": hub.root, "client": client})
            owner.execute(_FIRST, [digest(token), grant])
        owner.execute("vacuum analyze")
    return tokens


@contextmanager
def _peer(hub: Deployment) -> Iterator[tuple[str, list[str]]]:
    """The peer's processes on a database of their own; ends with the block."""
    known = psycopg.conninfo.conninfo_to_dict(hub.server.create_database("peer"))
    database = {"host": known["host"], "user": known["user"], "database": known["dbname"]}
    given = {"database": database, "families": FAMILIES, "client": CLIENT, "secret": SECRET}
    command = [str(NODE), str(PEER), json.dumps(given)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            # It prints notices of its own before.
            line = next((line for line in process.stdout or () if line.startswith("{")), "")
            if not line:
                raise RuntimeError("The peer did not start; `make setup-conformance` installs it.")
            said = json.loads(line)
            yield said["address"], said["tokens"]
        finally:
            process.terminate()


async def _measure(
    address: str, tokens: list[str], peer_address: str, peer_tokens: list[str]
) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """In turns, so that what else the machine does meets both alike."""
    targets = [_target(address, "/oauth/token", tokens), _target(peer_address, "/token", peer_tokens)]
    taken: list[dict[str, list[float]]] = [{"steady": [], "per_s": []} for _ in targets]
    for target in targets:
        await _fast(target, 2)
    for _ in range(ROUNDS):
        for target, into in zip(targets, taken, strict=True):
            into["steady"] += await _steady(target, SECONDS / ROUNDS)
            into["per_s"].append(await _fast(target, SECONDS / ROUNDS))
    return taken[0], taken[1]


def _target(address: str, path: str, tokens: list[str]) -> Target:
    queue: asyncio.Queue[str] = asyncio.Queue()
    for token in tokens:
        queue.put_nowait(token)
    return Target(address, path, queue)


async def _steady(target: Target, seconds: float) -> list[float]:
    """Seconds from when each was due, at RATE a second whatever the answers take."""
    free: asyncio.Queue[Wire] = asyncio.Queue()
    for _ in range(2 * CALLERS):
        free.put_nowait(target.wire())
    taken: list[float] = []
    began = time.perf_counter()

    async def one(due: float) -> None:
        wire = await free.get()
        await target.refresh(wire)
        taken.append(time.perf_counter() - due)
        free.put_nowait(wire)

    async with asyncio.TaskGroup() as group:
        for number in range(int(RATE * seconds)):
            due = began + number / RATE
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            group.create_task(one(due))
    while not free.empty():
        free.get_nowait().close()
    return taken


async def _fast(target: Target, seconds: float) -> float:
    """Refreshes a second of CALLERS who never wait."""
    ends, count = time.perf_counter() + seconds, 0

    async def caller() -> None:
        nonlocal count
        wire = target.wire()
        while time.perf_counter() < ends:
            await target.refresh(wire)
            count += 1
        wire.close()

    began = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    return count / (time.perf_counter() - began)
