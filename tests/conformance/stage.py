"""The hub as a stage for its peers: PostgreSQL, the application on a free port and a worker, in one process. It says in
one line of JSON who is there, and ends when its standard input does. Run by the hub's own Python."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import sys
import tempfile
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI
from sqlalchemy import Engine, update

from hub import app as door
from hub import logs, migrate, postgres, worker
from hub.cache import Cache
from hub.database import NOBODY, make_engine, unit_of_work
from hub.settings import settings
from identity.federation import oidc
from identity.oauth import endpoints, grants, keys
from identity.oauth.models import SigningKey
from tests.conformance.seed import seed

# The stage ends with its folder: what the kernel has taken is safe.
CONF = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "shared_buffers": "128MB"}
# A second is long enough for two tabs here, and a peer need not wait out what a person would.
GRACE_SECONDS, DEVICE_WAIT, KEYS_WAIT = 1, 1, 1


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="hub-conformance-"))
    folder.chmod(0o755)
    try:
        with postgres.embedded(folder / "postgres", CONF) as server:
            listening = _configure(folder, server)
            migrate.upgrade(server.dsn())
            engine = make_engine(server.dsn(user=postgres.APPLICATION))
            told = seed(make_engine(server.dsn(), 1), engine)
            _serve(listening, engine)
            sys.stdout.write(json.dumps({"issuer": settings().address} | told) + "\n")
            sys.stdout.flush()
            sys.stdin.read()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _configure(folder: Path, server: postgres.Server) -> socket.socket:
    listening = socket.create_server(("127.0.0.1", 0))
    os.environ |= {
        "HUB_HOME": str(folder / "home"),
        "HUB_PORT": str(listening.getsockname()[1]),
        "HUB_DATABASE_URL": server.dsn(),
        "HUB_APPLICATION_URL": server.dsn(user=postgres.APPLICATION),
        "HUB_OUTGOING_NETWORKS": "127.0.0.0/8",
    }
    settings.cache_clear()
    logs.configure(None, 1)
    grants.GRACE_SECONDS, endpoints.DEVICE_WAIT = GRACE_SECONDS, DEVICE_WAIT
    oidc._asked_anew = Cache(KEYS_WAIT)
    worker.PERIODIC = ()
    worker.expectations.warm = lambda: None
    return listening


def _serve(listening: socket.socket, engine: Engine) -> None:
    """Both end with the process."""
    config = uvicorn.Config(_made(engine), log_config=None, access_log=False)
    queue = worker.run(settings().application_url.get_secret_value(), install_signal_handlers=False)
    for run in (lambda: uvicorn.Server(config).run([listening]), lambda: asyncio.run(queue)):
        threading.Thread(target=run, daemon=True).start()
    httpx.get(f"{settings().address}/readyz", timeout=30).raise_for_status()


def _made(engine: Engine) -> FastAPI:
    """The application, and what the peers cannot do from outside."""
    made = door.create_app()

    @made.post("/stage/rotate")
    def rotate() -> dict[str, Any]:
        """A new key that signs at once."""
        with unit_of_work(engine, NOBODY) as session:
            kid = keys.rotate(session)
            session.execute(update(SigningKey).where(SigningKey.kid == kid).values(active_at=datetime.now(UTC)))
        keys._known.clear()
        return {"kid": kid}

    return made


if __name__ == "__main__":
    main()
