"""An answer is made: one Parquet file with rows of all organisations, in a process of its own. It appears whole under
its name or not at all, and one that is there is not made again."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import duckdb
import pyarrow as pa
import structlog
from sqlalchemy import Engine

from hub import lake
from hub.database import Tenancy, unit_of_work
from hub.errors import HubError
from masterdata.lake import past, reading
from masterdata.lake.rows import put
from masterdata.reports import service
from masterdata.reports.models import Report
from masterdata.reports.schemas import GOLDEN

log = structlog.get_logger("reports")
UNTOLD = "It met an error that the log of the worker names."


def make(engine: Engine, organisation_id: UUID, report_id: UUID) -> None:
    """Answer a report; nothing where it was removed meanwhile. Raises what kept it from being answered."""
    with _change(engine, organisation_id, report_id) as report:
        if report is None:
            return
        report.state = "running"
    try:
        rows = _rows(_made(engine, report))
    # Whatever it is, who asked is told.
    except Exception as error:
        with _change(engine, organisation_id, report_id) as failed:
            if failed is not None:
                failed.state, failed.ended_at = "failed", datetime.now(UTC)
                failed.error = error.detail if isinstance(error, HubError) else UNTOLD
        raise
    with _change(engine, organisation_id, report_id) as done:
        if done is not None:
            done.state, done.rows, done.error, done.ended_at = "ready", rows, None, datetime.now(UTC)
    log.info("report_made", report=str(report_id), kind=report.kind, rows=sum(rows.values()))


@contextmanager
def _change(engine: Engine, organisation_id: UUID, report_id: UUID) -> Iterator[Report | None]:
    with unit_of_work(engine, Tenancy((organisation_id,), organisation_id)) as session:
        yield session.get(Report, (organisation_id, report_id))


def _made(engine: Engine, report: Report) -> Path:
    path = service.folder() / report.file
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(f".{report.id}.parquet")
    try:
        with _found(engine, report) as found, half.open("wb") as file:
            put(found, file, "parquet")
            file.flush()
            os.fsync(file.fileno())
        half.replace(path)
    finally:
        half.unlink(missing_ok=True)
    return path


@contextmanager
def _found(engine: Engine, report: Report) -> Iterator[pa.RecordBatchReader]:
    if report.kind == GOLDEN and report.as_of is not None:
        asked = past.Question(report.as_of, report.known_at)
        with past.golden_as_of(engine, lake.EVERYONE, asked) as found:
            yield found
        return
    with reading.published(engine, lake.EVERYONE, build_id=report.build_id) as db:
        yield db.sql(f"select * from {report.kind} order by all").to_arrow_reader(100_000)


def _rows(path: Path) -> dict[str, int]:
    """How many rows each organisation has."""
    with duckdb.connect() as db:
        query = "select organisation_id, count(*) from read_parquet($path) group by organisation_id"
        return dict(db.execute(query, {"path": str(path)}).fetchall())
