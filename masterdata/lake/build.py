"""One build of the marts: inputs pinned, bronze made to hold them, models run and tested, figures checked, both roads
compared, published. What fails leaves the publication before it standing."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import duckdb
import structlog
from sqlalchemy import Engine, insert, text
from sqlalchemy.orm import Session

from hub import lake
from hub.columns import new_id
from hub.database import NOBODY, Tenancy, set_tenancy, unit_of_work
from hub.errors import Conflict, NotFound
from hub.housekeeping import organisations
from hub.lake.tables import SPILL
from hub.settings import settings
from masterdata.lake import (
    append,
    bronze,
    checks,
    documentation,
    marts,
    openlineage,
    pins,
    publish,
    reconcile,
    transform,
    verify,
)
from masterdata.lake.models import Build, BuildFinding, current
from masterdata.materials import settling

log = structlog.get_logger("lake")

# In the order of a build, with the share of its time each begins at.
STEPS = {
    "pin": 0.0,
    "bronze": 0.1,
    "bronze_checks": 0.25,
    "models": 0.3,
    "gold_checks": 0.75,
    "reconcile": 0.8,
    "lake": 0.85,
    "readers": 0.95,
}
# The analysis that answers questions of the past.
QUESTION = "golden_as_of"
Tell = Callable[[str, float], object]
_ROOT = text("select id from organisation where parent_id is null limit 1")
_ALONE = text("select pg_try_advisory_lock(hashtextextended('build', 0))")
_ENDED = text(
    "update build set state = 'failed', error = 'Its process ended before the build did.',"
    " ended_at = clock_timestamp() where state = 'running'"
)


class BuildFailed(Exception):
    """The build was not published; says why."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A row to look at; `organisation_id` None: the group's."""

    organisation_id: str | None
    kind: str
    name: str
    detail: dict[str, Any]


@dataclass
class _Run:
    """A build under way: its file, what was done and found so far."""

    engine: Engine
    id: UUID
    folder: Path
    tell: Tell
    everyone: Sequence[UUID]
    steps: list[dict[str, Any]] = field(default_factory=list)
    checks: list[dict[str, Any]] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    known_at: datetime | None = None
    snapshots: dict[str, int] = field(default_factory=dict)
    queries: dict[str, Any] = field(default_factory=dict)
    outcomes: list[transform.Outcome] = field(default_factory=list)

    @property
    def file(self) -> Path:
        return self.folder / "build.duckdb"

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        self.tell(name, STEPS[name])
        with unit_of_work(self.engine, NOBODY) as session:
            publish.running(session, self.id)
        began = time.perf_counter()
        yield
        self.steps.append({"name": name, "seconds": round(time.perf_counter() - began, 2)})
        with unit_of_work(self.engine, NOBODY) as session:
            session.get_one(Build, self.id).steps = list(self.steps)

    @contextmanager
    def opened(self) -> Iterator[duckdb.DuckDBPyConnection]:
        spill = str(self.folder / "spill")
        config: dict[str, Any] = {
            "memory_limit": transform.MEMORY,
            "threads": 2,
            "temp_directory": spill,
            "max_temp_directory_size": SPILL,
        }
        with duckdb.connect(str(self.file), config=config) as db:
            db.execute("set TimeZone = 'UTC'")
            yield db

    def said(self) -> dict[str, Any]:
        return {
            "known_at": self.known_at,
            "steps": self.steps,
            "checks": self.checks,
            "figures": self.figures,
            "snapshots": self.snapshots,
            "queries": self.queries,
        }


def build(engine: Engine, tell: Tell = lambda *_: None, reason: str = "") -> UUID:
    """Build and publish the marts; the build's id. Raises BuildFailed where a check or a test refused it, Conflict
    while another build runs."""
    with _alone(engine):
        run = _begin(engine, tell, reason)
        try:
            with openlineage.told(run):
                _work(run)
        except publish.Superseded:
            raise
        # Whatever it is, the build's row says so.
        except Exception as error:
            _fail(run, error)
            _sweep(run.folder)
            raise
        _sweep(run.folder)
        log.info("build_published", build=str(run.id), **{k: v for k, v in run.figures.items() if k != "sums"})
        return run.id


@contextmanager
def _alone(engine: Engine) -> Iterator[None]:
    with engine.connect() as connection:
        is_free: bool = connection.execute(_ALONE).scalar_one()
        connection.commit()
        if not is_free:
            raise Conflict("A build is running.")
        try:
            yield
        finally:
            connection.execute(text("select pg_advisory_unlock(hashtextextended('build', 0))"))
            connection.commit()


def _begin(engine: Engine, tell: Tell, reason: str) -> _Run:
    folder = settings().home / "build"
    _sweep(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with unit_of_work(engine, NOBODY) as session:
        session.execute(_ENDED)
        row = Build(
            id=new_id(), state="running", reason=reason, snapshots={}, steps=[], checks=[], figures={}, queries={}
        )
        session.add(row)
    return _Run(engine, row.id, folder, tell, organisations(engine))


def _sweep(folder: Path) -> None:
    """All but what dbt knows of the project: it is read again only where it changed."""
    for entry in folder.glob("*"):
        if entry.name != "target":
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink(missing_ok=True)


def _work(run: _Run) -> None:
    """Every step opens the file anew: dbt and the lake's reader want it for themselves."""
    settling.settle(run.engine)
    with run.step("pin"), run.opened() as db:
        run.known_at = pins.pin(run.engine, run.everyone, db, run.folder)
    with run.step("bronze"):
        append.append_pending(run.engine)
        with run.opened() as db:
            run.snapshots = load(run.engine, db)
    with run.step("bronze_checks"), run.opened() as db:
        pins.place(run.engine, run.everyone, db, run.folder)
        _check(run, db, "bronze")
    with run.step("models"):
        _models(run)
    with run.opened() as db:
        with run.step("gold_checks"):
            _check(run, db, "gold")
        with run.step("reconcile"):
            _reconcile(run, db)
        with run.step("lake"):
            run.figures["sums"] = verify.sums(db, sorted(spec.name for spec in publish.tables(db)))
            run.snapshots |= publish.to_lake(run.engine, db, run.id, _standing(run))
        with run.step("readers"):
            publish.to_readers(run.engine, db, run.id, run.everyone, run.said(), also=lambda s: _keep(run, s))
    _document(run)


def _standing(run: _Run) -> dict[str, int]:
    """Tables of the current build that hold what this one would write, whole: the snapshots by name."""
    damaged = {found.name for found in run.findings if found.kind == "damage"}
    with unit_of_work(run.engine, NOBODY) as session:
        before = current(session)
        if before is None:
            return {}
        same = (
            name for name, known in run.figures["sums"].items() if before.figures.get("sums", {}).get(name) == known
        )
        return {name: before.snapshots[name] for name in same if name not in damaged}


def load(engine: Engine, db: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Bronze, as it is now, in a build's file, ids as they are; its snapshots."""
    held = lake.snapshots(engine)
    for spec in bronze.TABLES.values():
        lake.copy_to(db, engine, spec, held.get(spec.name))
    return {spec.name: held.get(spec.name, publish.EMPTY) for spec in bronze.TABLES.values()}


def _check(run: _Run, db: duckdb.DuckDBPyConnection, stage: str) -> None:
    found = checks.check(db, stage)
    run.checks += [{"name": c.rule.name, "kind": stage, "is_kept": c.is_kept, "figure": c.figure} for c in found]
    run.findings += [Finding(None, stage, c.rule.name, dict(row)) for c in found for row in c.rows]
    broken = [c.rule.name for c in found if not c.is_kept]
    if broken:
        raise BuildFailed(f"Not published: {', '.join(broken)}.")


def _models(run: _Run) -> None:
    variables = _variables(run)
    run.outcomes = outcomes = transform.run(run.file, run.folder, variables)
    run.checks += [
        {
            "name": o.name,
            "kind": o.kind,
            "is_kept": o.is_good,
            "figure": o.failures,
            "seconds": round(o.seconds, 2),
            **({} if o.is_good else {"message": o.message[:1_000]}),
        }
        for o in outcomes
    ]
    run.findings += [Finding(None, o.kind, o.name, dict(row)) for o in outcomes for row in o.rows]
    run.queries = _questions(run, variables)
    broken = [o.name for o in outcomes if not o.is_good and o.status != "skipped"]
    if broken:
        raise BuildFailed(f"Not published: {', '.join(broken)}.")


def _variables(run: _Run) -> dict[str, str]:
    today = (run.known_at or datetime.now(UTC)).astimezone(ZoneInfo(settings().zone)).date()
    return {"group_currency": settings().group_currency, "today": str(today)}


def _document(run: _Run) -> None:
    """What was published stands, whether its models can be documented or not."""
    try:
        documentation.refresh(transform.checksum(), lambda: transform.document(run.file, run.folder, _variables(run)))
    except (OSError, RuntimeError):
        log.exception("models_not_documented")


def _questions(run: _Run, variables: dict[str, str]) -> dict[str, Any]:
    """The compiled question of the past, the marts that are views, and the views they stand on: compiled again where
    the project or the day is another."""
    project = transform.checksum(*variables.values())
    with unit_of_work(run.engine, NOBODY) as session:
        before = current(session)
        if before and before.queries.get("project") == project:
            return dict(before.queries)
    compiled = transform.questions(run.file, run.folder, variables, QUESTION, *marts.views())
    views = [(name, query) for name, query in compiled if "." in name and name not in pins.KEPT]
    return {"project": project, "views": views, "question": dict(compiled)[QUESTION]}


def _reconcile(run: _Run, db: duckdb.DuckDBPyConnection) -> None:
    """Differences do not keep the build back: they are an alarm, and say where to look."""
    found = reconcile.reconcile(db)
    run.figures |= {
        "positions": found.positions,
        "holdings": found.holdings,
        "differences": found.differences,
    }
    run.findings += [Finding(str(d.organisation_id), "difference", d.what, d.as_json()) for d in found.shown]
    if found.differences:
        log.error("reconciliation_differs", build=str(run.id), differences=found.differences)
    damaged = verify.verify(run.engine, db)
    run.findings += [Finding(d.row.get("organisation_id"), "damage", d.table, d.row) for d in damaged]
    run.figures["damaged"] = len(damaged)
    if damaged:
        log.error("publication_damaged", build=str(run.id), tables=sorted({d.table for d in damaged}))


def _fail(run: _Run, error: Exception) -> None:
    with unit_of_work(run.engine, Tenancy(tuple(run.everyone))) as session:
        row = session.get_one(Build, run.id)
        if row.state == "published":
            log.error("build_published_with_trouble", build=str(run.id), error=str(error)[:2_000])
            return
        for name, value in run.said().items():
            setattr(row, name, value)
        row.state, row.error, row.ended_at = "failed", str(error)[:2_000], datetime.now(UTC)
        _keep(run, session)


def _keep(run: _Run, session: Session) -> None:
    """The findings, each with its organisation; those of none, or of one that is not known, with the group."""
    known = {str(organisation_id): organisation_id for organisation_id in run.everyone}
    root: UUID | None = session.execute(_ROOT).scalar() if run.findings else None
    for found in run.findings:
        organisation_id = known.get(found.organisation_id or "", root)
        set_tenancy(session, Tenancy(tuple(run.everyone), organisation_id))
        values = {"build_id": run.id, "kind": found.kind, "name": found.name, "detail": found.detail}
        session.execute(insert(BuildFinding).values(organisation_id=organisation_id, **values))


def last(engine: Engine) -> Build:
    """The newest build, however it ended; raises NotFound before the first."""
    with unit_of_work(engine, NOBODY) as session:
        found = session.query(Build).order_by(Build.started_at.desc()).first()
    if found is None:
        raise NotFound("Nothing was built yet.")
    return found


def pinned(engine: Engine) -> set[int]:
    """Snapshots of the lake that readers of the current build still need."""
    with unit_of_work(engine, NOBODY) as session:
        build = current(session)
        return set(build.snapshots.values()) if build else set()
