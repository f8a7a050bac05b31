"""Work of the lake in a process of its own: what it takes (dbt, Great Expectations, a gigabyte) is given back when it
is done. It ends with the worker that began it."""

from __future__ import annotations

import subprocess
import sys

import structlog
from sqlalchemy import Engine

from hub.postgres import die_with_parent

log = structlog.get_logger("lake")

APPEND, BUILD, UPKEEP = "masterdata.lake.append", "masterdata.lake.build", "masterdata.lake.upkeep"


def append(_: Engine) -> None:
    """Bring applied batches into bronze."""
    run("lake", "append")


def build(_: Engine, reason: str = "schedule") -> None:
    """Build and publish the marts; a build that fails has said so in its own row."""
    run("build", "--reason", reason)


def upkeep(_: Engine) -> None:
    """Compact tables, let old snapshots go and what nobody names any more."""
    run("lake", "compact")


def run(*arguments: str) -> None:
    """A command of the hub; one that fails is told in the log."""
    done = subprocess.run(
        [sys.executable, "-m", "hub", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=die_with_parent(),
    )
    if done.returncode:
        log.warning("lake_command_failed", command=arguments[0], code=done.returncode, said=done.stdout[-2_000:])
