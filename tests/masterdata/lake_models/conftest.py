"""The dbt project run once over inputs without a row, and compiled once for Trino."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import duckdb
import pytest
from sqlalchemy import Engine

from masterdata.lake import bronze, pins, transform

TODAY = {"group_currency": "CNY", "today": "2026-11-23"}


@dataclass(frozen=True)
class Project:
    """The manifest after a run; what became of each node of a build, and of each unit test beside it."""

    manifest: dict[str, Any]
    outcomes: list[transform.Outcome]
    units: dict[str, str]

    def nodes(self, kind: str = "model") -> list[dict[str, Any]]:
        return [n for n in self.manifest["nodes"].values() if n["resource_type"] == kind]

    def parents(self, node: dict[str, Any]) -> list[str]:
        return list(self.manifest["parent_map"][node["unique_id"]])


@contextmanager
def quietly() -> Iterator[None]:
    """dbt's dependencies warn of each other."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.fixture(scope="session")
def project(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Project:
    folder = tmp_path_factory.mktemp("project")
    with duckdb.connect(str(folder / "build.duckdb")) as db:
        pins.pin(engine, [], db, folder)
        pins.place(engine, [], db, folder)
        db.execute("create schema bronze")
        for spec in bronze.TABLES.values():
            db.register("empty", spec.schema.empty_table())
            owned = "select * replace (cast(organisation_id as uuid) as organisation_id) from empty"
            db.execute(f"create table {spec.name} as {owned}")
            db.unregister("empty")
    with quietly():
        outcomes = transform.run(folder / "build.duckdb", folder, TODAY)
        manifest = json.loads((folder / "target" / "manifest.json").read_text())
        tried = transform._dbt(folder / "build.duckdb", folder, TODAY, "test", "--select", "test_type:unit")
    return Project(manifest, outcomes, {one.node.name: one.message or str(one.status) for one in tried})


@pytest.fixture(scope="session")
def for_trino(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Compiled SQL of every model, test and analysis for target `trino`, by name; nothing is asked of a server."""
    from dbt.cli.main import dbtRunner

    folder = tmp_path_factory.mktemp("trino")
    where = ["--project-dir", str(transform.PROJECT), "--profiles-dir", str(transform.PROJECT), "--quiet"]
    where += ["--target-path", str(folder / "target"), "--log-path", str(folder / "logs")]
    offline = ["--target", "trino", "--no-introspect", "--no-populate-cache", "--vars", json.dumps(TODAY)]
    with quietly():
        answer = dbtRunner().invoke(["compile", *offline, *where])
    assert answer.success, answer.exception
    results: Any = answer.result
    kinds = ("model", "test", "analysis")
    return {one.node.name: one.node.compiled_code for one in results if one.node.resource_type in kinds}
