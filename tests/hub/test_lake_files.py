"""Files of answers behind the fence: the reader's rows alone, one question at a time, without the lake's libraries."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hub.columns import new_id
from hub.errors import NotFound, Unavailable
from hub.lake import files
from hub.settings import settings

OURS, THEIRS = new_id(), new_id()
ROWS = "select figure, file_row_number from answer order by file_row_number"


@pytest.fixture
def answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(settings(), "home", tmp_path)
    path = tmp_path / "it's.parquet"
    owners = [str(OURS), str(THEIRS), str(OURS)]
    pq.write_table(pa.table({"organisation_id": owners, "figure": [1, 2, 3]}), path)
    return path


@pytest.mark.parametrize(
    ("readable", "seen"), [([OURS, THEIRS], [1, 2, 3]), ([OURS], [1, 3]), ([THEIRS], [2]), ([new_id()], []), ([], [])]
)
def test_rows_are_the_readers_alone(answer: Path, readable: list, seen: list[int]) -> None:
    with files.connect_file(answer, readable) as db:
        assert db.execute("select figure from answer order by file_row_number").fetchall() == [(n,) for n in seen]


def test_one_question_at_a_time(answer: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "TURN_SECONDS", 0.05)
    with files.connect_file(answer, [OURS]), pytest.raises(Unavailable), files.connect_file(answer, [OURS]):
        pass
    with pytest.raises(ZeroDivisionError), files.connect_file(answer, [OURS]):
        raise ZeroDivisionError
    with files.connect_file(answer, [OURS]) as db:
        assert db.execute(ROWS).fetchall() == [(1, 0), (3, 2)]
        assert db.execute("select current_setting('memory_limit')").fetchall() == [("244.1 MiB",)]


def test_a_file_that_is_gone_is_said(answer: Path) -> None:
    answer.unlink()
    with pytest.raises(NotFound), files.connect_file(answer, [OURS]):
        pass


def test_whoever_reads_answers_loads_duckdb_alone() -> None:
    heavy = ("pyiceberg", "dbt", "pandas", "great_expectations")
    check = (
        "import sys, masterdata.reports.answers; from hub import lake; assert 'duckdb' not in sys.modules; "
        f"lake.connect_file; print([m for m in {heavy} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
