"""The models compiled once, a rig on a plant of its own, and a plant that all tests of a module build upon."""

from __future__ import annotations

import json
import multiprocessing
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.orm import Session

from hub.columns import new_id
from hub.postgres import Server
from hub.settings import settings
from masterdata.lake import transform
from tests.conftest import Database, _copy
from tests.masterdata.conftest import _UNITS
from tests.masterdata.lake import publication
from tests.masterdata.lake.rig import Models, Rig
from tests.masterdata.plant import Plant

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.masterdata.lake.publication", "pyiceberg.io.pyarrow"])
WANTED = {"int_positions_current", "int_stock_beliefs", "golden_inventory"}
AS_OF = "{{ positions_as_of('$as_of', '$known_at') }}"


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Any], str]:
    """Nodes of the project as dbt compiled them; positions at $as_of as known at $known_at."""
    from dbt.cli.main import dbtRunner

    folder = tmp_path_factory.mktemp("compiled")
    said = {"group_currency": settings().group_currency, "today": str(settings().today())}

    def compile_(*arguments: str) -> list[Any]:
        where = ["--project-dir", str(transform.PROJECT), "--profiles-dir", str(transform.PROJECT), "--quiet"]
        where += ["--target-path", str(folder / "target"), "--log-path", str(folder / "logs")]
        answer = dbtRunner().invoke(["compile", *arguments, *where, "--vars", json.dumps(said)])
        assert answer.success, answer.exception
        return [one.node for one in answer.result]  # type: ignore[union-attr]

    with transform._environment(folder / "build.duckdb", folder), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        nodes = compile_()
        (as_of,) = compile_("--inline", AS_OF)
        transform._let_go()
    return nodes, as_of.compiled_code


@pytest.fixture(scope="session")
def models(compiled: tuple[list[Any], str]) -> Models:
    """Up to positions, their lives and the golden inventory."""
    return Models.of(compiled[0], WANTED, compiled[1])


@pytest.fixture(scope="session")
def whole(compiled: tuple[list[Any], str]) -> Models:
    return Models.of(compiled[0], None, compiled[1])


@pytest.fixture
def rig(plant: Plant, models: Models, tmp_path: Path, committed_db: Any) -> Rig:
    return Rig(plant, models, tmp_path, committed_db.owner_engine)


@pytest.fixture(scope="module")
def base(server: Server, template: str) -> Iterator[Database]:
    with contextmanager(_copy)(server, template, f"copy_{new_id().hex}") as database:
        with Session(database.owner_engine) as session, session.begin():
            session.execute(_UNITS)
        yield database


@pytest.fixture(scope="module")
def works(base: Database, whole: Models, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    """A plant of the module's tests, whose builds make the models without dbt's run."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(settings(), "home", tmp_path_factory.mktemp("home"))
        for name in ("run", "questions"):
            patched.setattr(transform, name, getattr(transform, name))
        publication.use(whole)
        yield Plant(base.engine)


@pytest.fixture
def start() -> Iterator[Callable[..., BaseProcess]]:
    """start(database, function, *arguments): a process that has database and lake; killed at the end if it still
    runs."""
    started: list[BaseProcess] = []

    def run(database: Database, function: Callable[..., None], *arguments: object) -> BaseProcess:
        given = (database.application_url, str(settings().home), *arguments)
        process = PROCESSES.Process(target=function, args=given)
        process.start()
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.join()
        process.close()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Histories, faults and whole builds take minutes."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.slow)
