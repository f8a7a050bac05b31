"""Jobs: in the caller's transaction, started by notification, retried, revived after a kill; mail goes with them."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import smtplib
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from email.message import EmailMessage
from typing import Any
from uuid import UUID

import duckdb
import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from hub import housekeeping, mailer, worker
from hub.database import Tenancy, unit_of_work
from hub.jobs import defer
from hub.models import Mail

GROUP = UUID("00000000-0000-7000-8000-000000000001")


@pytest.fixture(autouse=True)
def cold(monkeypatch: pytest.MonkeyPatch) -> None:
    """No gate is judged here: its library stays unloaded. Nothing comes by the clock."""
    monkeypatch.setattr("masterdata.intake.expectations.warm", lambda: None)
    monkeypatch.setattr(worker, "PERIODIC", ())


def jobs(db: Any) -> list[tuple[str, str]]:
    with unit_of_work(db.engine, Tenancy()) as session:
        return [tuple(row) for row in session.execute(text("select task_name, status::text from procrastinate_jobs"))]


def drain(db: Any) -> None:
    asyncio.run(worker.run(db.application_url, wait=False, install_signal_handlers=False))


def test_job_exists_only_if_its_transaction_commits(committed_db: Any) -> None:
    with pytest.raises(ValueError, match="no"), unit_of_work(committed_db.engine, Tenancy()) as session:
        defer(session, "hub.forget")
        raise ValueError("no")
    assert jobs(committed_db) == []
    with unit_of_work(committed_db.engine, Tenancy()) as session:
        defer(session, "hub.forget")
    assert jobs(committed_db) == [("hub.forget", "todo")]


def test_once_means_one_waiting_job(committed_db: Any) -> None:
    with unit_of_work(committed_db.engine, Tenancy()) as session:
        assert defer(session, "hub.forget", once="tidy") is not None
        assert defer(session, "hub.forget", once="tidy") is None
    assert len(jobs(committed_db)) == 1


def test_job_gets_its_arguments_and_the_trace(committed_db: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from hub.trace import continue_trace, trace_id

    seen: list[Any] = []
    monkeypatch.setitem(worker.TASKS, "look", worker.Task(lambda engine, **args: seen.append((args, trace_id()))))
    continue_trace("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
    with unit_of_work(committed_db.engine, Tenancy()) as session:
        defer(session, "look", n=1, who="x")
    drain(committed_db)
    assert seen == [({"n": 1, "who": "x"}, "4bf92f3577b34da6a3ce929d0e0e4736")]


def test_failing_job_is_tried_again_then_told(committed_db: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[int] = []
    told: list[str] = []

    def fail(engine: Any, n: int) -> None:
        tries.append(n)
        raise OSError("disk is full")

    task = worker.Task(fail, attempts=2, failed=lambda engine, error, n: told.append(error))
    monkeypatch.setitem(worker.TASKS, "fail", task)
    with unit_of_work(committed_db.engine, Tenancy()) as session:
        defer(session, "fail", n=5)
    drain(committed_db)
    assert (tries, told) == ([5], [])
    with unit_of_work(committed_db.engine, Tenancy()) as session:
        session.execute(text("update procrastinate_jobs set scheduled_at = null"))
    drain(committed_db)
    assert (tries, told) == ([5, 5], ["OSError: disk is full"])
    assert jobs(committed_db) == [("fail", "failed")]


def of_sqlalchemy(error: Exception) -> Exception:
    return OperationalError("select 1", None, error)


@pytest.mark.parametrize(
    "trouble",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        duckdb.IOException("IO Error: Could not write file: No space left on device"),
        psycopg.OperationalError("server closed the connection unexpectedly"),
        of_sqlalchemy(psycopg.errors.DiskFull("could not extend file")),
        of_sqlalchemy(psycopg.errors.AdminShutdown("terminating connection")),
    ],
)
def test_job_waits_out_trouble_of_the_machine(
    committed_db: Any, monkeypatch: pytest.MonkeyPatch, trouble: Exception
) -> None:
    told: list[str] = []

    def fail(engine: Any) -> None:
        raise trouble

    task = worker.Task(fail, attempts=2, failed=lambda engine, error: told.append(error))
    monkeypatch.setitem(worker.TASKS, "fail", task)
    with unit_of_work(committed_db.engine, Tenancy()) as session:
        job = defer(session, "fail")
        session.execute(text("update procrastinate_jobs set attempts = 90 where id = :id"), {"id": job})
    drain(committed_db)
    with unit_of_work(committed_db.engine, Tenancy()) as session:
        row = session.execute(text("select status::text, scheduled_at - now() <= '1 min' from procrastinate_jobs"))
        assert (row.one(), told) == (("todo", True), [])


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError(errno.ENOENT, "No such file"),
        of_sqlalchemy(psycopg.errors.QueryCanceled("statement timeout")),
        of_sqlalchemy(psycopg.errors.ProgramLimitExceeded("index row too large")),
        ValueError("no"),
    ],
)
def test_trouble_of_the_job_is_not_waited_out(error: Exception) -> None:
    assert not worker.passes(error)


LISTENS = text("select 1 from pg_stat_activity where datname = current_database() and query ilike 'listen %'")


def test_waiting_worker_is_told_of_a_job(committed_db: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[int] = []
    monkeypatch.setitem(worker.TASKS, "tell", worker.Task(lambda engine, n: done.append(n)))
    # Asking would find it too, long after the test has given up.
    monkeypatch.setattr(worker, "POLL_SECONDS", 600.0)
    put = []

    def is_done() -> bool:
        with unit_of_work(committed_db.engine, Tenancy()) as session:
            if not put and session.execute(LISTENS).first():
                put.append(defer(session, "tell", n=1))
        return bool(done)

    asyncio.run(until(committed_db, is_done))
    assert done == [1]


def test_job_of_a_killed_worker_is_done_by_another(committed_db: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    code = (
        "import asyncio, sys, time; from hub import logs, worker; logs.configure()\n"
        "worker.TASKS['sleep'] = worker.Task(lambda engine: (print('began', flush=True), time.sleep(60)))\n"
        "asyncio.run(worker.run(sys.argv[1]))"
    )
    with unit_of_work(committed_db.engine, Tenancy()) as session:
        defer(session, "sleep", lock="one")
    command = [sys.executable, "-c", code, committed_db.application_url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout
        said = first.stdout.readline()
        os.kill(first.pid, signal.SIGKILL)
    assert said == "began\n"
    done: list[int] = []
    monkeypatch.setitem(worker.TASKS, "sleep", worker.Task(lambda engine: done.append(1)))
    monkeypatch.setattr(worker, "STALLED_SECONDS", 0.5)
    monkeypatch.setattr(worker, "REVIVE_SECONDS", 0.2)
    asyncio.run(until(committed_db, lambda: bool(done)))
    assert done == [1]


def test_job_cut_off_by_the_end_of_its_worker_waits_for_another(
    committed_db: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often trouble of the machine has met it before."""
    began = threading.Event()
    monkeypatch.setitem(worker.TASKS, "slow", worker.Task(lambda engine: (began.set(), time.sleep(2))))
    monkeypatch.setattr(worker, "GRACE_SECONDS", 0.1)
    with unit_of_work(committed_db.engine, Tenancy()) as session:
        defer(session, "slow")
        session.execute(text("update procrastinate_jobs set attempts = 50"))
    asyncio.run(until(committed_db, began.is_set))
    assert jobs(committed_db) == [("slow", "todo")]


DIE = """
    with dead as (insert into procrastinate_workers (last_heartbeat) values (now() - interval '1 hour') returning id)
    update procrastinate_jobs set status = 'doing', attempts = 50, worker_id = dead.id from dead"""


def test_job_that_kills_its_worker_again_and_again_fails(committed_db: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []
    task = worker.Task(lambda engine: None, attempts=2, failed=lambda engine, error, n: told.append((error, n)))
    monkeypatch.setitem(worker.TASKS, "kill", task)
    seen = []

    async def work() -> None:
        app = worker.build(committed_db.application_url, committed_db.engine)
        async with app.open_async():
            for _ in range(3):
                with unit_of_work(committed_db.engine, Tenancy()) as session:
                    session.execute(text(DIE))
                await worker.revive(app, committed_db.engine)
                seen.extend(jobs(committed_db))

    with unit_of_work(committed_db.engine, Tenancy()) as session:
        defer(session, "kill", n=7)
    asyncio.run(work())
    assert seen == [("kill", "todo"), ("kill", "todo"), ("kill", "failed")]
    assert told == [(worker.KILLED.format(3), 7)]


async def until(db: Any, met: Callable[[], bool]) -> None:
    running = asyncio.create_task(worker.run(db.application_url, install_signal_handlers=False))
    deadline = time.monotonic() + 15
    while not met() and time.monotonic() < deadline:
        await asyncio.sleep(0.05)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def mail(db: Any) -> UUID:
    with unit_of_work(db.engine, Tenancy((GROUP,), GROUP)) as session:
        return mailer.queue(session, GROUP, "li@example.org", "密码", "你好\nhello")


def test_mail_is_sent_once(committed_db: Any) -> None:
    mail_id = mail(committed_db)
    sent: list[EmailMessage] = []

    def keep(mail: Mail) -> None:
        sent.append(mailer.message(mail, "Hub <hub@example.org>"))

    for expected in (True, False):
        with unit_of_work(committed_db.engine, Tenancy((GROUP,), GROUP)) as session:
            assert mailer.send(session, mail_id, keep) is expected
    (message,) = sent
    assert (message["To"], message["Subject"], message.get_content()) == ("li@example.org", "密码", "你好\nhello\n")


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (smtplib.SMTPAuthenticationError(535, b"no: hunter2"), "refused user or password"),
        (ConnectionRefusedError(111, "refused"), "cannot be reached (ConnectionRefusedError)"),
        (smtplib.SMTPRecipientsRefused({}), "refused the recipient"),
    ],
)
def test_mail_that_cannot_be_sent_says_why_and_waits(committed_db: Any, error: Exception, says: str) -> None:
    mail_id = mail(committed_db)

    def deliver(_: Mail) -> None:
        raise error

    with unit_of_work(committed_db.engine, Tenancy((GROUP,), GROUP)) as session:
        assert mailer.send(session, mail_id, deliver) is False
    with unit_of_work(committed_db.engine, Tenancy((GROUP,), GROUP)) as session:
        (waiting,) = mailer.list_unsent(session, GROUP)
    assert says in (waiting.error or "")
    assert "hunter2" not in (waiting.error or "")
    assert waiting.attempts == 1


def test_text_of_a_sent_mail_is_not_kept(committed_db: Any) -> None:
    mail_id = mail(committed_db)
    with unit_of_work(committed_db.engine, Tenancy((GROUP,), GROUP)) as session:
        mailer.send(session, mail_id, lambda _: None)
        assert session.execute(text("select body from mail")).scalar_one() == ""


def test_mail_is_forgotten_when_its_link_must_be_dead(committed_db: Any) -> None:
    old, new = mail(committed_db), mail(committed_db)
    with unit_of_work(committed_db.engine, Tenancy((GROUP,), GROUP)) as session:
        age = text("update mail set created_at = now() - make_interval(days => 7, mins => 1) where id = :id")
        session.execute(age, {"id": old})
    housekeeping.forget(committed_db.engine)
    with unit_of_work(committed_db.engine, Tenancy((GROUP,), GROUP)) as session:
        assert [waiting.id for waiting in mailer.list_unsent(session, GROUP)] == [new]


def test_retention_passes_over_every_organisation(committed_db: Any) -> None:
    with unit_of_work(committed_db.engine, Tenancy((GROUP,), GROUP)) as session:
        session.execute(
            text(
                "insert into idempotency_key (organisation_id, principal, key, request_sha256, created_at) values "
                f"('{GROUP}', 'p', 'old', 'x', now() - interval '500 days'), ('{GROUP}', 'p', 'new', 'x', now())"
            )
        )
    housekeeping.forget(committed_db.engine)
    with unit_of_work(committed_db.engine, Tenancy((GROUP,), GROUP)) as session:
        assert session.execute(text("select key from idempotency_key")).scalars().all() == ["new"]
