"""Events of a build: what it read, made and tested, in files and at an endpoint that may be down or slow."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb
import pytest

from hub.columns import new_id
from hub.settings import settings
from masterdata.lake import openlineage
from masterdata.lake.transform import Outcome

AT = datetime(2026, 11, 1, 8, tzinfo=UTC)
GOOD = [
    Outcome("int_flows", "model", "success", 2.0, "OK", 0, began_at=AT),
    Outcome("stock_history", "model", "success", 1.0, "OK", 0, began_at=AT),
    Outcome("key_stock_history", "test", "pass", 0.1, "", 0, of=("stock_history",)),
]
BAD = [
    Outcome("int_flows", "model", "error", 2.0, "no such column", 0, began_at=AT),
    Outcome("stock_history", "model", "skipped", 0.0, "", 0),
    Outcome("key_int_flows", "test", "fail", 0.1, "", 3, of=("int_flows",)),
]


@dataclass
class Told:
    """A build as far as it is told."""

    file: Path
    outcomes: list[Outcome] = field(default_factory=lambda: list(GOOD))
    id: UUID = field(default_factory=new_id)
    checks: list[dict[str, Any]] = field(
        default_factory=lambda: [{"name": "every_line_in_bronze", "is_kept": True, "figure": 0.0}]
    )


@pytest.fixture
def made(home: Path) -> Told:
    file = home / "build.duckdb"
    with duckdb.connect(str(file)) as db:
        db.execute("create schema gold; create table gold.stock_history (unit varchar, quantity decimal(38,9))")
    return Told(file)


def tell(build: Told, error: str = "") -> list[dict[str, Any]]:
    """The events of a build that ends so."""
    with suppress(LookupError), openlineage.told(build):
        if error:
            raise LookupError(error)
    lines = [line for path in sorted((settings().home / "lineage").glob("*")) for line in path.read_text().splitlines()]
    return [json.loads(line) for line in lines]


def job(events: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    return [event for event in events if event["job"]["name"] == name]


def test_a_build_tells_what_it_read_made_and_tested(made: Told) -> None:
    events = tell(made)
    begun, ended = job(events, "build")
    assert (begun["eventType"], ended["eventType"]) == ("START", "COMPLETE")
    assert {begun["run"]["runId"], ended["run"]["runId"]} == {str(made.id)}
    assert {"bronze.stock_movement", "pinned.batches"} <= {one["name"] for one in ended["inputs"]}
    assert {one["namespace"] for one in ended["outputs"]} == {f"file://{settings().home}/lake"}
    (history,) = [one for one in ended["outputs"] if one["name"] == "gold.stock_history"]
    told = [(one["name"], one["type"]) for one in history["facets"]["schema"]["fields"]]
    assert told == [("unit", "VARCHAR"), ("quantity", "DECIMAL(38,9)")]
    assert events[-1] is ended


def test_a_model_is_a_run_of_its_own_below_the_build(made: Told) -> None:
    begun, ended = job(tell(made), "gold.stock_history")
    assert begun["run"]["runId"] == ended["run"]["runId"] != str(made.id)
    assert ended["run"]["facets"]["parent"]["run"]["runId"] == str(made.id)
    assert (begun["eventTime"], ended["eventTime"]) == ("2026-11-01T08:00:00+00:00", "2026-11-01T08:00:01+00:00")
    assert "silver.int_stock_beliefs" in {one["name"] for one in ended["inputs"]}
    assert [one["name"] for one in ended["outputs"]] == ["gold.stock_history"]


def test_tests_and_checks_are_assertions_of_the_table_they_look_at(made: Told) -> None:
    events = tell(made)
    found = {}
    for name in ("bronze.stock_movement", "gold.stock_history"):
        (tested,) = job(events, f"{name}.test")[-1]["inputs"]
        (one,) = tested["inputFacets"]["dataQualityAssertions"]["assertions"]
        found[tested["name"]] = (one["name"], one["success"])
    assert found == {
        "bronze.stock_movement": ("every_line_in_bronze", True),
        "gold.stock_history": ("key_stock_history", True),
    }


def test_what_failed_says_why(made: Told) -> None:
    made.outcomes = BAD
    events = tell(made, "Not published: int_flows.")
    ends = {event["job"]["name"]: event for event in events if event["eventType"] == "FAIL"}
    assert set(ends) == {"build", "silver.int_flows", "silver.int_flows.test"}
    assert ends["build"]["run"]["facets"]["errorMessage"]["message"] == "Not published: int_flows."
    assert ends["silver.int_flows"]["run"]["facets"]["errorMessage"]["message"] == "no such column"
    assert (ends["build"]["outputs"], job(events, "gold.stock_history")) == ([], [])


def test_the_error_goes_on(made: Told) -> None:
    with pytest.raises(LookupError), openlineage.told(made):
        raise LookupError


@contextmanager
def endpoint(monkeypatch: pytest.MonkeyPatch, seconds: float = 0.0) -> Iterator[list[dict[str, Any]]]:
    """Takes events, each after so many seconds."""
    taken: list[dict[str, Any]] = []
    going = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            going.wait(seconds)
            taken.append(json.loads(body))
            self.send_response(201)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("OPENLINEAGE_URL", f"http://127.0.0.1:{server.server_port}")
    yield taken
    going.set()
    server.shutdown()
    server.server_close()


def test_an_endpoint_is_told_the_same(made: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openlineage, "PATIENCE_SECONDS", 60.0)
    with endpoint(monkeypatch) as taken:
        events = tell(made)
    assert [(e["job"]["name"], e["eventType"], e["run"]["runId"]) for e in taken] == [
        (e["job"]["name"], e["eventType"], e["run"]["runId"]) for e in events
    ]
    assert len(taken) == 10


@pytest.mark.parametrize("is_slow", [True, False])
def test_an_endpoint_that_is_slow_or_down_holds_nothing_up(
    made: Told, monkeypatch: pytest.MonkeyPatch, *, is_slow: bool
) -> None:
    with endpoint(monkeypatch, 30.0) as taken:
        if not is_slow:
            monkeypatch.setenv("OPENLINEAGE_URL", "http://127.0.0.1:9")
        began = time.perf_counter()
        assert len(tell(made)) == 10
        assert time.perf_counter() - began < openlineage.PATIENCE_SECONDS + 3
        assert taken == []


def test_a_disk_that_takes_nothing_holds_nothing_up(made: Told) -> None:
    (settings().home / "lineage").write_text("in the way")
    with openlineage.told(made):
        pass


def test_files_of_a_month_ago_are_forgotten(made: Told) -> None:
    tell(made)
    (young,) = (settings().home / "lineage").glob("*.jsonl")
    old = young.with_name("2026-01-01.jsonl")
    old.write_text("{}\n")
    past = time.time() - (openlineage.KEPT_DAYS + 1) * 86_400
    os.utime(old, (past, past))
    assert (openlineage.forget(), young.exists(), old.exists()) == (1, True, False)
