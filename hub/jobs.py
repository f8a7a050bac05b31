"""Work for later, put into the caller's own transaction: no job without its change, no change without its job.
What a task does is registered in hub.worker."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from hub.trace import traceparent

_DEFER = text(
    "select (procrastinate_defer_jobs_v1(array[row(:queue, :task, :priority, cast(:lock as text), cast(:once as text), "
    ":args, cast(:run_at as timestamptz))]::procrastinate_job_to_defer_v1[]))[1]"
).bindparams(bindparam("args", type_=JSONB))


def defer(
    session: Session,
    task: str,
    *,
    queue: str = "default",
    lock: str | None = None,
    once: str | None = None,
    run_at: datetime | None = None,
    priority: int = 0,
    **args: Any,
) -> int | None:
    """Queue `task` with JSON `args`; a worker starts it as soon as the transaction commits. Jobs of one `lock` run one
    after the other, in order. With `once`, nothing happens while a job of that name waits (answer: None)."""
    values = {
        "queue": queue,
        "task": task,
        "priority": priority,
        "lock": lock,
        "once": once,
        "args": args | {"traceparent": traceparent()},
        "run_at": run_at,
    }
    if once is None:
        return int(session.execute(_DEFER, values).scalar_one())
    try:
        with session.begin_nested():
            return int(session.execute(_DEFER, values).scalar_one())
    except IntegrityError:
        return None
