"""An answer is made once and whole, says what kept it from being made, and goes after its time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa
import pytest
from sqlalchemy import text

from hub.columns import new_id
from hub.errors import NotFound
from hub.settings import settings
from masterdata.lake import apart
from masterdata.reports import making, service, upkeep
from masterdata.reports.models import Report
from masterdata.reports.schemas import GOLDEN
from tests.masterdata.plant import T0, Plant

Found = Callable[..., Any]


@pytest.fixture
def asked(plant: Plant) -> UUID:
    """A report of the plant's that waits."""
    return ask(plant)


def ask(plant: Plant, file: str = "golden.parquet", **more: Any) -> UUID:
    given = {"kind": GOLDEN, "as_of": T0, "known_at": T0, "build_id": new_id(), "asked_by": new_id(), "rows": {}}
    with plant.session() as session:
        report = Report(id=new_id(), organisation_id=plant.id, file=file, **given | more)
        session.add(report)
    return report.id


@pytest.fixture
def found(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the lake is asked; it answers with two rows of the plant and one of another."""
    told: list[str] = []

    @contextmanager
    def answer(_: Any, report: Report) -> Iterator[pa.RecordBatchReader]:
        told.append(report.file)
        yield pa.table({"organisation_id": [str(plant.id)] * 2 + [str(new_id())]}).to_reader()

    monkeypatch.setattr(making, "_found", answer)
    return told


def state(plant: Plant, report_id: UUID) -> tuple[Any, ...]:
    row = plant.one("select state, rows, error from report where id = :id", id=report_id)
    return row["state"], row["rows"].get(str(plant.id)), row["error"]


def left() -> list[str]:
    return sorted(path.name for path in service.folder().glob("*"))


def test_an_answer_is_made_once_for_all_who_ask(plant: Plant, asked: UUID, found: list[str]) -> None:
    making.make(plant.engine, plant.id, asked)
    making.make(plant.engine, plant.id, asked)
    assert (state(plant, asked), left(), found) == (("ready", 2, None), ["golden.parquet"], ["golden.parquet"])
    making.make(plant.engine, plant.id, new_id())
    assert left() == ["golden.parquet"]


@pytest.mark.parametrize(
    ("error", "told"),
    [(NotFound("It has no snapshot."), "It has no snapshot."), (OSError("row 7: secret"), making.UNTOLD)],
)
def test_what_failed_says_so_and_leaves_no_half(
    plant: Plant, asked: UUID, monkeypatch: pytest.MonkeyPatch, error: Exception, told: str
) -> None:
    def broken() -> Iterator[pa.RecordBatch]:
        yield pa.record_batch({"organisation_id": [str(plant.id)]})
        raise error

    @contextmanager
    def answer(*_: Any) -> Iterator[pa.RecordBatchReader]:
        yield pa.RecordBatchReader.from_batches(pa.schema([("organisation_id", pa.string())]), broken())

    monkeypatch.setattr(making, "_found", answer)
    with pytest.raises(type(error)):
        making.make(plant.engine, plant.id, asked)
    assert (state(plant, asked), left()) == (("failed", None, told), [])


def test_a_process_that_ends_without_a_word_has_failed(
    plant: Plant, asked: UUID, found: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[tuple[str, ...]] = []
    monkeypatch.setattr(apart, "run", lambda *given: ran.append(given))
    upkeep.make(plant.engine, str(plant.id), str(asked))
    assert (ran, state(plant, asked)) == (
        [("answer", str(plant.id), str(asked))],
        ("failed", None, service.LOST),
    )
    monkeypatch.setattr(apart, "run", lambda *_: making.make(plant.engine, plant.id, asked))
    upkeep.make(plant.engine, str(plant.id), str(asked))
    assert state(plant, asked) == ("ready", 2, None)


def test_reports_go_after_their_time_and_files_with_the_last_that_names_them(plant: Plant, found: list[str]) -> None:
    first, second = ask(plant, "old.parquet"), ask(plant, "new.parquet")
    for report_id in (first, second):
        making.make(plant.engine, plant.id, report_id)
    (service.folder() / ".half.parquet").touch()
    assert upkeep.forget(plant.engine) == 0
    assert left() == [".half.parquet", "new.parquet", "old.parquet"]
    age(plant, first, settings().report_days + 1)
    for name in left():
        os.utime(service.folder() / name, (0, 0))
    (service.folder() / "arriving.parquet").touch()
    assert upkeep.forget(plant.engine) == 1
    assert left() == ["arriving.parquet", "new.parquet"]
    assert [row["id"] for row in plant.all("select id from report")] == [second]


def age(plant: Plant, report_id: UUID, days: int) -> None:
    with plant.session() as session:
        session.execute(
            text("update report set asked_at = asked_at - :age where id = :id"),
            {"age": timedelta(days=days), "id": report_id},
        )


def test_the_folder_is_the_hubs_own(home: Path) -> None:
    assert service.folder() == home / "reports"
