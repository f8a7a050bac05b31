"""One build from end to end, by the command: dbt's own run, checks, publication, fences, questions by SQL."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from pydantic import SecretStr
from sqlalchemy import text
from typer.testing import CliRunner

from hub.cli import app
from hub.database import NOBODY, Tenancy, unit_of_work
from hub.errors import NotFound, Unprocessable
from hub.settings import settings
from masterdata.lake import documentation, reading
from masterdata.lake.publish import SERVED
from tests.conftest import Database
from tests.masterdata import plant as plants
from tests.masterdata.lake import publication
from tests.masterdata.lake_models.conftest import quietly
from tests.masterdata.plant import T0, Plant, move, stock

ROOT = Path(__file__).parents[3]
OWNERS = "select distinct organisation_id from {} order by 1"


def neighbour(plant: Plant, patched: pytest.MonkeyPatch) -> Plant:
    """A second organisation, `beihe`, with a system of its own."""
    for name in ("_ORGANISATION", "_SYSTEM", "_GRANT"):
        query = getattr(plants, name).text.replace("qingyu", "beihe").replace("'u8'", "'k3'")
        patched.setattr(plants, name, text(query))
    return Plant(plant.engine)


def fill(plant: Plant, **to: str) -> None:
    record = {"item_id": "A", "name": "Bearing", "base_unit": "C62", "unit_cost": Decimal(3), "currency": "CNY"}
    plant.deliver("materials", [record], **to)
    on_the_road = stock("A", 5, "W3", owner="V1", status="in_transit")
    plant.snapshot([stock("A", 10), stock("A", 4, "W2", owner="V1"), on_the_road], **to)
    moves = [move("A", 12, "1", T0), move("A", -2, "2", T0, kind="issue")]
    plant.deliver("stock_movements", moves, sync="incremental", counts="balance", **to)


@pytest.fixture(scope="module")
def both(base: Database, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Two organisations of one build, and what the command said."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(settings(), "home", tmp_path_factory.mktemp("home"))
        patched.setattr(settings(), "database_url", SecretStr(base.url))
        patched.setattr(settings(), "application_url", SecretStr(base.application_url))
        plant = Plant(base.engine)
        fill(plant)
        other = neighbour(plant, patched)
        fill(other, system="k3", organisation="beihe")
        with quietly():
            said = CliRunner().invoke(app, ["build"])
        yield plant, other, said


def test_the_command_publishes_and_says_what_it_compared(both: Any) -> None:
    plant, _, said = both
    assert said.exit_code == 0, said.output
    assert "6 positions, 0 differences" in said.output
    made = publication.newest(plant.engine)
    assert (made.state, made.is_current, made.figures["damaged"]) == ("published", True, 0)
    assert [step["name"] for step in made.steps][:3] == ["pin", "bronze", "bronze_checks"]
    assert {"bronze", "model", "test", "gold"} <= {check["kind"] for check in made.checks}
    assert all(check["is_kept"] for check in made.checks)


def test_marts_are_served_to_their_organisation_alone(both: Any) -> None:
    plant, other, _ = both
    for one, stranger in ((plant, other), (other, plant)):
        rows = one.all("select organisation_id, on_hand, value from mart_material")
        assert [tuple(row.values()) for row in rows] == [(one.id, Decimal(10), Decimal(30))]
        for table in SERVED:
            owners = {row["organisation_id"] for row in one.all(f"select organisation_id from {table}")}
            assert owners == {one.id}, table
            with unit_of_work(one.engine, Tenancy((one.id,), one.id)) as session:
                values = {"id": stranger.id}
                assert session.execute(text(f"delete from {table} where organisation_id = :id"), values).rowcount == 0
    with unit_of_work(plant.engine, NOBODY) as session:
        assert [session.execute(text(f"select count(*) from {table}")).scalar() for table in SERVED] == [0, 0, 0]


def ask(plant: Plant, query: str, *keys: str) -> list[dict[str, Any]]:
    with reading.asked(plant.engine, query, keys) as found:
        return list(reading.first(found, 100))


@pytest.mark.parametrize("table", ["gold.golden_inventory", "gold.stock_history", "bronze.stock_observation"])
def test_questions_are_narrowed_to_organisations(both: Any, table: str) -> None:
    plant, other, _ = both
    owners = sorted([str(plant.id), str(other.id)])
    assert [row["organisation_id"] for row in ask(plant, OWNERS.format(table))] == owners
    assert ask(plant, OWNERS.format(table), "beihe") == [{"organisation_id": str(other.id)}]


@pytest.mark.parametrize("keys", [(), ("beihe",)])
def test_questions_compare_ids(both: Any, keys: tuple[str, ...]) -> None:
    plant, *_ = both
    joined = "gold.stock_history h join bronze.stock_observation o using (position_key)"
    rows = ask(plant, f"select position_key from {joined} where position_key is not null and h.quantity > 0", *keys)
    (found,) = ask(plant, "select count(distinct position_key) as n from gold.stock_history where quantity > 0", *keys)
    assert len({row["position_key"] for row in rows}) == found["n"] == (3 if keys else 6)


def test_days_are_asked_for_as_the_documents_say(both: Any) -> None:
    (query,) = re.findall(r'hub sql "(select day.*?)"', (ROOT / "docs" / "lake.md").read_text("utf-8"), re.DOTALL)
    item = both[0].one("select id from source_material where item_id = 'A' and golden_id is not null")
    query = query.replace("material_id = 1 ", f"material_id = {item['id']} ").replace("11-01'", "10-31'")
    found = [(row["place_id"], row["quantity"]) for row in ask(both[0], query) if row["day"].day == T0.day]
    assert found == [("W1", 10), ("W2", 4), ("W3", 5)]


def test_the_build_told_its_lineage(both: Any) -> None:
    (path,) = (settings().home / "lineage").glob("*.jsonl")
    events = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    ends = {event["job"]["name"]: event["eventType"] for event in events if event["eventType"] != "START"}
    assert set(ends.values()) == {"COMPLETE"}
    assert {"build", "gold.stock_history", "gold.stock_history.test", "bronze.stock_movement.test"} <= ends.keys()
    (history,) = [one for one in events[-1]["outputs"] if one["name"] == "gold.stock_history"]
    assert "known_to" in {one["name"] for one in history["facets"]["schema"]["fields"]}


def test_the_build_documented_its_models(both: Any) -> None:
    told = documentation.page().read_text("utf-8")
    for word in ("model.group_hub.golden_inventory", "key_golden_inventory", "compiled_code", "DECIMAL(38,9)"):
        assert word in told, word


def test_the_golden_inventory_of_both(both: Any) -> None:
    query = "select number, on_hand, consigned, value, group_value from gold.golden_inventory order by organisation_id"
    rows = [tuple(row.values())[1:] for row in ask(both[0], query)]
    assert rows == [(Decimal(14), Decimal(4), Decimal(30), Decimal(30))] * 2


REFUSED = [
    "from read_text('/etc/hostname')",
    "set enable_external_access = true",
    "copy gold.golden_inventory to '/tmp/out.csv'",
    "attach '/tmp/x.db'",
    "from nowhere",
]


@pytest.mark.parametrize("query", REFUSED)
def test_what_is_no_question_is_refused_in_words(both: Any, query: str) -> None:
    with pytest.raises(Unprocessable):
        ask(both[0], query)


def test_a_stranger_is_named(both: Any) -> None:
    with pytest.raises(NotFound, match="There is no organisation nobody"):
        ask(both[0], "from gold.golden_inventory", "nobody")


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_the_command_writes_what_was_asked(both: Any, tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"out.{kind}"
    query = "select on_hand from gold.golden_inventory"
    said = CliRunner().invoke(app, ["sql", query, "--organisation", "beihe", "--to", str(path)])
    assert (said.exit_code, "1 rows in" in said.output) == (0, True), said.output
    with duckdb.connect() as db:
        assert db.execute(f"select on_hand::int from '{path}'").fetchall() == [(14,)]


def test_the_command_shows_rows_and_errors_in_words(both: Any) -> None:
    said = CliRunner().invoke(app, ["sql", "select 41 + 1 as answer"])
    assert (said.exit_code, "answer" in said.output, "42" in said.output) == (0, True, True)
    said = CliRunner().invoke(app, ["sql", "select nothing"])
    assert (said.exit_code, "nothing" in said.output) == (1, True)
    for query, *more in (
        ["select cast(place_id as int) as nothing from gold.stock_history"],
        ["select 1 as nothing", "--to", "/nothing/out.csv"],
        ["select [1] as said", "--to", "nothing.csv"],
    ):
        said = CliRunner().invoke(app, ["sql", query, *more])
        assert (said.exit_code, "✗" in said.output) == (1, True), said.output
    assert not list(Path.cwd().glob("nothing*"))


def test_before_the_first_build_there_is_nothing_to_ask(committed_db: Any) -> None:
    with pytest.raises(NotFound, match="no published build"), reading.asked(committed_db.engine, "select 1"):
        pass
