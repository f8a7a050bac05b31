"""The supervisor: one owner, found by others, back after a kill, unprivileged."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from hub.postgres import Server, start


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that the server's account can enter, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="hub-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def own(place: Path) -> Iterator[Server]:
    server = start(place, {"shared_buffers": "16MB", "fsync": "off"})
    yield server
    server.stop()


def count(server: Server) -> int:
    with server.connect("hub", "hub") as connection:
        row = connection.execute("select count(*) from kept").fetchone()
    assert row
    return int(row[0])


def test_killed_server_comes_back_with_every_committed_row(own: Server) -> None:
    with server_table(own) as connection:
        connection.execute("insert into kept select generate_series(1, 1000)")
    pid = own.pid()
    assert pid
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while not own.ensure() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert own.pid() != pid
    assert count(own) == 1000
    assert own.ensure() is False


def server_table(server: Server) -> psycopg.Connection[Any]:
    connection = server.connect("hub", "hub")
    connection.execute("create table kept (n int)")
    return connection


def test_second_start_finds_the_running_one_and_does_not_stop_it(own: Server, place: Path) -> None:
    other = start(place)
    assert (own.owned, other.owned) == (True, False)
    assert other.dsn() == own.dsn()
    other.stop()
    with own.connect() as connection:
        assert connection.execute("select 1").fetchone() == (1,)


def test_stopped_server_starts_again_with_its_data(own: Server, place: Path) -> None:
    server_table(own).close()
    own.stop()
    assert own.pid() is None
    again = start(place)
    try:
        assert count(again) == 0
    finally:
        again.stop()


def test_server_ends_with_a_killed_owner(place: Path) -> None:
    code = "import sys, time; from pathlib import Path; from hub.postgres import start\n"
    code += "s = start(Path(sys.argv[1])); print(s.pid(), flush=True); time.sleep(60)"
    owner = subprocess.Popen([sys.executable, "-c", code, str(place)], stdout=subprocess.PIPE, text=True)
    assert owner.stdout
    pid = int(owner.stdout.readline())
    owner.kill()
    owner.communicate()
    deadline = time.monotonic() + 10
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not alive(pid)


def alive(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


def test_roles_are_no_superusers(own: Server) -> None:
    with own.connect() as connection:
        rows = connection.execute("select rolname, rolsuper, rolbypassrls from pg_roles where rolname like 'hub%'")
        assert sorted(rows.fetchall()) == [("hub", False, False), ("hub_app", False, False)]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root needs another account")
def test_as_root_the_server_runs_unprivileged(own: Server) -> None:
    assert Path(f"/proc/{own.pid()}").stat().st_uid == pwd.getpwnam("nobody").pw_uid
