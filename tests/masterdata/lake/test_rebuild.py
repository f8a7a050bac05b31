"""The lake made anew from landed bodies: its folder lost, moved with HUB_HOME, or a row of bronze changed by hand."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import text
from typer.testing import CliRunner

from hub import lake
from hub.cli import app
from hub.columns import new_id
from hub.errors import Unavailable, Unprocessable
from hub.settings import settings
from masterdata.lake import append, bronze, build
from masterdata.lake.rebuild import rebuild
from tests.conftest import Database
from tests.masterdata.lake import publication
from tests.masterdata.lake.rig import Append, Count, Line, Models, Moves, Rig, Row
from tests.masterdata.plant import Plant, stock

TOLD = (
    Moves(0, "incremental", "balance+movements", (Line("d1", "a", 1, 1), Line("", "b", 2, 2))),
    *(Count(n, 0, "full", (Row("a", n), Row("b", 1))) for n in range(3)),
    Append(),
    *(Count(n, 0, "full", (Row("a", n),)) for n in range(3, 6)),
    Append(),
)


@pytest.fixture
def rig(plant: Plant, tmp_path: Path, committed_db: Database) -> Rig:
    """Without models: only bronze is asked."""
    made = Rig(plant, Models({}, ""), tmp_path, committed_db.owner_engine)
    made.take(*TOLD)
    return made


def lose(rig: Rig) -> None:
    shutil.rmtree(settings().home / "lake")


def spoil(rig: Rig) -> None:
    publication.rewrite(rig.plant.engine, bronze.OBSERVATION, "quantity = 9", "item_id = 'b'", new_id())


def move(rig: Rig) -> None:
    """HUB_HOME in another folder."""
    home = settings().home
    shutil.copytree(home / "lake", home / "elsewhere" / "lake")
    shutil.rmtree(home / "lake")
    settings().home = home / "elsewhere"


@pytest.mark.parametrize("happened", [lose, spoil, move])
def test_bronze_is_what_it_was(rig: Rig, happened: Callable[[Rig], None]) -> None:
    before = whole(rig)
    happened(rig)
    assert rebuild(rig.plant.engine) == len(rig.batches)
    assert whole(rig) == before
    assert append.append_pending(rig.plant.engine) == 0


def whole(rig: Rig) -> list[tuple[Any, ...]]:
    with lake.connect(rig.plant.engine, lake.EVERYONE) as db:
        return [db.execute(f"from {spec.name} order by all").fetchall() for spec in bronze.TABLES.values()]


@pytest.mark.parametrize("happened", [lose, move])
def test_files_that_are_not_there_are_told_with_the_way_out(rig: Rig, happened: Callable[[Rig], None]) -> None:
    happened(rig)
    for read in (append.append_pending, whole_of):
        with pytest.raises(Unavailable, match=r"bronze\.stock_\w+ are not where .*`hub lake rebuild`"):
            read(rig.plant.engine)


def whole_of(engine: Any) -> None:
    with lake.connect(engine, lake.EVERYONE):
        pass


def test_killed_at_any_instant_it_is_carried_on(rig: Rig, committed_db: Any, start: Callable[..., BaseProcess]) -> None:
    before = whole(rig)
    lose(rig)
    for instant in ("forgetting", "forgotten", "claimed", "one table written", "all written"):
        process = start(committed_db, publication.die_rebuilding, instant)
        process.join(90)
        assert process.exitcode == -9
    rebuild(rig.plant.engine)
    assert whole(rig) == before


def test_the_next_append_carries_on_too(rig: Rig, committed_db: Any, start: Callable[..., BaseProcess]) -> None:
    before = whole(rig)
    lose(rig)
    process = start(committed_db, publication.die_rebuilding, "one table written")
    process.join(90)
    assert (process.exitcode, append.append_pending(rig.plant.engine) > 0) == (-9, True)
    assert whole(rig) == before


def test_nothing_is_forgotten_where_a_body_is_gone(rig: Rig) -> None:
    before = whole(rig)
    with rig.plant.session() as session:
        session.execute(
            text("delete from landing l using batch b where b.sha256 = l.sha256 and b.id = :id"),
            {"id": rig.batches[2]},
        )
    with pytest.raises(Unprocessable, match=f"1 batches cannot be read again.*{rig.batches[2]}"):
        rebuild(rig.plant.engine)
    assert whole(rig) == before


def test_the_command_makes_bronze_and_marts_anew(works: Plant, base: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    works.snapshot([stock("A", 10)])
    build.build(works.engine)
    before = publication.seen(works.engine)
    shutil.rmtree(settings().home / "lake")
    monkeypatch.setattr(settings(), "database_url", SecretStr(base.url))
    monkeypatch.setattr(settings(), "application_url", SecretStr(base.application_url))
    said = CliRunner().invoke(app, ["lake", "rebuild"])
    assert (said.exit_code, "1 batches read again" in said.output) == (0, True), said.output
    after, made = publication.seen(works.engine), publication.newest(works.engine)
    assert (made.is_current, made.figures["differences"], made.figures["damaged"]) == (True, 0, 0)
    assert after["gold.golden_inventory"] == before["gold.golden_inventory"]


def test_a_lake_that_was_migrated_is_read_on(works: Plant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build.build(works.engine)
    before = publication.seen(works.engine)
    lake.migrate(works.engine, f"file://{tmp_path}/there")
    shutil.rmtree(settings().home / "lake")
    monkeypatch.setattr(settings(), "lake_url", f"file://{tmp_path}/there")
    assert publication.seen(works.engine) == before
    build.build(works.engine)
    after, made = publication.seen(works.engine), publication.newest(works.engine)
    assert (after["gold.golden_inventory"], made.figures["damaged"]) == (before["gold.golden_inventory"], 0)
