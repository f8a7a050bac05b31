"""Door: the worker process. What each job does and what runs by the clock stands here as two literal lists."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import duckdb
import procrastinate
import psycopg
import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from hub import housekeeping, mailer
from hub.database import make_engine
from hub.trace import continue_trace
from identity import retention as identity_retention
from identity.audit import sealing
from identity.federation import domains
from identity.oauth import keys as identity_keys
from identity.oauth import logout as identity_logout
from identity.organisations import handover
from masterdata import handover as masterdata_handover
from masterdata.intake import apply, expectations, replay, retention
from masterdata.intake.jobs import APPLY
from masterdata.lake import apart
from masterdata.materials import settling
from masterdata.reports import service as reports
from masterdata.reports import upkeep as reports_upkeep

log = structlog.get_logger("hub.worker")

CONCURRENCY = 3
# The queue tells of new jobs; those freed when the one before them in their feed is done are found by asking.
POLL_SECONDS = 0.25
HEARTBEAT_SECONDS, STALLED_SECONDS, REVIVE_SECONDS = 3.0, 15.0, 5.0
GRACE_SECONDS = 20.0
LONGEST_WAIT = 60
# Kept with the job's arguments: its attempts also count trouble that was waited out.
REVIVALS = "revivals"
COUNT_REVIVAL = (
    "update procrastinate_jobs set args = args || jsonb_build_object('revivals', %(revivals)s::int) "
    "where id = %(job_id)s and status = 'doing'"
)
KILLED = "Its process was killed {} times while it ran, perhaps for want of memory."
# A disk that is full or fails; of PostgreSQL's classes of errors: connections, resources, shutdown, its disk.
DISK = (errno.ENOSPC, errno.EDQUOT, errno.EIO)
AWAY = ("08", "53", "57P", "58")


@dataclass(frozen=True, slots=True)
class Task:
    """`run(engine, **args)`; tried `attempts` times with growing waits, then `failed(engine, error, **args)`. Trouble
    of the machine does not count: it is waited out, unless the task comes again by the clock (`attempts` 1)."""

    run: Callable[..., Any]
    attempts: int = 5
    failed: Callable[..., None] | None = None


def _apply(engine: Engine, organisation_id: str, batch_id: str) -> None:
    apply.apply_batch(engine, UUID(organisation_id), UUID(batch_id))


def _apply_failed(engine: Engine, error: str, organisation_id: str, batch_id: str) -> None:
    apply.mark_failed(engine, UUID(organisation_id), UUID(batch_id), error)


def _replay(engine: Engine, organisation_id: str, system_id: str, **cause: Any) -> None:
    replay.replay(engine, UUID(organisation_id), UUID(system_id), cause["reason"], cause["value"])


def _hand_over(engine: Engine, **which: str) -> None:
    handover.export(engine, handover.CONTENTS | masterdata_handover.CONTENTS, **which)


TASKS: dict[str, Task] = {
    APPLY: Task(_apply, failed=_apply_failed),
    replay.REPLAY: Task(_replay),
    retention.ROLL: Task(retention.roll, attempts=1),
    retention.FORGET: Task(retention.forget, attempts=3),
    mailer.TASK: Task(housekeeping.send_mail),
    "hub.send_waiting_mail": Task(housekeeping.send_waiting_mail, attempts=1),
    "hub.forget": Task(housekeeping.forget, attempts=3),
    domains.CHECK: Task(domains.check_domains, attempts=1),
    identity_retention.FORGET: Task(identity_retention.forget, attempts=3),
    identity_keys.ROTATE: Task(identity_keys.keep_fresh, attempts=3),
    identity_logout.TELL: Task(identity_logout.tell, attempts=8),
    sealing.SEAL: Task(sealing.seal, attempts=1),
    sealing.FORGET: Task(sealing.forget, attempts=3),
    handover.EXPORT: Task(_hand_over, attempts=3, failed=handover.mark_failed),
    handover.FORGET: Task(handover.forget, attempts=3),
    settling.SETTLE: Task(settling.settle, attempts=1),
    apart.APPEND: Task(apart.append, attempts=1),
    apart.BUILD: Task(apart.build, attempts=1),
    apart.UPKEEP: Task(apart.upkeep, attempts=1),
    reports.MAKE: Task(reports_upkeep.make, attempts=1, failed=reports_upkeep.mark_lost),
    reports_upkeep.FORGET: Task(reports_upkeep.forget, attempts=3),
}

# Five fields as in cron, in UTC; a sixth would be seconds.
PERIODIC: tuple[tuple[str, str], ...] = (
    ("*/5 * * * *", "hub.send_waiting_mail"),
    ("17 * * * *", "hub.forget"),
    ("27 * * * *", identity_retention.FORGET),
    ("33 3 * * *", identity_keys.ROTATE),
    ("* * * * *", sealing.SEAL),
    ("17 3 * * *", sealing.FORGET),
    ("22 3 * * *", domains.CHECK),
    ("7 * * * *", retention.ROLL),
    ("37 2 * * *", retention.FORGET),
    ("* * * * * */10", settling.SETTLE),
    ("*/10 * * * *", apart.APPEND),
    ("2 * * * *", apart.BUILD),
    ("47 2 * * *", apart.UPKEEP),
    ("57 2 * * *", reports_upkeep.FORGET),
    ("7 3 * * *", handover.FORGET),
)


def build(url: str, engine: Engine) -> procrastinate.App:
    """The queue's application with every task of TASKS, on the database at `url` (as the application role)."""
    app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=url, min_size=1, max_size=4))
    for name, task in TASKS.items():
        _register(app, name, task, engine)
    for cron, name in PERIODIC:
        app.periodic(cron=cron)(app.tasks[name])
    return app


def passes(error: BaseException | None) -> bool:
    """Trouble of the machine, not of the job: a disk without room, a database that is away, a worker that must end."""
    if isinstance(error, asyncio.CancelledError):
        return True
    if isinstance(error, DBAPIError):
        return passes(error.orig)
    if isinstance(error, psycopg.OperationalError):
        return error.sqlstate is None or error.sqlstate.startswith(AWAY)
    if isinstance(error, duckdb.IOException):
        return any(os.strerror(number) in str(error) for number in DISK)
    return isinstance(error, OSError) and error.errno in DISK


@dataclass(frozen=True, slots=True)
class Retry(procrastinate.BaseRetryStrategy):  # type: ignore[misc]
    """Again after 2, 4, 8 … at most 60 s: `attempts` times, and without end while the trouble is the machine's."""

    attempts: int

    def is_last(self, error: BaseException, job: procrastinate.jobs.Job) -> bool:
        over = job.attempts + 1 >= self.attempts
        return over and (self.attempts == 1 or not passes(error))

    def get_retry_decision(
        self, *, exception: BaseException, job: procrastinate.jobs.Job
    ) -> procrastinate.RetryDecision | None:
        if self.is_last(exception, job):
            return None
        return procrastinate.RetryDecision(retry_in={"seconds": min(2 ** min(job.attempts + 1, 6), LONGEST_WAIT)})


def _register(app: procrastinate.App, name: str, task: Task, engine: Engine) -> None:
    retry = Retry(task.attempts)

    async def perform(context: procrastinate.JobContext, **args: Any) -> None:
        continue_trace(args.get("traceparent"))
        args = _own(args)
        try:
            await asyncio.to_thread(task.run, engine, **args)
        # Whatever a job raises is told by its batch and tried again; none may end the worker.
        except Exception as error:
            last = retry.is_last(error, context.job)
            log.exception("job_failed", task=name, job=context.job.id, is_last_attempt=last)
            if last and task.failed is not None:
                await asyncio.to_thread(task.failed, engine, f"{type(error).__name__}: {error}", **args)
            raise

    app.task(name=name, pass_context=True, retry=retry)(perform)


async def run(url: str, *, wait: bool = True, install_signal_handlers: bool = True) -> None:
    """Work until told to stop; with `wait` False until the queue is empty."""
    engine = make_engine(url, pool_size=CONCURRENCY + 1)
    app = build(url, engine)
    if wait:
        threading.Thread(target=expectations.warm, name="warm", daemon=True).start()
    async with app.open_async():
        reviver = asyncio.create_task(_revive(app, engine))
        log.info("worker_started")
        try:
            await app.run_worker_async(
                concurrency=CONCURRENCY,
                wait=wait,
                fetch_job_polling_interval=POLL_SECONDS,
                install_signal_handlers=install_signal_handlers,
                delete_jobs=procrastinate.jobs.DeleteJobCondition.SUCCESSFUL,
                update_heartbeat_interval=HEARTBEAT_SECONDS,
                stalled_worker_timeout=STALLED_SECONDS,
                shutdown_graceful_timeout=GRACE_SECONDS,
            )
        finally:
            reviver.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await reviver
            engine.dispose()


async def _revive(app: procrastinate.App, engine: Engine) -> None:
    while True:
        try:
            await revive(app, engine)
        except (procrastinate.exceptions.ConnectorException, SQLAlchemyError):
            # The database is away, or another worker was quicker.
            log.warning("revival_failed", exc_info=True)
        await asyncio.sleep(REVIVE_SECONDS)


async def revive(app: procrastinate.App, engine: Engine) -> None:
    """Jobs of a worker that was killed go back into the queue, and with them what waits behind their locks. A job met
    in this as often as it may be tried has failed: it may be what kills."""
    for job in await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=STALLED_SECONDS):
        task, revivals = TASKS.get(job.task_name), job.task_kwargs.get(REVIVALS, 0)
        if task is None or revivals < task.attempts:
            await app.connector.execute_query_async(COUNT_REVIVAL, job_id=job.id, revivals=revivals + 1)
            await app.job_manager.retry_job(job)
            log.warning("job_revived", job=job.id, task=job.task_name, revivals=revivals + 1)
            continue
        if task.failed is not None:
            await asyncio.to_thread(task.failed, engine, KILLED.format(revivals + 1), **_own(job.task_kwargs))
        await app.job_manager.finish_job(job, procrastinate.jobs.Status.FAILED, delete_job=False)
        log.error("job_given_up", job=job.id, task=job.task_name, revivals=revivals)


def _own(args: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is ours: the trace, the count of revivals, the instant a periodic task was due."""
    return {name: value for name, value in args.items() if name not in ("traceparent", REVIVALS, "timestamp")}
