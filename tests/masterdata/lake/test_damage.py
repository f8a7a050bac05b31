"""One row changed by hand in bronze, in gold, in what PostgreSQL serves, in the live view: found and named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest
from sqlalchemy import text

from hub import lake
from hub.columns import new_id
from hub.lake import catalog
from masterdata.lake import bronze, build, marts
from tests.masterdata.lake import publication
from tests.masterdata.plant import Plant, stock

# Item → what it holds; each is changed in another place.
HELD = {"bronze": 7, "position": 10, "holding": 20, "file": 30, "served": 40}
Findings = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def counted(works: Plant) -> Plant:
    rows = [{"item_id": item, "name": item, "base_unit": "C62", "unit_cost": 2} for item in HELD]
    works.deliver("materials", rows)
    works.snapshot([stock(item, quantity, f"at {item}") for item, quantity in HELD.items()])
    return works


@pytest.fixture(scope="module")
def told(counted: Plant) -> list[Findings]:
    """Findings by kind of three builds: before, with one row changed in each place, and after that one."""
    before = found(counted)
    _spoil(counted)
    return [before, found(counted), found(counted)]


def found(plant: Plant) -> Findings:
    made = build.build(plant.engine)
    kinds = ("difference", "damage")
    return {
        kind: [{"name": one.name, **one.detail} for one in publication.findings(plant.engine, made, kind)]
        for kind in kinds
    }


def _spoil(plant: Plant) -> None:
    publication.rewrite(plant.engine, bronze.OBSERVATION, "quantity = 8", "item_id = 'bronze'", new_id())
    with plant.session() as session:
        for change in (
            "update position set quantity = 9.5 where quantity = 10",
            "update holding set value = value + 1 where on_hand = 20",
            "update mart_material set on_hand = 41 where on_hand = 40",
        ):
            assert session.execute(text(change)).rowcount == 1
    _write_anew(plant, "gold.golden_inventory", "on_hand = 31", "on_hand = 30")


def _write_anew(plant: Plant, name: str, change: str, which: str) -> None:
    """The file itself: the catalog notices nothing."""
    table = catalog.Catalog(plant.engine).table(name)
    (path,) = _files(plant, name)
    numbers = ", ".join(f"{field.name}: {field.field_id}" for field in table.schema().fields)
    with duckdb.connect() as db:
        db.execute(f"create table mine as from read_parquet('{path}', hive_partitioning = false)")
        assert db.execute(f"update mine set {change} where {which}").fetchall() == [(1,)]
        db.execute(f"copy mine to '{path}' (format parquet, field_ids {{{numbers}}})")


def _files(plant: Plant, name: str) -> set[Path]:
    tasks = catalog.Catalog(plant.engine).table(name).scan().plan_files()
    return {Path(task.file.file_path.removeprefix("file://")) for task in tasks}


def of(findings: list[dict[str, Any]], item: str) -> list[dict[str, Any]]:
    return [one for one in findings if one["item"] == item]


def row_of(plant: Plant, item: str) -> tuple[str, int]:
    """Batch and row that brought the item."""
    batch = plant.one("select id from batch where stream = 'stock_positions'")
    return str(batch["id"]), list(HELD).index(item)


def item_of(plant: Plant, damage: dict[str, Any]) -> str:
    found = plant.one("select item_id from source_material where id = :id", id=int(damage["material_id"]))
    return str(found["item_id"])


def test_nothing_is_found_where_nothing_was_changed(told: list[Findings]) -> None:
    assert told[0] == {"difference": [], "damage": []}


def test_what_was_published_is_whole_again_with_the_next_build(told: list[Findings]) -> None:
    assert told[2]["damage"] == []
    assert {one["item"] for one in told[2]["difference"]} == {"bronze", "position", "holding"}


def test_a_row_of_bronze(counted: Plant, told: list[Findings]) -> None:
    position, holding = of(told[1]["difference"], "bronze")
    batch_id, row_no = row_of(counted, "bronze")
    said = {"place": "at bronze", "field": "quantity", "live": "7.000000000", "lake": "8.000000000"}
    where = {"name": "position", "batch_id": batch_id, "row_no": row_no}
    assert {key: position[key] for key in said | where} == said | where
    assert (holding["name"], holding["field"], holding["place"]) == ("holding", "on_hand", "all")


def test_a_position_of_the_live_view(counted: Plant, told: list[Findings]) -> None:
    (position,) = of(told[1]["difference"], "position")
    named = tuple(position[key] for key in ("place", "live", "lake"))
    assert named == ("at position", "9.500000000", "10.000000000")
    assert (position["batch_id"], position["row_no"]) == row_of(counted, "position")


def test_a_holding_of_the_live_view(told: list[Findings]) -> None:
    (holding,) = of(told[1]["difference"], "holding")
    named = [holding[key] for key in ("name", "place", "field", "live", "lake")]
    assert named == ["holding", "all", "value", "41.000000000", "40.000000000"]


def test_a_row_in_a_file_that_readers_read(counted: Plant, told: list[Findings]) -> None:
    """Named beside it: the row that the change of bronze makes another."""
    damaged = [one for one in told[1]["damage"] if one["name"] == "gold.golden_inventory"]
    assert {item_of(counted, one): one["on_hand"][:-10] for one in damaged} == {"file": "31", "bronze": "7"}


def test_a_row_that_postgresql_serves(counted: Plant, told: list[Findings]) -> None:
    (damage,) = [one for one in told[1]["damage"] if one["name"] == "mart_material"]
    assert (damage["on_hand"], item_of(counted, damage)) == ("41.000000000", "served")


def test_rows_by_hand_in_a_new_state_of_a_mart_are_seen_by_nobody(counted: Plant, told: list[Findings]) -> None:
    before = publication.seen(counted.engine)
    spec = marts.specs()["golden_inventory"]
    publication.rewrite(counted.engine, spec, "on_hand = 31", "on_hand = 30", new_id())
    assert publication.seen(counted.engine) == before
    with lake.connect(counted.engine, lake.EVERYONE, tables=[spec]) as db:
        assert db.execute("select count(*) from gold.golden_inventory where on_hand = 31").fetchall() == [(1,)]


@pytest.mark.parametrize("harm", [Path.unlink, lambda path: path.write_bytes(b"PAR1 no file")])
def test_a_file_of_a_mart_that_cannot_be_read_is_made_anew(counted: Plant, told: list[Findings], harm: Any) -> None:
    (path,) = _files(counted, "gold.stock_history")
    harm(path)
    (damage,) = found(counted)["damage"]
    assert (damage["name"], str(path.name) in damage["error"]) == ("gold.stock_history", True)
    assert found(counted)["damage"] == []
