"""The discipline of the dbt project, read from its manifest; its unit tests."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from masterdata.lake import lineage
from masterdata.lake.transform import PROJECT
from tests.masterdata.lake_models.conftest import Project

NAMES = {
    "staging": re.compile(r"stg_(hub|lake)__[a-z_]+"),
    "intermediate": re.compile(r"int_[a-z_]+"),
    "marts": re.compile(r"(?!stg_|int_)[a-z_]+"),
}
SUBTLE = {
    "int_movement_versions",
    "int_movements",
    "int_stock_observations",
    "int_stock_points",
    "int_stock_beliefs",
    "int_flows",
    "int_month_values",
    "inventory_ageing",
    "inventory_turnover",
    "stock_cover",
    "duplicate_share",
    "purchase_orders",
}
EXPOSURES = {"overview_page", "material_page", "data_assets_page", "month_end_report", "hub_sql"}


def layer(node: dict[str, Any]) -> str:
    return str(node["fqn"][1])


def test_project_builds_over_inputs_without_a_row(project: Project) -> None:
    bad = {o.name: o.message for o in project.outcomes if not o.is_good}
    assert bad == {}
    assert {o.kind for o in project.outcomes} == {"model", "test"}


def test_every_model_is_described_keyed_and_named(project: Project) -> None:
    tests = project.nodes("test")
    keyed = {t["attached_node"] for t in tests if t["test_metadata"]["name"] == "key"}
    for model in project.nodes():
        assert model["description"], model["name"]
        assert model["unique_id"] in keyed, f"{model['name']} has no key"
        assert NAMES[layer(model)].fullmatch(model["name"]), model["name"]


def test_marts_keep_a_contract_with_every_column_described(project: Project) -> None:
    marts = [model for model in project.nodes() if layer(model) == "marts"]
    assert marts
    for mart in marts:
        assert mart["contract"]["enforced"], mart["name"]
        silent = [c["name"] for c in mart["columns"].values() if not c["description"] or not c["data_type"]]
        assert silent == [], mart["name"]


def test_sources_are_read_in_staging_and_staging_reads_nothing_else(project: Project) -> None:
    for model in project.nodes():
        kinds = {parent.split(".")[0] for parent in project.parents(model)}
        assert kinds == ({"source"} if layer(model) == "staging" else {"model"}), model["name"]
        assert "source(" not in model["raw_code"] or layer(model) == "staging"


def test_every_model_but_marts_is_read_by_another(project: Project) -> None:
    children = project.manifest["child_map"]
    for model in project.nodes():
        read = [child for child in children[model["unique_id"]] if child.startswith("model.")]
        assert read or layer(model) == "marts", f"nobody reads {model['name']}"


def test_sources_are_described(project: Project) -> None:
    sources = project.manifest["sources"].values()
    assert [s["name"] for s in sources if not s["description"] or not s["source_description"]] == []


def test_a_quiet_source_only_warns(project: Project) -> None:
    sources = project.manifest["sources"].values()
    limits = {
        s["name"]: {kind: (s["freshness"] or {}).get(f"{kind}_after") for kind in ("warn", "error")} for s in sources
    }
    asked = {
        (name, kind) for name, each in limits.items() for kind, limit in each.items() if (limit or {}).get("count")
    }
    assert asked == {("batches", "warn")}
    assert [s["loaded_at_field"] for s in sources if s["name"] == "batches"] == ["applied_at"]


def test_one_yaml_per_folder() -> None:
    for folder in {path.parent for path in (PROJECT / "models").rglob("*.sql")}:
        assert [path.name for path in folder.glob("*.y*ml")] == [f"_{folder.name}.yml"]


def test_exposures_name_who_reads_the_marts(project: Project) -> None:
    exposures = {e["name"]: e for e in project.manifest["exposures"].values()}
    assert set(exposures) == EXPOSURES
    assert all(e["description"] and e["depends_on"]["nodes"] for e in exposures.values())
    shown = {node for e in exposures.values() for node in e["depends_on"]["nodes"]}
    assert shown == {model["unique_id"] for model in project.nodes() if layer(model) == "marts"}


def test_subtle_models_have_unit_tests(project: Project) -> None:
    units = project.manifest["unit_tests"].values()
    assert {unit["model"] for unit in units} >= SUBTLE
    assert project.units == {unit["name"]: "pass" for unit in units}


def test_lines_and_files_stay_within_budget() -> None:
    for path in sorted([*PROJECT.rglob("*.sql"), *PROJECT.rglob("*.yml")]):
        lines = path.read_text("utf-8").splitlines()
        assert len(lines) <= 400, path.name
        assert path.suffix == ".yml" or max(map(len, lines)) <= 120, path.name


def test_lineage_of_the_pages_is_dbts_own(project: Project) -> None:
    """Pages read the files, without dbt: what they find must be what dbt finds."""
    told = {model["name"]: {_short(one) for one in project.parents(model)} for model in project.nodes()}
    found = {model.name: set(model.reads) for model in lineage.lineage() if model.layer != "source"}
    assert found == told


def _short(unique_id: str) -> str:
    kind, _, *rest = unique_id.split(".")
    return ".".join(rest) if kind == "source" else rest[-1]


def test_no_run_leaves_anything_in_the_project(project: Project) -> None:
    found = {path.relative_to(PROJECT).parts[0] for path in PROJECT.rglob("*") if path.is_file()}
    assert found <= {"dbt_project.yml", "profiles.yml", "macros", "models", "analyses"}
    assert Path(PROJECT / "target").exists() is False
