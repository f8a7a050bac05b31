"""The embedded PostgreSQL killed under load starts again, however many backends still complain about its end."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from hub.postgres import Server, embedded


@pytest.fixture
def own() -> Iterator[Server]:
    folder = Path(tempfile.mkdtemp(prefix="hub-test-"))
    folder.chmod(0o755)
    with embedded(folder, {"shared_buffers": "32MB"}) as server:
        yield server
    shutil.rmtree(folder, ignore_errors=True)


def test_a_killed_server_starts_again_while_its_backends_still_go_away(own: Server) -> None:
    busy = "select count(*) from generate_series(1, 100000000) a, generate_series(1, 100000000) b"
    backends = [psycopg.connect(own.dsn("postgres", "postgres"), autocommit=True) for _ in range(60)]
    for connection in backends:
        connection.pgconn.send_query(busy.encode() if connection is backends[0] else b"select pg_sleep(60)")
    killed = own.pid()
    assert killed
    os.kill(killed, signal.SIGKILL)
    assert own.process
    own.process.wait()
    own.ensure()
    assert own.pid() not in (None, killed)
    assert b"\0" not in own.log.read_bytes()
    for connection in backends:
        connection.close()
