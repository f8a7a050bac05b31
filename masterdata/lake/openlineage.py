"""What a build reads and makes as OpenLineage run events: in HUB_HOME/lineage, a file a day, and at the endpoint that
OPENLINEAGE_URL names. To tell it never stops a build, nor holds it up for longer than PATIENCE_SECONDS."""

from __future__ import annotations

import os
import re
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any, Protocol
from uuid import UUID

import duckdb
import structlog
from openlineage.client import OpenLineageClient
from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.facet_v2 import data_quality_assertions_dataset as quality
from openlineage.client.facet_v2 import error_message_run, parent_run, schema_dataset
from openlineage.client.transport.file import FileConfig, FileTransport

from hub.columns import new_id
from hub.lake.catalog import warehouse
from hub.settings import settings
from masterdata.lake.checks import RULES
from masterdata.lake.lineage import Model, lineage
from masterdata.lake.transform import Outcome

log = structlog.get_logger("lake")

JOBS, BUILD = "group-hub", "build"
KEPT_DAYS, PATIENCE_SECONDS = 30, 3.0
SCHEMAS = {"staging": "staging", "intermediate": "silver", "marts": "gold"}
_TABLE = re.compile(r"\b(?:bronze|silver|gold)\.\w+")
_COLUMNS = """
    select table_schema || '.' || table_name, column_name, data_type from information_schema.columns
    where table_schema in ('bronze', 'staging', 'silver', 'gold', 'pinned') order by 1, ordinal_position"""

Columns = Mapping[str, Sequence[tuple[str, str]]]


class Build(Protocol):
    """What is told of a build under way."""

    id: UUID
    checks: list[dict[str, Any]]
    outcomes: list[Outcome]

    @property
    def file(self) -> Path: ...


@contextmanager
def told(build: Build) -> Iterator[None]:
    """START, then COMPLETE or, where the block raises, FAIL with its error; before it the models that were run."""
    teller = _Teller()
    teller.tell(_event(RunState.START, datetime.now(UTC), BUILD, build.id))
    try:
        yield
    # Whatever it is, those who follow the lineage hear of it.
    except Exception as error:
        _tell_end(teller, build, RunState.FAIL, str(error))
        raise
    else:
        _tell_end(teller, build, RunState.COMPLETE)
    finally:
        teller.end()


def _tell_end(teller: _Teller, build: Build, state: RunState, error: str = "") -> None:
    try:
        teller.tell(*_ended(build, state, error))
    # Told or not, the build is what it is.
    except (duckdb.Error, OSError, LookupError, TypeError, ValueError):
        log.exception("lineage_not_told", build=str(build.id))


def forget() -> int:
    """Remove files older than KEPT_DAYS; how many."""
    oldest = time.time() - timedelta(days=KEPT_DAYS).total_seconds()
    old = [path for path in _folder().glob("*.jsonl") if path.stat().st_mtime < oldest]
    for path in old:
        path.unlink(missing_ok=True)
    return len(old)


@dataclass
class _Teller:
    """Events on their way: to the file at once, to an endpoint by a thread of their own."""

    waiting: SimpleQueue[RunEvent | None] = field(default_factory=SimpleQueue)
    thread: Thread | None = None

    def __post_init__(self) -> None:
        if os.environ.get("OPENLINEAGE_URL"):
            self.thread = Thread(target=_send, args=[self.waiting], daemon=True)
            self.thread.start()

    def tell(self, *events: RunEvent) -> None:
        try:
            _folder().mkdir(parents=True, exist_ok=True)
            path = _folder() / f"{datetime.now(UTC).date()}.jsonl"
            file = FileTransport(FileConfig(str(path), append=True))
            for event in events:
                file.emit(event)
        except (OSError, RuntimeError) as error:
            log.warning("lineage_not_written", error=str(error))
        if self.thread:
            for event in events:
                self.waiting.put(event)

    def end(self) -> None:
        if self.thread:
            self.waiting.put(None)
            self.thread.join(PATIENCE_SECONDS)
            if self.thread.is_alive():
                log.warning("lineage_not_sent", error="The endpoint is slow.", waiting=self.waiting.qsize())


def _send(waiting: SimpleQueue[RunEvent | None]) -> None:
    """Until the first that is not taken: an endpoint that is down would be asked in vain for each."""
    try:
        client = OpenLineageClient()
        while (event := waiting.get()) is not None:
            client.emit(event)
    # Of requests, of the client's own settings.
    except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
        log.warning("lineage_not_sent", error=str(error)[:500], waiting=waiting.qsize())


def _ended(build: Build, state: RunState, error: str = "") -> Iterator[RunEvent]:
    columns = _columns(build.file)
    models = {model.name: model for model in lineage() if model.layer in SCHEMAS}
    assertions = _assertions(build, models)
    for outcome in build.outcomes:
        if outcome.kind == "model" and outcome.status != "skipped" and outcome.began_at:
            yield from _of_model(build, outcome, models, columns)
    for dataset in sorted(assertions):
        yield from _of_tests(build, dataset, assertions[dataset], columns)
    made = [name_of(model) for model in models.values() if model.layer == "marts"] if not error else []
    read = sorted({name for model in models.values() for name in model.reads} - models.keys())
    end = _event(state, datetime.now(UTC), BUILD, build.id)
    end.inputs = [_input(name, columns) for name in read]
    end.outputs = [_output(name, columns) for name in made]
    yield _with_error(end, error)


def name_of(model: Model) -> str:
    """The table a model makes, "schema.model"."""
    return f"{SCHEMAS[model.layer]}.{model.name}"


def _of_model(build: Build, outcome: Outcome, models: Mapping[str, Model], columns: Columns) -> Iterator[RunEvent]:
    model, run_id = models[outcome.name], new_id()
    began = outcome.began_at or datetime.now(UTC)
    name = name_of(model)
    reads = [name_of(models[one]) if one in models else one for one in model.reads]
    yield _event(RunState.START, began, name, run_id, build.id)
    state = RunState.COMPLETE if outcome.is_good else RunState.FAIL
    end = _event(state, began + timedelta(seconds=outcome.seconds), name, run_id, build.id)
    end.inputs, end.outputs = [_input(one, columns) for one in reads], [_output(name, columns)]
    yield _with_error(end, "" if outcome.is_good else outcome.message or "It failed.")


def _of_tests(build: Build, dataset: str, assertions: list[quality.Assertion], columns: Columns) -> Iterator[RunEvent]:
    """The tests of a table, as a run that reads it."""
    run_id, now = new_id(), datetime.now(UTC)
    yield _event(RunState.START, now, f"{dataset}.test", run_id, build.id)
    state = RunState.COMPLETE if all(one.success for one in assertions) else RunState.FAIL
    end = _event(state, now, f"{dataset}.test", run_id, build.id)
    tested = _input(dataset, columns)
    facet = quality.DataQualityAssertionsDatasetFacet(assertions=assertions)
    tested.inputFacets = {"dataQualityAssertions": facet}
    end.inputs = [tested]
    yield end


def _assertions(build: Build, models: Mapping[str, Model]) -> dict[str, list[quality.Assertion]]:
    """Tests of models and checks of the build by the table they look at; skipped ones said nothing."""
    found: dict[str, list[quality.Assertion]] = defaultdict(list)
    rules = {rule.name: sorted(set(_TABLE.findall(rule.figure))) for rule in RULES}
    for check in build.checks:
        for dataset in rules.get(check["name"], ()):
            found[dataset].append(_assertion(check["name"], is_kept=check["is_kept"], figure=check["figure"]))
    for outcome in build.outcomes:
        if outcome.kind == "test" and outcome.status != "skipped":
            for dataset in (name_of(models[name]) for name in outcome.of if name in models):
                found[dataset].append(_assertion(outcome.name, is_kept=outcome.is_good, figure=outcome.failures))
    return found


def _assertion(name: str, *, is_kept: bool, figure: float) -> quality.Assertion:
    return quality.Assertion(assertion="custom_sql", success=is_kept, name=name, severity="error", actual=str(figure))


def _columns(file: Path) -> Columns:
    """Name and type of each table's columns in a build's file; nothing where it cannot be read."""
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    try:
        with duckdb.connect(str(file)) as db:
            for table, column, kind in db.execute(_COLUMNS).fetchall():
                found[table].append((column, kind))
    except duckdb.Error as error:
        log.warning("lineage_without_columns", error=str(error)[:500])
    return found


def _event(state: RunState, at: datetime, job: str, run_id: UUID, parent_id: UUID | None = None) -> RunEvent:
    facets: dict[str, Any] = {}
    if parent_id:
        run, above = parent_run.Run(runId=str(parent_id)), parent_run.Job(namespace=JOBS, name=BUILD)
        facets["parent"] = parent_run.ParentRunFacet(run=run, job=above)
    return RunEvent(
        eventType=state,
        eventTime=at.isoformat(),
        run=Run(runId=str(run_id), facets=facets),
        job=Job(namespace=JOBS, name=job),
        producer=settings().address,
    )


def _with_error(event: RunEvent, error: str) -> RunEvent:
    if error:
        facet = error_message_run.ErrorMessageRunFacet(message=error[:2_000], programmingLanguage="SQL")
        event.run.facets = {**(event.run.facets or {}), "errorMessage": facet}
    return event


def _input(name: str, columns: Columns) -> InputDataset:
    return InputDataset(namespace=warehouse(settings()), name=name, facets=_schema(columns.get(name, ())))


def _output(name: str, columns: Columns) -> OutputDataset:
    return OutputDataset(namespace=warehouse(settings()), name=name, facets=_schema(columns.get(name, ())))


def _schema(columns: Iterable[tuple[str, str]]) -> dict[str, Any]:
    fields = [schema_dataset.SchemaDatasetFacetFields(name=name, type=kind) for name, kind in columns]
    return {"schema": schema_dataset.SchemaDatasetFacet(fields=fields)} if fields else {}


def _folder() -> Path:
    return settings().home / "lineage"
