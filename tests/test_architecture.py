"""The house rules that a program can check: contracts between packages, budgets, the map, settings, both languages."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute

from hub.idempotency import IdempotentRoute
from hub.settings import Settings

ROOT = Path(__file__).parent.parent
PACKAGES = ("hub", "connectors", "identity", "masterdata", "catalog", "demo", "benchmarks")
FILE_LINES, FUNCTION_LINES, TEST_LINES = 400, 40, 25
# Who may catch everything: the doors and the runners, where an unknown error must become an answer, not an end.
RUNNERS = (
    "hub/app.py",
    "hub/worker.py",
    "hub/middleware.py",
    "hub/outbox.py",
    "connectors/runner.py",
    "masterdata/intake/events.py",
    "masterdata/lake/apart.py",
)
UNSAFE = {"POST", "PUT", "PATCH", "DELETE"}
HAN = re.compile(r"[\u4e00-\u9fff]")

Function = ast.FunctionDef | ast.AsyncFunctionDef


def sources(*folders: str) -> list[Path]:
    found = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    return sorted(path for path in found if path.read_text("utf-8").strip())


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def functions(path: Path) -> Iterator[Function]:
    return (node for node in ast.walk(tree(path)) if isinstance(node, Function))


def lines(node: Function) -> int:
    """Lines of the function without its docstring."""
    whole = (node.end_lineno or node.lineno) - node.lineno + 1
    first = node.body[0]
    is_doc = (
        isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
    )
    return whole - ((first.end_lineno or 0) - first.lineno + 1 if is_doc else 0)


def test_import_contracts_hold() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports")], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:]


def test_contract_of_the_kernel_names_every_module_of_it() -> None:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text())
    contracts = {one["name"]: one for one in config["tool"]["importlinter"]["contracts"]}
    named = set(contracts["the kernel knows nobody"]["source_modules"])
    doors = {"hub.app", "hub.worker", "hub.__init__", "hub.__main__"}
    assert named == {f"hub.{path.stem}" for path in (ROOT / "hub").glob("*.py")} - doors


@pytest.mark.parametrize("path", sources(*PACKAGES), ids=name)
def test_module_opens_with_what_lives_here(path: Path) -> None:
    doc = ast.get_docstring(tree(path), clean=False)
    assert doc, f"{name(path)} has no docstring"
    assert len(doc.strip().splitlines()) <= 5


@pytest.mark.parametrize("path", sources(*PACKAGES, "tests"), ids=name)
def test_budgets(path: Path) -> None:
    is_test = path.is_relative_to(ROOT / "tests")
    assert len(path.read_text("utf-8").splitlines()) <= FILE_LINES
    for node in functions(path):
        limit = TEST_LINES if is_test and node.name.startswith("test_") else FUNCTION_LINES
        if path.is_relative_to(ROOT / "hub" / "migrations" / "versions"):
            continue
        assert lines(node) <= limit, f"{node.name}: {lines(node)} lines"


@pytest.mark.parametrize("path", sources(*PACKAGES), ids=name)
def test_only_runners_catch_everything(path: Path) -> None:
    if name(path) in RUNNERS:
        return
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ExceptHandler):
            caught = ast.unparse(node.type) if node.type else "everything"
            assert caught not in ("Exception", "BaseException", "everything") or _raises_again(node), node.lineno


def _raises_again(handler: ast.ExceptHandler) -> bool:
    return isinstance(handler.body[-1], ast.Raise) and handler.body[-1].exc is None


@pytest.mark.parametrize("folder", PACKAGES)
def test_no_folder_is_called_after_nothing(folder: str) -> None:
    nameless = {"utils", "helpers", "common", "manager", "misc", "base_classes"}
    assert [name(path) for path in sources(folder) if path.stem in nameless] == []


def test_env_example_lists_every_setting_with_its_default() -> None:
    given = dict(re.findall(r"^#?(HUB_\w+)=(.*)$", (ROOT / ".env.example").read_text(), re.M))
    expected = {
        f"HUB_{key.upper()}": "" if field.default is None else str(field.default)
        for key, field in Settings.model_fields.items()
    }
    assert given == expected


def test_map_in_the_readme_is_the_tree() -> None:
    mapped = set(re.findall(r"^([\w.]+)/ ", (ROOT / "README.md").read_text("utf-8"), re.M))
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    folders = {line.split("/")[0] for line in done.stdout.splitlines() if "/" in line}
    assert mapped == folders


def test_migrations_form_one_line_in_order() -> None:
    paths = sorted((ROOT / "hub/migrations/versions").glob("*.py"))
    found = [re.search(r'^revision = "(.+?)"\ndown_revision = (.+)$', path.read_text(), re.M) for path in paths]
    steps = [(one.group(1), one.group(2).strip('"')) for one in found if one]
    assert len(steps) == len(paths)
    assert steps[0][1] == "None"
    assert [after[1] for after in steps[1:]] == [before[0] for before, _ in pairwise(steps)]
    assert all(path.stem.startswith(step[0]) for path, step in zip(paths, steps, strict=True))


def test_every_write_of_the_reference_honours_idempotency_keys(app: Any) -> None:
    # Events and uploads carry their batch's id; codes and passwords are not kept, not even as a digest.
    codes = {"create_agent", "renew_code", "create_invitation", "resend_invitation", "start_merge", "create_scim_token"}
    codes |= {"create_client", "renew_secret", "create_registration"}
    codes |= {"begin_totp", "confirm_totp", "make_recovery_codes", "confirm"}
    # A challenge is answered once, by itself.
    challenges = {"begin_passkey", "add_passkey", "begin_passkey_step_up", "confirm_by_passkey"}
    own = {"post_events", "change_password", "request_email"} | codes | challenges
    plain = [
        route.name
        for route in _routes(app)
        if isinstance(route, APIRoute)
        and not isinstance(route, IdempotentRoute)
        and route.include_in_schema
        and route.methods & UNSAFE
        and route.name not in own
        and "batch" not in route.path
    ]
    assert plain == []


def _routes(app: Any) -> Iterator[Any]:
    """Routes of included routers are reached through their original."""
    pending = list(app.routes)
    while pending:
        route = pending.pop()
        original = getattr(route, "original_router", None)
        if original is None:
            yield route
        else:
            pending += original.routes


def test_templates_take_every_word_from_the_languages() -> None:
    """Outside of `t(...)` and `pick(...)` a template holds no Han sign, so that no page speaks one language alone."""
    for path in sorted(ROOT.glob("*/**/templates/*.html")):
        if ".venv" in path.parts:
            continue
        text = re.sub(r"\{#.*?#\}|\{\{.*?\}\}|\{%.*?%\}", "", path.read_text("utf-8"), flags=re.S)
        # A language is named in itself.
        assert not HAN.search(text.replace("中文", "").replace("中", "")), name(path)
