"""Keeping processes alive, backups that are whole, a doctor that finds what is broken, logs without secrets."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from hub import backups, diagnosis, logs
from hub.columns import new_id
from hub.database import Tenancy, unit_of_work
from hub.errors import Conflict, NotFound, Unavailable
from hub.settings import Settings
from hub.store import Store
from hub.supervisor import Supervisor

GROUP = UUID("00000000-0000-7000-8000-000000000001")


def until(met: Callable[[], bool], seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while not met() and time.monotonic() < deadline:
        time.sleep(0.02)
    return met()


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    made = Supervisor(tmp_path)
    yield made
    made.end()


def test_killed_child_is_started_again_and_ended_with_the_rest(supervisor: Supervisor, tmp_path: Path) -> None:
    child = supervisor.start(
        "sleeper", ["-c", "import os, time; print(os.environ['X'], flush=True); time.sleep(60)"], {"X": "hi"}
    )
    assert child.process
    first = child.process.pid
    assert until(lambda: (tmp_path / "sleeper.log").read_text() == "hi\n")
    os.kill(first, signal.SIGKILL)
    assert until(lambda: (supervisor.revive() or True) and child.is_alive and child.process.pid != first)  # type: ignore[union-attr,func-returns-value]
    supervisor.end()
    assert not child.is_alive


def test_child_that_fails_at_once_is_tried_ever_less_often(supervisor: Supervisor) -> None:
    child = supervisor.start("broken", ["-c", "raise SystemExit(3)"], {})
    end = time.monotonic() + 2.5
    starts = {child.began}
    while time.monotonic() < end:
        supervisor.revive()
        starts.add(child.began)
        time.sleep(0.02)
    assert 2 <= len(starts) <= 4
    assert child.failures >= 2


def test_trouble_with_the_database_does_not_end_the_others(supervisor: Supervisor) -> None:
    child = supervisor.start("sleeper", ["-c", "import time; time.sleep(60)"], {})
    trouble = iter([Unavailable("PostgreSQL did not start"), OSError(errno.ENOSPC, "full"), psycopg.Error()])
    tries: list[float] = []

    def ensure() -> None:
        tries.append(time.monotonic())
        for error in trouble:
            raise error
        supervisor.stop.set()

    supervisor.run(ensure)
    assert child.is_alive
    waits = [after - before for before, after in pairwise(tries)]
    assert waits == sorted(waits)


def test_children_of_a_killed_supervisor_end(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from hub.supervisor import Supervisor\n"
        "s = Supervisor(Path(sys.argv[1])); c = s.start('x', ['-c', 'import time; time.sleep(60)'], {})\n"
        "Path(sys.argv[1], 'pid').write_text(str(c.process.pid)); time.sleep(60)"
    )
    owner = os.spawnv(os.P_NOWAIT, sys.executable, [sys.executable, "-c", code, str(tmp_path)])
    assert until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text() != "")
    pid = int((tmp_path / "pid").read_text())
    os.kill(owner, signal.SIGKILL)
    os.waitpid(owner, 0)
    stat = Path(f"/proc/{pid}/stat")
    assert until(lambda: not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z")


@pytest.fixture
def kept(committed_db: Any, tmp_path: Path) -> Settings:
    """A home with one landing file that the database names."""
    settings = Settings(home=tmp_path / "home")
    path = settings.home / "landing" / "ab" / "cd"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"body")
    with unit_of_work(committed_db.engine, Tenancy((GROUP,), GROUP)) as session:
        session.execute(
            text("insert into landing (organisation_id, sha256, size, path, \"offset\") values (:o, 'cd', 4, :p, 0)"),
            {"o": GROUP, "p": str(path.relative_to(settings.home))},
        )
    return settings


def superuser(db: Any) -> str:
    return str(db.url).replace("postgresql://hub@", "postgresql://postgres@")


def test_backup_restores_rows_and_files(committed_db: Any, kept: Settings, server: Any, tmp_path: Path) -> None:
    made = backups.back_up(superuser(committed_db), kept)
    assert made.files == 1
    shutil.rmtree(kept.home / "landing")
    name = f"restored_{new_id().hex}"
    url = server.create_database(name)
    try:
        counts = backups.restore(url, kept, made.folder)
        assert (counts["landing"], counts["organisation"]) == (1, 1)
        assert (kept.home / "landing" / "ab" / "cd").read_bytes() == b"body"
        with pytest.raises(Conflict, match="not empty"):
            backups.restore(url, kept, made.folder)
    finally:
        server.drop_database(name)


@pytest.mark.parametrize("forgets", ["before", "after"])
def test_what_is_forgotten_during_a_backup_is_whole_in_it(
    committed_db: Any, kept: Settings, server: Any, monkeypatch: pytest.MonkeyPatch, forgets: str
) -> None:
    run = backups._run

    def dump(name: str, *arguments: str) -> None:
        if forgets == "after":
            run(name, *arguments)
        with unit_of_work(committed_db.engine, Tenancy((GROUP,), GROUP)) as session:
            session.execute(text("delete from landing"))
        shutil.rmtree(kept.home / "landing")
        if forgets == "before":
            run(name, *arguments)

    with monkeypatch.context() as during:
        during.setattr(backups, "_run", dump)
        made = backups.back_up(superuser(committed_db), kept)
    name = f"restored_{new_id().hex}"
    try:
        assert backups.restore(server.create_database(name), kept, made.folder)["landing"] == 1
    finally:
        server.drop_database(name)


def test_file_forgotten_before_it_is_kept_is_not_missed(
    committed_db: Any, kept: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep = backups._keep

    def late(*arguments: Any) -> str:
        with unit_of_work(committed_db.engine, Tenancy((GROUP,), GROUP)) as session:
            session.execute(text("delete from landing"))
        shutil.rmtree(kept.home / "landing", ignore_errors=True)
        return keep(*arguments)

    monkeypatch.setattr(backups, "_keep", late)
    assert backups.back_up(superuser(committed_db), kept).files == 0


def test_backup_that_would_lack_rows_is_refused(committed_db: Any, kept: Settings) -> None:
    with pytest.raises(Unavailable, match="bound by row security"):
        backups.back_up(committed_db.url, kept)
    assert not (kept.home / "backups").exists()


def test_failed_backup_leaves_nothing(committed_db: Any, kept: Settings) -> None:
    shutil.rmtree(kept.home / "landing")
    with pytest.raises(FileNotFoundError):
        backups.back_up(superuser(committed_db), kept)
    assert list((kept.home / "backups").iterdir()) == []


def test_damaged_backup_is_not_restored(committed_db: Any, kept: Settings) -> None:
    folder = backups.back_up(superuser(committed_db), kept).folder
    with (folder / backups.DUMP).open("ab") as dump:
        dump.write(b"x")
    with pytest.raises(Conflict, match="damaged"):
        backups.restore(committed_db.url, kept, folder)
    with pytest.raises(NotFound, match="holds no backup"):
        backups.restore(committed_db.url, kept, folder.parent)


def test_doctor_finds_a_dead_worker_a_stuck_relay_and_no_backup(committed_db: Any, kept: Settings) -> None:
    with unit_of_work(committed_db.engine, Tenancy((GROUP,), GROUP)) as session:
        session.execute(
            text(
                "insert into outbox (id, organisation_id, topic, payload, traceparent, created_at) values "
                f"(gen_random_uuid(), '{GROUP}', 't', '{{}}', '', now() - interval '1 hour')"
            )
        )
    store = Store(committed_db.url, committed_db.application_url)
    found = {one.what: one for one in diagnosis.examine(store, kept)}
    assert (found["Worker"].state, found["Outbox"].state, found["Backup"].state) == ("bad", "bad", "warn")
    assert (found["Schema"].state, found["PostgreSQL"].state) == ("ok", "ok")
    assert all(one.do for one in found.values() if one.state == "bad")


SECRETS = [
    ("postgresql://hub:hunter2@db/hub refused", "hunter2"),
    ("Authorization: Bearer abc.def-ghi", "abc.def-ghi"),
    ("token eyJhbGciOi.J9x.sig_", "eyJhbGciOi"),
    ("login failed password='hunter2' for x", "hunter2"),
    ("mssql+pymssql://sa:p@ss@db/x", "p@ss"),
]


@pytest.mark.parametrize(("said", "secret"), SECRETS[:4])
def test_secrets_do_not_reach_the_log(said: str, secret: str) -> None:
    assert secret not in logs.clean(said)
    assert secret not in str(logs.redact({"detail": [said], "nested": {"x": said}}))


@given(st.text(), st.sampled_from(["password", "smtp_password", "access_token", "Cookie", "csrf", "client_secret"]))
def test_values_of_secret_names_are_hidden(value: str, name: str) -> None:
    assert logs.redact({name: value}) == {name: logs.HIDDEN}
