"""dbt on a build's file: staging → intermediate → marts with their tests, in this process, quietly. What failed comes
back with the rows that show it."""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from hub.lake.tables import SPILL

PROJECT = Path(__file__).parents[2] / "dbt_project"
ROWS_SHOWN = 5
# Unit tests hold the models' code to its word, whatever the data: they are for those who change it.
_LEFT_OUT = ("--exclude-resource-type", "exposure", "--exclude-resource-type", "unit_test")
# DuckDB's alone: with the libraries and what Arrow holds a build stays below 3 GB.
MEMORY = "1750MB"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One model or test of the project: `kind` is model, test or unit_test; `rows` are some that a test refused, `of`
    the models it tests."""

    name: str
    kind: str
    status: str
    seconds: float
    message: str
    failures: int
    rows: tuple[Mapping[str, Any], ...] = ()
    of: tuple[str, ...] = ()
    began_at: datetime | None = None

    @property
    def is_good(self) -> bool:
        return self.status.lower() in ("success", "pass", "warn", "no-op")


def run(file: Path, folder: Path, variables: Mapping[str, str]) -> list[Outcome]:
    """Build and test every model in `file` (a DuckDB file with schemas bronze and pinned); all outcomes. Raises
    RuntimeError where dbt itself could not run."""
    results = _dbt(file, folder, variables, "build", *_LEFT_OUT)
    with duckdb.connect(str(file)) as db:
        return [_outcome(db, result) for result in results]


def checksum(*told: str) -> str:
    """Of the project's files and what it is told: another where its compiled SQL may be another."""
    digest = hashlib.sha256("\0".join(told).encode())
    for path in sorted(p for p in PROJECT.rglob("*") if p.suffix in (".sql", ".yml")):
        digest.update(str(path.relative_to(PROJECT)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def questions(file: Path, folder: Path, variables: Mapping[str, str], *queries: str) -> list[tuple[str, str]]:
    """The compiled SQL of analyses, of marts that are views, and of the models they stand on, in their order: models as
    "schema.model", all over bronze, the pinned inputs and what a build keeps of its own models."""
    compiled: list[tuple[str, str]] = []
    for result in _dbt(file, folder, variables, "compile", "--select", *(f"+{query}" for query in queries)):
        node = result.node
        if node.resource_type in ("model", "analysis"):
            name = f"{node.schema}.{node.name}" if node.resource_type == "model" else node.name
            compiled.append((name, node.compiled_code.replace(f'"{file.stem}".', "")))
    return compiled


def document(file: Path, folder: Path, variables: Mapping[str, str]) -> Path:
    """The page of the project's documentation, whole in one file."""
    _dbt(file, folder, variables, "docs", "generate", "--static")
    return folder / "target" / "static_index.html"


def _dbt(file: Path, folder: Path, variables: Mapping[str, str], *command: str) -> Any:
    from dbt.cli.main import dbtRunner

    with _environment(file, folder):
        arguments = ["--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT), "--quiet", "--no-use-colors"]
        places = ["--target-path", str(folder / "target"), "--log-path", str(folder / "logs")]
        # A compiled query is printed, whatever it is told.
        with redirect_stdout(io.StringIO()):
            answer = dbtRunner().invoke([*command, *arguments, *places, "--vars", json.dumps(dict(variables))])
        _let_go()
    if answer.exception is not None:
        raise RuntimeError(f"dbt could not run: {answer.exception}")
    return answer.result


def _outcome(db: duckdb.DuckDBPyConnection, result: Any) -> Outcome:
    node, failures = result.node, result.failures or 0
    rows: tuple[Mapping[str, Any], ...] = ()
    if str(result.status) == "fail" and node.resource_type == "test":
        found = db.sql(node.compiled_code).limit(ROWS_SHOWN)
        rows = tuple(dict(zip(found.columns, map(str, row), strict=True)) for row in found.fetchall())
    return Outcome(
        node.name,
        str(node.resource_type),
        str(result.status),
        result.execution_time,
        result.message or "",
        failures,
        rows,
        tuple(name.rpartition(".")[2] for name in node.depends_on.nodes if name.startswith("model.")),
        result.timing[0].started_at.replace(tzinfo=UTC) if result.timing else None,
    )


@contextmanager
def _environment(file: Path, folder: Path) -> Iterator[None]:
    """What profiles.yml asks for; dbt talks to nobody."""
    told = {
        "HUB_BUILD_FILE": str(file),
        "HUB_BUILD_TEMP": str(folder / "spill"),
        "HUB_BUILD_MEMORY": MEMORY,
        "HUB_BUILD_SPILL": SPILL,
        "DO_NOT_TRACK": "1",
    }
    before = {name: os.environ.get(name) for name in told}
    os.environ.update(told)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name)
            else:
                os.environ[name] = value


def _let_go() -> None:
    """The adapter keeps the file locked in this process otherwise."""
    from dbt.adapters.duckdb import connections

    manager: Any = connections.DuckDBConnectionManager
    manager.close_all_connections()
