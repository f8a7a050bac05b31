"""Recorded databases loaded into real servers: PostgreSQL from the session's embedded one, a private MariaDB."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hub.postgres import Server, tool

# What the AdventureWorks dump leans on that lies outside the two schemas it holds.
ADVENTUREWORKS_BEFORE = b"""
create domain public."Name" varchar(50); create domain public."Flag" boolean;
create domain public."AccountNumber" varchar(15);
create function public.uuid_generate_v1() returns uuid language sql as 'select gen_random_uuid()';
"""


def load_postgres(server: Server, name: str, dump: bytes, before: bytes = b"") -> str:
    """A database of this name out of a plain dump; its SQLAlchemy URL. What needs XML or absent schemas fails and is
    left out; the tests compare what they need to the row."""
    server.drop_database(name)
    url = server.create_database(name)
    command = [tool("psql"), "--no-psqlrc", "--quiet", url]
    subprocess.run(command, input=before + dump, capture_output=True, check=True)
    return url.replace("postgresql://", "postgresql+psycopg://")


@contextmanager
def mariadb(dump: bytes, database: str) -> Iterator[str]:
    """The SQLAlchemy URL of a private MariaDB that holds the dump, read by user hub with password hub-secret."""
    if not shutil.which("mariadbd"):
        pytest.skip("mariadbd is not installed")
    folder = Path(tempfile.mkdtemp(prefix="maria-"))
    install = ["mariadb-install-db", "--no-defaults", f"--datadir={folder}/data", "--user=root", "--skip-test-db"]
    subprocess.run(install, check=True, capture_output=True)
    run = ["mariadbd", "--no-defaults", f"--datadir={folder}/data", f"--socket={folder}/s", "--skip-networking"]
    process = subprocess.Popen([*run, "--user=root", f"--pid-file={folder}/pid"], stderr=subprocess.DEVNULL)
    try:
        client = ["mariadb", "--no-defaults", f"--socket={folder}/s", "--user=root", "--default-character-set=utf8mb4"]
        _wait(client)
        make = (
            f"create database {database} character set utf8mb4; create user hub@localhost identified by 'hub-secret';"
        )
        make += f"grant select on {database}.* to hub@localhost;"
        subprocess.run(client, input=make.encode(), check=True, capture_output=True)
        subprocess.run([*client, database], input=dump, check=True, capture_output=True)
        yield f"mysql+pymysql://hub:hub-secret@localhost/{database}?unix_socket={folder}/s&charset=utf8mb4"
    finally:
        process.terminate()
        process.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


def _wait(client: list[str]) -> None:
    deadline = time.monotonic() + 60
    while subprocess.run([*client, "-e", "select 1"], capture_output=True, check=False).returncode:
        assert time.monotonic() < deadline, "MariaDB did not start"
        time.sleep(0.2)
