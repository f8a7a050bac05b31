"""Several HTTP processes behind one port: counted together, alive without each other, refused a port that is taken."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy.orm import Session

from hub import metrics
from hub.cli import serve
from hub.errors import Unavailable
from hub.settings import Settings, settings
from hub.supervisor import Supervisor
from tests.hub.test_care import until

COUNT = """
from hub import metrics
metrics.REQUESTS.labels("GET", "/x", "2xx").observe(0.01)
metrics.SUBSCRIBERS.inc()
"""


def test_metrics_of_processes_add_up_and_the_dead_have_no_listeners(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(metrics.FOLDER, str(tmp_path))
    for _ in range(2):
        subprocess.run([sys.executable, "-c", COUNT], check=True)
    shown = metrics.exposition(session).decode()
    assert 'hub_request_seconds_count{method="GET",path="/x",status="2xx"} 2.0' in shown
    assert "hub_event_subscribers 1.0" not in shown
    assert "hub_event_subscribers 2.0" not in shown


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::", "::1"])
def test_port_in_use_is_said(host: str) -> None:
    with serve._listen(Settings(host=host, port=0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Unavailable, match=f"Port {port} of .* cannot be used: Address already in use"):
            serve._listen(Settings(host=host, port=port))


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::", "::1"])
def test_the_hub_finds_itself_on_every_host(host: str) -> None:
    given = Settings(host=host, port=8470)
    with serve._listen(Settings(host=host, port=0)) as listening:
        url = httpx.URL(given.local)
        socket.create_connection((url.host, listening.getsockname()[1]), 5).close()


@pytest.fixture
def supervisor(committed_db: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Supervisor]:
    """Two HTTP processes and no worker."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    for name, value in {"HOME": tmp_path, "PORT": port, "API_PROCESSES": 2}.items():
        monkeypatch.setenv(f"HUB_{name}", str(value))
    settings.cache_clear()
    made = Supervisor(tmp_path / "logs")
    start = made.start
    monkeypatch.setattr(Supervisor, "start", lambda _, name, *rest: start(name, *rest) if name != "worker" else None)
    address = {"HUB_DATABASE_URL": committed_db.url, "HUB_APPLICATION_URL": committed_db.application_url}
    try:
        serve.start(made, address, lambda *_: None)
        yield made
    finally:
        made.end()
        settings.cache_clear()


def is_ready() -> bool:
    return httpx.get(f"{settings().local}/readyz", timeout=30).status_code == httpx.codes.OK


def test_callers_who_came_all_at_once_and_left_hold_nobody_up(supervisor: Supervisor) -> None:
    """As those do who ask a machine under load whether it is ready, and ask again when no answer came in time."""
    for _ in range(120):
        with socket.create_connection(("127.0.0.1", settings().port)) as caller:
            caller.sendall(b"GET /readyz HTTP/1.1\r\nHost: hub\r\n\r\n")
    began = time.monotonic()
    assert is_ready()
    assert time.monotonic() - began < 15


def test_killed_http_process_is_started_again_while_the_other_answers(supervisor: Supervisor) -> None:
    log = settings().home / "logs" / "api-2.jsonl"
    assert until(lambda: log.exists() and "api_started" in log.read_text(), 60)
    first, _ = supervisor.children
    assert first.process
    killed = first.process.pid
    os.kill(killed, signal.SIGKILL)
    assert until(lambda: not first.is_alive)
    assert all(is_ready() for _ in range(10))
    assert until(lambda: bool(supervisor.revive() or (first.is_alive and first.process.pid != killed)))  # type: ignore[func-returns-value]
    assert all(is_ready() for _ in range(10))
