"""Builds in a second: the models as compiled, without dbt's run; and all that readers see of a publication."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb
from sqlalchemy import Engine, text

from hub import lake
from hub.database import Tenancy, make_engine, unit_of_work
from hub.housekeeping import organisations
from hub.lake.files import AS_THEY_ARE
from hub.settings import settings
from masterdata.lake import append, build, reading, rebuild, transform
from masterdata.lake.append import append_pending
from masterdata.lake.models import Build, BuildFinding
from masterdata.lake.publish import SERVED
from tests.masterdata.lake.rig import Models

_CURRENT = text("select id, snapshots, figures ->> 'positions' as positions from build where is_current")


def use(models: Models) -> None:
    """From now on builds of this process make the models without dbt."""

    def run(file: Path, folder: Path, variables: Any) -> list[transform.Outcome]:
        with duckdb.connect(str(file)) as db:
            db.execute("set TimeZone = 'UTC'")
            models.make(db)
        return []

    transform.run = run
    transform.questions = lambda *_: [(build.QUESTION, "select 1")]


def seen(engine: Engine) -> dict[str, Any]:
    """All that readers see of the current build."""
    with unit_of_work(engine, Tenancy(organisations(engine))) as session:
        found: dict[str, Any] = {"current": session.execute(_CURRENT).one()}
        for table in SERVED:
            found[table] = sorted(map(str, session.execute(text(f"select * from {table}")).all()))
    with reading.published(engine, lake.EVERYONE) as db:
        for name in sorted(found["current"].snapshots):
            found[name] = db.execute(f"select * from {name} order by all").fetchall()
    return found


def findings(engine: Engine, build_id: UUID, kind: str) -> list[BuildFinding]:
    with unit_of_work(engine, Tenancy(organisations(engine))) as session:
        query = session.query(BuildFinding).where(BuildFinding.build_id == build_id, BuildFinding.kind == kind)
        return query.order_by(BuildFinding.id).all()


def newest(engine: Engine) -> Build:
    return build.last(engine)


def die_in(url: str, home: str, models: Models, step: str) -> None:
    """In a process of its own: build, and be killed when a step begins."""
    settings().home = Path(home)
    use(models)

    def tell(name: str, _share: float) -> None:
        if name == step:
            os.kill(os.getpid(), signal.SIGKILL)

    build.build(make_engine(url, pool_size=2), tell)


def die_appending(url: str, home: str, instant: str) -> None:
    """In a process of its own: append a few batches at a time, and be killed at an instant of the second round."""
    settings().home = Path(home)
    append.ROUND_BATCHES = 2
    rounds = iter(range(1))
    write, to_lake = append._write, lake.append

    def killed(*_: Any) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def half(engine: Engine, tables: Any, token: UUID, **how: Any) -> None:
        first, *_ = tables.items()
        to_lake(engine, dict([first] if instant == "one table written" else tables), token, **how)
        killed()

    def second(*given: Any) -> int:
        if next(rounds, None) is None:
            if instant == "claimed":
                killed()
            append.lake.append = half
        return write(*given)

    append._write = second
    append_pending(make_engine(url, pool_size=2))


def die_rebuilding(url: str, home: str, instant: str) -> None:
    """In a process of its own: make the lake anew, and be killed at an instant of it."""
    settings().home = Path(home)

    def killed(*_: Any) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    if instant == "forgetting":
        rebuild._release = killed
    elif instant == "forgotten":
        append.append_pending = killed
    else:
        append.append_pending = lambda _: die_appending(url, home, instant)
    rebuild.rebuild(make_engine(url, pool_size=2))


def rewrite(engine: Engine, spec: lake.TableSpec, change: str, which: str, token: UUID) -> None:
    """By hand: rows of a table changed in the lake, in a new state of it."""
    names: Sequence[str] = spec.schema.names
    with lake.connect(engine, lake.EVERYONE, tables=[spec]) as db:
        db.execute(f"create table mine as from {spec.name}")
        assert db.execute(f"update mine set {change} where {which}").fetchall()[0][0] == 1
        db.execute(AS_THEY_ARE)
        rows = db.sql(f"select {', '.join(names)} from mine").to_arrow_table()
    lake.overwrite(engine, spec, rows, token)
