"""Stock changed by hand: the build names it, the ledger's facts make it anew, the next build finds nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from pydantic import SecretStr
from sqlalchemy import text
from typer.testing import CliRunner

from hub.cli import app
from hub.database import Tenancy, unit_of_work
from hub.settings import settings
from masterdata.lake import build, repair
from tests.conftest import Database
from tests.masterdata.lake import publication
from tests.masterdata.lake.rig import Count, Line, Models, Moves, Rig, Row, tries
from tests.masterdata.lake.test_history import histories
from tests.masterdata.plant import Plant, stock

# A key first listed with zero has no sums before something moves it.
KEPT = {
    "position": "select id, quantity, reserved, observed_at, moved_at from position",
    "material_stock": "select * from material_stock where oldest_at is not null",
    "holding": "select * from holding where oldest_at is not null",
}
BY_HAND = (
    "update position set quantity = quantity + 1, reserved = 99, observed_at = null, moved_at = null",
    "update material_stock set on_hand = on_hand - 3, coverage_id = -coverage_id",
    "update holding set on_hand = -1, value = 7, is_apart = not is_apart",
    "delete from holding where unit <> 'C62'",
)


@pytest.fixture
def rig(plant: Plant, tmp_path: Path, committed_db: Database) -> Rig:
    """Without models: only the ledger is asked."""
    return Rig(plant, Models({}, ""), tmp_path, committed_db.owner_engine)


# A snapshot that a late movement makes explicit repeats what was reserved.
REPEATED = [
    *(Count(at, 0, "full", (Row("a", 5, 2),)) for at in (0, 2)),
    Moves(0, "incremental", "balance+movements", (Line("d1", "a", 1, 1),)),
]


@tries(10)
@given(history=histories)
def test_facts_make_anew_whatever_was_changed(rig: Rig, history: list) -> None:
    rig.clear()
    is_made_anew(rig, history)


def test_facts_make_anew_what_a_snapshot_repeated(rig: Rig) -> None:
    is_made_anew(rig, REPEATED)


def is_made_anew(rig: Rig, history: list) -> None:
    rig.take(*history)
    before = held(rig.plant)
    spoil(rig.owner, rig.plant, *BY_HAND)
    ids = [row["id"] for row in rig.plant.all("select id from position")]
    done = mend(rig.plant, ids)
    assert (done.positions, held(rig.plant)) == (len(ids), before)
    assert mend(rig.plant, ids).positions == 0


def held(plant: Plant) -> dict[str, Any]:
    """The live view: positions, sums, holdings."""
    return {table: sorted(map(str, plant.all(query))) for table, query in KEPT.items()}


def spoil(owner: Any, plant: Plant, *changes: str) -> None:
    with unit_of_work(owner, Tenancy((plant.id,), plant.id)) as session:
        for change in changes:
            session.execute(text(change))


def mend(plant: Plant, ids: list[int]) -> repair.Repaired:
    with plant.session() as session:
        return repair.repair_positions(session, ids, "test")


def command(database: Database, *arguments: str) -> str:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(settings(), "database_url", SecretStr(database.url))
        patched.setattr(settings(), "application_url", SecretStr(database.application_url))
        said = CliRunner().invoke(app, ["repair", *arguments])
    assert said.exit_code == (1 if "✗" in said.output else 0)
    return said.output


def differences(plant: Plant) -> set[tuple[str, str]]:
    """What a build finds, by kind and item."""
    found = publication.findings(plant.engine, build.build(plant.engine), "difference")
    return {(one.name, one.detail["item"]) for one in found}


def test_a_build_names_what_was_changed_and_the_command_mends_it(works: Plant, base: Database) -> None:
    items = [{"item_id": item, "name": item, "base_unit": "C62", "unit_cost": 2} for item in "ABC"]
    works.deliver("materials", items)
    works.snapshot([stock(item, 10) for item in "ABC"])
    assert differences(works) == set()
    spoil(
        base.owner_engine,
        works,
        "update position set quantity = 9.5 where material_id = (select id from source_material where item_id = 'A')",
        "update holding set value = 1 where material_id = (select id from source_material where item_id = 'C')",
    )
    assert differences(works) == {("position", "A"), ("holding", "C")}
    assert "2 materials made anew; 1 positions were not" in command(base, "--build", "latest")
    assert differences(works) == set()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [((), "Name positions"), (("--build", "x"), "x is not the id"), (("999",), "There is no position 999")],
)
def test_the_command_says_what_it_cannot_do(works: Plant, base: Database, arguments: Any, said: str) -> None:
    assert said in command(base, *arguments)
