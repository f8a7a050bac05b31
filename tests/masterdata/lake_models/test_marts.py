"""The marts' file: metrics defined in both languages, types the lake knows; the project in a wheel."""

from __future__ import annotations

import re
from pathlib import Path

import yaml
from hatchling.builders.wheel import WheelBuilder

from masterdata.lake import marts
from masterdata.lake.transform import PROJECT

ROOT = Path(__file__).parents[3]
METRICS = {
    "turns",
    "days_of_inventory",
    "days_of_cover",
    "excess_value",
    "dormant_value",
    "duplicate_record_rate",
    "duplicate_share",
    "duplicate_purchase_value",
    "ageing",
    "feed_completeness",
}
HAN = re.compile(r"[\u4e00-\u9fff]")


def test_every_metric_is_defined_in_both_languages() -> None:
    found = marts.definitions()
    assert set(found) == METRICS
    for key, said in found.items():
        assert HAN.search(said.zh) and said.zh.endswith("。"), key
        assert said.en.endswith(".") and not HAN.search(said.en), key
        assert said.formula and not HAN.search(said.formula), key


def test_formulas_name_columns_of_their_mart() -> None:
    """A name with an underscore is a column beside the metric."""
    for model in marts.documents().values():
        columns = {column["name"] for column in model["columns"]}
        for column in model["columns"]:
            formula = column.get("config", {}).get("meta", {}).get("formula", "")
            assert set(re.findall(r"\b[a-z]+(?:_[a-z]+)+\b", formula)) <= columns, formula


def test_definitions_name_the_days_the_models_count() -> None:
    variables = yaml.safe_load((PROJECT / "dbt_project.yml").read_text())["vars"]
    for key, days in (("days_of_cover", "cover_days"), ("excess_value", "excess_days")):
        said = marts.definitions()[key]
        assert all(str(variables[days]) in text for text in (said.zh, said.en, said.formula)), key


def test_every_mart_is_a_table_of_the_lake_or_a_view() -> None:
    specs = marts.specs()
    every = {path.stem for path in (PROJECT / "models" / "marts").glob("*.sql")}
    assert (set(specs), marts.views()) == (every - {"stock_movements"}, ["stock_movements"])
    assert all(
        spec.schema.names == [c["name"] for c in marts.documents()[name]["columns"]] for name, spec in specs.items()
    )


def test_an_installed_hub_holds_the_project() -> None:
    packed = {file.distribution_path for file in WheelBuilder(str(ROOT)).recurse_included_files()}
    wanted = {str(path.relative_to(ROOT)) for path in PROJECT.rglob("*") if path.is_file()}
    assert wanted <= packed
