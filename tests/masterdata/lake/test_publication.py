"""What readers see is one whole build, whatever happens to the next one: a red check, a kill, a full disk."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from typing import Any

import pytest
from sqlalchemy import text

from hub import lake
from hub.columns import new_id
from hub.database import NOBODY, Tenancy, unit_of_work
from hub.errors import Conflict
from masterdata.lake import bronze, build, publish, reading
from tests.conftest import Database
from tests.masterdata.lake import publication
from tests.masterdata.lake.publication import seen
from tests.masterdata.lake.rig import Models
from tests.masterdata.plant import T0, Plant, move, stock

Start = Callable[..., BaseProcess]
# Where a build is killed; HUB_TEST_ROUNDS asks for more.
STEPS = ["readers", *(["models", "lake"] if "HUB_TEST_ROUNDS" in os.environ else [])]
ONE_BUILD = text(
    "select b.id, min(m.on_hand), count(distinct m.on_hand), count(*) from mart_material m cross join build b"
    " where b.is_current group by b.id"
)
TWO_MARTS = (
    "select count(distinct on_hand), count(*) from (select on_hand from gold.golden_inventory"
    " union all select on_hand from gold.stock_cover)"
)


@pytest.fixture(scope="module")
def built(works: Plant) -> Plant:
    """A plant whose first build is published, and more has come since."""
    works.deliver("materials", [{"item_id": item, "name": item, "base_unit": "C62"} for item in "AB"])
    works.snapshot([stock("A", 10), stock("B", 10)])
    moved = [move("A", 2, "1", T0), move("B", -1, "2", T0, kind="issue")]
    works.deliver("stock_movements", moved, sync="incremental", counts="balance")
    build.build(works.engine)
    works.snapshot([stock("A", 11), stock("B", 11)], minutes=5)
    return works


def test_a_red_check_leaves_the_publication_and_says_which_row(built: Plant) -> None:
    before = seen(built.engine)
    rewrite = publication.rewrite
    rewrite(built.engine, bronze.OBSERVATION, "place_id = 'W9'", "item_id = 'A' and quantity = 10", new_id())
    with pytest.raises(build.BuildFailed, match="keys_as_written"):
        build.build(built.engine)
    assert seen(built.engine) == before
    failed = publication.newest(built.engine)
    assert (failed.state, failed.is_current, failed.error) == ("failed", False, "Not published: keys_as_written.")
    (found,) = publication.findings(built.engine, failed.id, "bronze")
    first = built.one("select id from batch where stream = 'stock_positions' order by observed_at limit 1")
    told = {"batch_id": str(first["id"]), "row_no": "0", "item_id": "A", "place_id": "W9"}
    assert (found.name, found.detail) == ("keys_as_written", told)
    rewrite(built.engine, bronze.OBSERVATION, "place_id = 'W1'", "item_id = 'A' and quantity = 10", new_id())


@pytest.mark.parametrize(("where", "after"), [((lake, "overwrite"), 2), ((publish, "stage"), 1)])
def test_a_full_disk_leaves_the_publication(
    built: Plant, monkeypatch: pytest.MonkeyPatch, where: tuple[Any, str], after: int
) -> None:
    before = seen(built.engine)
    does, left = getattr(*where), iter(range(after))

    def write(*given: Any, **more: Any) -> Any:
        if next(left, None) is None:
            raise OSError(errno.ENOSPC, "No space left on device")
        return does(*given, **more)

    monkeypatch.setattr(*where, write, raising=False)
    with pytest.raises(OSError, match="No space left"):
        build.build(built.engine)
    assert seen(built.engine) == before
    failed = publication.newest(built.engine)
    assert (failed.state, failed.is_current, "No space left" in (failed.error or "")) == ("failed", False, True)


def test_a_build_killed_midway_leaves_the_publication(
    built: Plant, base: Database, whole: Models, start: Start
) -> None:
    before = seen(built.engine)
    dead = []
    for step in STEPS:
        process = start(base, publication.die_in, whole, step)
        process.join(90)
        assert process.exitcode == -9
        assert seen(built.engine) == before
        dead.append(publication.newest(built.engine))
        assert dead[-1].state == "running"
    made = build.build(built.engine)
    for one in dead:
        row = built.one("select state, error, is_current from build where id = :id", id=one.id)
        assert row == {"state": "failed", "error": "Its process ended before the build did.", "is_current": False}
    assert seen(built.engine)["current"].id == made


def test_a_build_that_lost_its_lock_leaves_the_publication(built: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another began, and took it for dead."""
    before, does = seen(built.engine), publish.to_lake

    def while_another_begins(*given: Any) -> Any:
        with unit_of_work(built.engine, NOBODY) as session:
            session.execute(text("update build set state = 'failed', error = 'dead' where state = 'running'"))
        return does(*given)

    monkeypatch.setattr(publish, "to_lake", while_another_begins)
    with pytest.raises(Conflict, match="Another build has begun"):
        build.build(built.engine)
    assert seen(built.engine) == before


@contextmanager
def looking(plant: Plant, told: set[tuple[Any, ...]]) -> Any:
    """Read, over and over, what PostgreSQL and the lake serve."""
    done = threading.Event()

    def look() -> None:
        is_last = False
        while not is_last:
            is_last = done.is_set()
            with unit_of_work(plant.engine, Tenancy((plant.id,))) as session:
                told.update(("mart", *row) for row in session.execute(ONE_BUILD).all())
            with reading.published(plant.engine, lake.EVERYONE) as db:
                told.update(("lake", *row) for row in db.execute(TWO_MARTS).fetchall())

    reader = threading.Thread(target=look)
    reader.start()
    while reader.is_alive() and len(told) < 2:
        time.sleep(0.05)
    try:
        yield
    finally:
        done.set()
        reader.join()


def test_readers_see_one_build_or_the_other(built: Plant) -> None:
    """Each build holds as much of one item as of the other, and no other as much: whoever sees two figures, or two of
    one build, saw two builds."""
    told: set[tuple[Any, ...]] = set()
    with looking(built, told):
        built.snapshot([stock("A", 20), stock("B", 20)], minutes=10)
        build.build(built.engine)
    served = {row[1:] for row in told if row[0] == "mart"}
    assert {row[-2:] for row in served} == {(1, 2)}
    assert {row[1:] for row in told if row[0] == "lake"} == {(1, 4)}
    assert len({row[0] for row in served}) == len(served) >= 2
