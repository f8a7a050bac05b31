"""What holds whatever happens: a worker killed at any point, any batch at all."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text

from connectors.contract import streams
from masterdata.intake import feeds
from masterdata.intake.frame import Frame
from masterdata.intake.models import Batch
from tests.masterdata.plant import Plant, stock

ROOT = Path(__file__).parents[3]
ROWS = [stock("A", 1), stock("A", 2), stock("B", 5), stock("C", 1) | {"quantity": None}]

# The process dies right after this function returns.
POINTS = (
    "masterdata.intake.stock.stage_positions",
    "masterdata.intake.apply.write",
    "masterdata.intake.quarantine.keep",
    "masterdata.intake.identities.refresh",
    "masterdata.ledger.recording.close",
)
CHILD = """
import importlib, os, signal, sys
from pathlib import Path
from uuid import UUID
url, home, organisation, batch, point = sys.argv[1:]
from hub.database import make_engine
from hub.settings import settings
settings().home = Path(home)
from masterdata.intake import apply
name, _, function = point.rpartition(".")
module = importlib.import_module(name)
real = getattr(module, function)
def dying(*args, **more):
    real(*args, **more)
    os.kill(os.getpid(), signal.SIGKILL)
setattr(module, function, dying)
apply.apply_batch(make_engine(url), UUID(organisation), UUID(batch))
"""


@pytest.mark.parametrize("point", POINTS)
def test_a_killed_worker_leaves_nothing_and_the_next_one_does_it_once(
    plant: Plant, committed_db: Any, home: Path, point: str
) -> None:
    batch_id = plant.land("stock_positions", ROWS)
    arguments = [committed_db.application_url, str(home), str(plant.id), str(batch_id), point]
    killed = subprocess.run([sys.executable, "-c", CHILD, *arguments], cwd=ROOT, check=False, timeout=120)
    assert killed.returncode == -9
    assert plant.batch(batch_id)["state"] == "landed"
    assert [plant.all(f"select * from {table}") for table in ("position", "quarantine", "observation")] == [[], [], []]
    assert plant.apply(batch_id) == "applied"
    assert plant.apply(batch_id) == "applied"
    assert plant.quantities() == {"A": Decimal(3), "B": Decimal(5)}
    batch = plant.batch(batch_id)
    assert [batch[k] for k in ("applied", "unchanged", "duplicate", "quarantined")] == [3, 0, 0, 1]


ROW = st.fixed_dictionaries(
    {
        "item_id": st.sampled_from(["A", "B", "C", "", None, "x" * 201]),
        "place_id": st.sampled_from(["W1", "W2", None]),
        "lot": st.sampled_from([None, "", "L1", "a\0"]),
        "status": st.sampled_from(["unrestricted", "blocked", "lost"]),
        "unit": st.sampled_from(["C62", "KGM", "箱"]),
        "quantity": st.none() | st.decimals(-(10**20), 10**20, places=9, allow_nan=False),
        "value": st.none() | st.decimals(0, 10**9, places=2),
        "currency": st.sampled_from([None, "CNY", "EUR", "rmb"]),
        "_problem": st.sampled_from([None, None, None, "line 3: 'abc'"]),
    }
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    batches=st.lists(st.lists(ROW, max_size=8), min_size=1, max_size=3), sync=st.sampled_from(["full", "incremental"])
)
def test_every_row_is_accounted_for(plant: Plant, batches: list[list[dict[str, Any]]], sync: str) -> None:
    for rows in batches:
        batch = plant.snapshot(rows, minutes=1, sync=sync)
        told = sum(batch[k] for k in ("applied", "unchanged", "duplicate", "quarantined", "pending"))
        assert told == batch["rows_in"] == len(rows)
        assert batch["state"] in ("applied", "held")
        assert (batch["pending"] == 0) == (batch["state"] == "applied" or not rows)
        kept = plant.one("select count(*) as n from quarantine where batch_id = :id", id=batch["id"])
        assert kept["n"] == batch["quarantined"]


def test_a_batch_that_cannot_be_applied_fails_in_words_and_can_be_tried_again(plant: Plant, home: Path) -> None:
    from masterdata.intake import apply, decide, landing

    rows = [stock(f"M{n:05}", n * 7919 % 1009) for n in range(20_000)]
    batch_id = plant.land("stock_positions", rows)
    path = home / plant.one("select path from landing")["path"]
    away = path.rename(path.with_suffix(".away"))
    with pytest.raises(landing.Missing, match="Restore it from the backup") as error:
        plant.apply(batch_id)
    apply.mark_failed(plant.engine, plant.id, batch_id, str(error.value))
    assert (plant.batch(batch_id)["state"], plant.batch(batch_id)["pending"]) == ("failed", 20_000)
    assert "could not be applied" in plant.one("select error from feed")["error"]
    away.rename(path)
    with plant.session() as session:
        decide.retry(session, batch_id)
    assert plant.apply(batch_id) == "applied"
    assert plant.one("select error from feed")["error"] is None


class Gone:
    """A connection whose server went away: COPY cannot even start."""

    def cursor(self) -> Gone:
        return self

    def copy(self, _: str) -> Any:
        raise psycopg.OperationalError("the server went away")


@pytest.mark.parametrize("query", ["select * from range(3000000) r", "select 1", "select error('broken')"])
def test_rows_on_their_way_to_a_server_that_went_away_hold_nobody(tmp_path: Path, query: str) -> None:
    with duckdb.connect() as connection, ThreadPoolExecutor(1) as other:
        frame = Frame(connection, streams()["stock_positions"], tmp_path)
        copied = other.submit(frame.copy, query, Gone(), "nowhere")  # type: ignore[arg-type]
        assert isinstance(copied.exception(30), psycopg.OperationalError)
    assert not list(tmp_path.iterdir())


def test_a_batch_whose_rows_load_keeps_no_event_from_its_coverage(plant: Plant) -> None:
    """Else an event that holds the ledger's lock and the batch that asks for it next would wait for each other."""
    batch_id = plant.snapshot([stock("A", 1)])["id"]
    with plant.session() as loading, plant.session() as event:
        feeds.coverage(loading, loading.scalars(select(Batch).where(Batch.id == batch_id)).one())
        event.execute(text("set local lock_timeout = '2s'"))
        event.execute(text("update coverage set read_through = read_through"))
