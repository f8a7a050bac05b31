"""The landing zone over time: raw rows read fast, small bodies rolled, old ones forgotten."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from hub.errors import NotFound
from masterdata.intake import landing, retention, rows
from tests.masterdata.plant import Plant, stock


def age(plant: Plant, days: float) -> None:
    with plant.session() as session:
        session.execute(
            text("update landing set created_at = created_at - make_interval(secs => :s)"), {"s": days * 86_400}
        )


def raw(plant: Plant, batch_id: object, row_no: int) -> str | None:
    with plant.session(acting=False) as session:
        return rows.get_row(session, batch_id, row_no).raw  # type: ignore[arg-type]


def test_rolled_bodies_are_read_as_before(plant: Plant, home: Path) -> None:
    batches = [plant.land("stock_positions", [stock("A", n)]) for n in range(10)]
    before = [raw(plant, b, 0) for b in batches]
    assert retention.roll(plant.engine) == 0
    age(plant, 0.1)
    assert retention.roll(plant.engine) == 10
    assert [raw(plant, b, 0) for b in batches] == before
    assert plant.one("select count(*) as n from landing where body is not null")["n"] == 0
    assert len(list((home / "landing").rglob("*/rolled/*"))) == 1
    assert plant.apply(batches[3]) == "applied"


def test_bodies_past_their_time_are_removed_with_their_files(plant: Plant, home: Path) -> None:
    old = plant.snapshot([stock(f"M{n * 7919 % 20_011}", n) for n in range(9_000)])["id"]
    age(plant, 401)
    young = plant.land("stock_positions", [stock(f"N{n * 7919 % 20_011}", n) for n in range(9_000)])
    assert retention.forget(plant.engine) == 1
    assert len([p for p in (home / "landing").rglob("*") if p.is_file()]) == 1
    assert raw(plant, young, 5)
    with pytest.raises(landing.Missing, match="HUB_LANDING_DAYS"):
        raw(plant, old, 5)


def test_a_body_that_came_again_is_kept_from_then_on(plant: Plant) -> None:
    rows_ = [stock("A", 1)]
    plant.snapshot(rows_)
    age(plant, 401)
    again = plant.snapshot(rows_, minutes=5)["id"]
    assert retention.forget(plant.engine) == 0
    assert raw(plant, again, 0)


def keep(plant: Plant, body: bytes, kept: threading.Event, seconds: float = 0) -> None:
    with plant.session() as session:
        landing.keep_new(session, plant.id, {sha256(body).hexdigest(): body})
        kept.set()
        time.sleep(seconds)


def test_a_body_that_comes_again_while_it_is_forgotten_keeps_its_file(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    body, again, remove = os.urandom(landing.SMALL), threading.Event(), landing.remove_files
    keep(plant, body, threading.Event())
    age(plant, 401)
    thread = threading.Thread(target=keep, args=(plant, body, again, 0.3))

    def meanwhile(session: Session, organisation_id: UUID, paths: Sequence[str]) -> None:
        thread.start()
        assert again.wait(5)
        remove(session, organisation_id, paths)

    monkeypatch.setattr(landing, "remove_files", meanwhile)
    assert retention.forget(plant.engine) == 1
    thread.join()
    with plant.session() as session:
        named = landing.find(session, plant.id, sha256(body).hexdigest())
        with landing.open_body(named) as file:
            assert file.read() == body


def test_a_body_somebody_has_yet_to_decide_on_is_kept(plant: Plant) -> None:
    plant.snapshot([stock("A", 1)])
    held = plant.snapshot([], minutes=5)
    waiting = plant.land("stock_positions", [stock("A", 2)])
    age(plant, 401)
    assert (held["state"], retention.forget(plant.engine)) == ("held", 1)
    assert plant.apply(waiting) == "applied"
    assert retention.forget(plant.engine) == 1


def test_leavings_of_broken_uploads_are_swept(plant: Plant, home: Path) -> None:
    old, young = home / "uploads" / "old", home / "uploads" / "young"
    old.parent.mkdir(parents=True)
    for path in (old, young):
        path.write_bytes(b"x")
    month = time.time() - 31 * 86_400
    os.utime(old, (month, month))
    retention.forget(plant.engine)
    assert (old.exists(), young.exists()) == (False, True)


def test_one_raw_row_of_a_large_file_is_read_fast(plant: Plant) -> None:
    given = [stock(f"M{n:07}", n) for n in range(60_000)]
    batch_id = plant.land("stock_positions", given)
    assert "M0031415" in str(raw(plant, batch_id, 31_415))
    took = []
    for row_no in (5, 59_999, 20_000):
        start = time.perf_counter()
        raw(plant, batch_id, row_no)
        took.append(time.perf_counter() - start)
    assert min(took) < 0.1
    with pytest.raises(NotFound, match="has no row 60000"):
        raw(plant, batch_id, 60_000)
