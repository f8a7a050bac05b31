"""Work of the lake in a process of its own: what it takes (a gigabyte, a build's file) is given back when it is done.
The process is forked from one that has the libraries loaded, and ends with the worker that began it."""

from __future__ import annotations

import io
import multiprocessing
import os
import runpy
import signal
import sys
import threading
from collections.abc import Mapping
from contextlib import redirect_stdout

import structlog
from sqlalchemy import Engine

log = structlog.get_logger("lake")

APPEND, BUILD, UPKEEP = "masterdata.lake.append", "masterdata.lake.build", "masterdata.lake.upkeep"
_FORKS = multiprocessing.get_context("forkserver")
# dbt and Great Expectations take ten seconds to load: once for all that is forked.
_FORKS.set_forkserver_preload(["hub.cli", "masterdata.lake.warm"])


def append(_: Engine) -> None:
    """Bring applied batches into bronze."""
    run("lake", "append")


def build(_: Engine, reason: str = "schedule") -> None:
    """Build and publish the marts; a build that fails has said so in its own row."""
    run("build", "--reason", reason)


def upkeep(_: Engine) -> None:
    """Compact tables, let old snapshots go and what nobody names any more."""
    run("lake", "compact")


def run(*arguments: str) -> int:
    """A command of the hub with this process' environment; its exit code. One that fails is told in the log."""
    process = _FORKS.Process(target=_command, args=(arguments, dict(os.environ)), daemon=True)
    process.start()
    process.join()
    code = process.exitcode or 0
    if code:
        log.warning("lake_command_failed", command=arguments[0], code=code)
    return code


def _command(arguments: tuple[str, ...], environment: Mapping[str, str]) -> None:
    """What `python -m hub` does, in the forked process; what it would print is told in the log where it fails."""
    threading.Thread(target=_end_with_worker, daemon=True).start()
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["hub", *arguments]
    with redirect_stdout(io.StringIO()) as said:
        try:
            runpy.run_module("hub", run_name="__main__")
        except SystemExit as done:
            if done.code:
                log.warning("lake_command_said", command=arguments[0], said=said.getvalue()[-2_000:])
            raise
        # Multiprocessing would print it past the log.
        except Exception:
            log.exception("lake_command_broke", command=arguments[0])
            sys.exit(1)


def _end_with_worker() -> None:
    if worker := multiprocessing.parent_process():
        worker.join()
        os.kill(os.getpid(), signal.SIGTERM)
