"""The stage for as long as the tests run, the peers' reports, and their table at the end. Runs in the peers' own
environment, without the hub."""

from __future__ import annotations

import json
import os
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
NODE = Path(__file__).parent / "node"
PRODUCT, PEERS = ROOT / ".venv/bin/python", ROOT / ".venv-conformance/bin"

# In the hub's own environment there is nothing to run here.
collect_ignore_glob = [] if find_spec("idpyoidc") else ["test_*.py"]


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    log = tmp_path_factory.mktemp("stage") / "log.jsonl"
    command = [str(PRODUCT), "-m", "tests.conformance.stage"]
    paths = {"PYTHONPATH": str(ROOT)}
    with log.open("w") as errors:
        running = subprocess.Popen(
            command, cwd=ROOT, env=os.environ | paths, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors
        )
    try:
        assert running.stdout is not None
        told = running.stdout.readline()
        assert told, log.read_text()[-4000:]
        yield json.loads(told)
    finally:
        running.communicate(timeout=30)
    # An answer that pleases a peer may still have cost an exception.
    assert [line for line in log.read_text().splitlines() if '"request_failed"' in line] == []


@pytest.fixture(scope="session")
def ann(stage: dict[str, Any]) -> Any:
    """The browser of a person who is signed in."""
    from tests.conformance.browser import Browser

    made = Browser(stage)
    made.sign_in("ann")
    return made


@pytest.fixture(autouse=True)
def _of_a_peer(request: pytest.FixtureRequest, record_property: Callable[[str, object], None]) -> None:
    """Whose check a test is, for the table."""
    found = request.node.get_closest_marker("peer")
    if found is not None:
        record_property("peer", found.args[0])


@cache
def names(script: str) -> list[str]:
    """The checks of a Node peer."""
    listed = subprocess.run(_node(script, "--list"), capture_output=True, text=True, check=True)
    return [json.loads(line)["name"] for line in listed.stdout.splitlines()]


def _node(script: str, *options: str) -> list[str]:
    return [str(PEERS / "node"), str(NODE / f"{script}.mjs"), *options]


@pytest.fixture(scope="session")
def reported(stage: dict[str, Any]) -> Callable[[str], dict[str, Any]]:
    """What a Node peer found, by the name of the check; it runs once."""

    @cache
    def run(script: str) -> dict[str, Any]:
        environment = os.environ | {"STAGE": json.dumps(stage), "NODE_NO_WARNINGS": "1"}
        done = subprocess.run(_node(script), env=environment, capture_output=True, text=True, timeout=300, check=False)
        reports = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        assert reports, done.stderr
        return {one["name"]: one for one in reports}

    return run


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Checks of each peer, green and red, and what a test adds to that (`also`)."""
    counted: dict[str, Counter[str]] = {}
    more: dict[str, list[str]] = {}
    for outcome in ("passed", "failed", "error"):
        for report in terminalreporter.getreports(outcome):
            told = dict(getattr(report, "user_properties", ()))
            if "peer" in told and (outcome != "passed" or report.when == "call"):
                counted.setdefault(told["peer"], Counter())["green" if outcome == "passed" else "red"] += 1
                more.setdefault(told["peer"], []).extend([told["also"]] if "also" in told else [])
    if counted:
        terminalreporter.section("conformance")
    for peer, found in counted.items():
        terminalreporter.line(f"{peer:28} {found['green']:4} green {found['red']:4} red  {'; '.join(more[peer])}")
