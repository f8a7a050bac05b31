"""The spool: one durable step per read, whatever moment the power goes."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.reader import read_stream
from connectors.spool import Spool, SpoolBusy, SpoolError, SpoolFull, Writing
from tests.connectors.literal import LiteralSource, parts, stock

STREAM = "stock_positions"
STEPS = ["write_table", "close", "fsync", "rename", "keep"]


class PowerCut(BaseException):
    """The process ends here: no handler of ours may run to any use."""


def rows_of(spool: Spool) -> list[int]:
    return [int(q) for b in spool.batches("ready", 1_000) for q in pq.read_table(b.path)["quantity"].to_pylist()]


@settings(max_examples=15)
@given(st.lists(st.tuples(st.sampled_from(STEPS), st.booleans()), min_size=1, max_size=6))
def test_a_cut_at_any_step_neither_loses_nor_doubles(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[tuple[str, bool]]
) -> None:
    folder, source = tmp_path_factory.mktemp("spool"), LiteralSource()
    for day, (step, after) in enumerate(cuts, 1):
        source.rows.append(stock("A", day, at=f"2026-01-{day:02} 10:00:00"))
        made = parts(folder, source)
        with pytest.MonkeyPatch.context() as patch:
            cut(patch, step, after=after)
            with pytest.raises(PowerCut):
                read_stream(made, STREAM, "incremental")
        made.spool.close()
    made = parts(folder, source)
    read_stream(made, STREAM, "incremental")
    assert rows_of(made.spool) == list(range(1, len(cuts) + 1))
    assert len(list(made.spool.bodies.iterdir())) == len(made.spool.batches("ready"))
    made.spool.close()


def cut(patch: pytest.MonkeyPatch, step: str, *, after: bool) -> None:
    """Let the named step fail, before or after it took effect; nothing is tidied up on the way out."""
    target = {"write_table": pq.ParquetWriter, "close": pq.ParquetWriter, "fsync": os, "rename": Path, "keep": Spool}[
        step
    ]
    real, came = getattr(target, step), []

    def failing(*args: object, **named: object) -> None:
        if came or after:
            real(*args, **named)
        if not came:
            came.append(step)
            raise PowerCut

    patch.setattr(target, step, failing)
    patch.setattr(Writing, "discard", lambda self: None)


AGENT = """
import sys
from pathlib import Path
from connectors.reader import read_stream
from tests.connectors.literal import LiteralSource, parts, stock
folder, total = Path(sys.argv[1]), int(sys.argv[2])
rows = [stock("A", n, at=f"2026-01-01 10:{n // 60:02}:{n % 60:02}") for n in range(1, total + 1)]
source = LiteralSource(page_rows=7)
made = parts(folder, source)
print("ready", flush=True)
for n in range(3, total + 3, 3):
    source.rows = rows[:n]
    read_stream(made, "stock_positions", "incremental")
"""


def test_kill_9_at_random_moments_neither_loses_nor_doubles(tmp_path: Path) -> None:
    chance, total = random.Random(7), 90
    for _ in range(4):
        process = subprocess.Popen([sys.executable, "-c", AGENT, str(tmp_path), str(total)], stdout=subprocess.PIPE)
        assert process.stdout and process.stdout.readline() == b"ready\n"
        time.sleep(chance.uniform(0.0, 0.5))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
    subprocess.run([sys.executable, "-c", AGENT, str(tmp_path), str(total)], check=True, stdout=subprocess.DEVNULL)
    spool = Spool(tmp_path / "spool")
    assert sorted(rows_of(spool)) == list(range(1, total + 1))
    spool.close()


def test_an_unusable_folder_is_not_taken_for_another_agent(tmp_path: Path) -> None:
    (tmp_path / "u8" / "lock.db").mkdir(parents=True)
    with pytest.raises(SpoolError, match=r"u8 cannot be used \(unable to open database file\)") as caught:
        Spool(tmp_path / "u8")
    assert not isinstance(caught.value, SpoolBusy)


def test_a_second_agent_is_refused(tmp_path: Path) -> None:
    first = Spool(tmp_path / "u8")
    with pytest.raises(SpoolBusy, match="another agent already works on u8"):
        Spool(tmp_path / "u8")
    first.close()
    Spool(tmp_path / "u8").close()


def test_a_full_disk_keeps_the_cursor_and_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = parts(tmp_path, LiteralSource([stock("A", 1, at="2026-01-01 10:00:00")]))

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pq.ParquetWriter, "write_table", full)
    with pytest.raises(SpoolFull, match="is full: nothing was kept of this read and its cursor stays; free some space"):
        read_stream(made, STREAM, "incremental")
    assert list(made.spool.bodies.iterdir()) == [] and made.spool.state(STREAM).cursor is None
    monkeypatch.undo()
    read_stream(made, STREAM, "incremental")
    assert rows_of(made.spool) == [1]


def test_acknowledged_batches_are_kept_thirty_days(tmp_path: Path) -> None:
    made = parts(tmp_path, LiteralSource([stock("A", 1)]))
    read_stream(made, STREAM, "full")
    (batch,) = made.spool.batches("ready")
    made.spool.acknowledge(batch.header.batch_id)
    assert made.spool.purge(datetime.now(UTC) + timedelta(days=29)) == 0 and batch.path.exists()
    assert made.spool.purge(datetime.now(UTC) + timedelta(days=31)) == 1 and not batch.path.exists()


def test_a_refused_batch_survives_a_restart_and_can_go_again(tmp_path: Path) -> None:
    made = parts(tmp_path, LiteralSource([stock("A", 1)]))
    read_stream(made, STREAM, "full")
    made.spool.refuse(made.spool.batches("ready")[0].header.batch_id, "unknown organisation")
    made.spool.close()
    spool = Spool(tmp_path / "spool")
    (batch,) = spool.batches("refused")
    assert batch.path.exists() and batch.problem == "unknown organisation" and spool.batches("ready") == []
    spool.again(batch.header.batch_id)
    assert rows_of(spool) == [1]


def test_bodies_have_small_row_groups(tmp_path: Path) -> None:
    made = parts(tmp_path, LiteralSource([stock("A", n) for n in range(1, 10_001)], page_rows=50_000))
    read_stream(made, STREAM, "full")
    file = pq.ParquetFile(made.spool.batches("ready")[0].path)
    sizes = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
    assert max(sizes) == 4_096 and sum(sizes) == 10_000 and isinstance(file.schema_arrow, pa.Schema)
    file.close()
