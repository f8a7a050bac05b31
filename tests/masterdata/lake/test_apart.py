"""Commands in a process of their own: their end is told, and they end with the worker that began them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from masterdata.lake import apart

WORKER = "from masterdata.lake import apart\nif __name__ == '__main__':\n    apart.run('build')"


@pytest.mark.parametrize(("arguments", "code"), [(("lake", "--help"), 0), (("lake", "nothing"), 2)])
def test_the_end_of_a_command_is_told(arguments: tuple[str, ...], code: int) -> None:
    with capture_logs() as said:
        assert apart.run(*arguments) == code
    assert [line["code"] for line in said] == ([code] if code else [])


def test_a_command_sees_the_environment_of_now(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(60)
        monkeypatch.setenv("HUB_DATABASE_URL", f"postgresql+psycopg://hub@127.0.0.1:{server.getsockname()[1]}/hub")
        monkeypatch.setenv("HUB_APPLICATION_URL", os.environ["HUB_DATABASE_URL"])
        with _worker(tmp_path) as worker:
            connection, _ = server.accept()
            with connection:
                connection.settimeout(20)
                assert connection.recv(1), "the command asks the database that the environment names"
                worker.send_signal(signal.SIGKILL)
                while connection.recv(1_024):
                    pass


def _worker(folder: Path) -> subprocess.Popen[bytes]:
    (folder / "worker.py").write_text(WORKER)
    root = str(Path(apart.__file__).parents[2])
    return subprocess.Popen([sys.executable, folder / "worker.py"], env={**os.environ, "PYTHONPATH": root})
