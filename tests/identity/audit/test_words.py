"""Every action that the program records has its words in both languages, and no words are kept for none."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from identity.audit.words import ACTIONS
from tests.test_architecture import Function, functions, sources, tree

PACKAGES = ("hub", "identity", "masterdata", "catalog")


def called(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def said(node: ast.expr, within: Function) -> Iterator[str]:
    """The texts an argument may be: written there, or in what its name was given in the function."""
    given = [n for n in ast.walk(within) if isinstance(n, ast.Assign) and isinstance(node, ast.Name)
             and any(isinstance(t, ast.Name) and t.id == node.id for t in n.targets)]  # fmt: skip
    for one in (node, *(n.value for n in given)):
        branches = [one.body, one.orelse] if isinstance(one, ast.IfExp) else [one]
        yield from (b.value for b in branches if isinstance(b, ast.Constant) and isinstance(b.value, str))


def recorded() -> Iterator[str]:
    """The second argument of `record`, `note` and of each function that passes its `action` on to one of them."""
    for path in sources(*PACKAGES):
        for function in functions(path):
            for call in (n for n in ast.walk(function) if isinstance(n, ast.Call) and len(n.args) > 1):
                if (called(call.func) in RECORDING and called(call.args[0]) == "session") or _is_server(call):
                    found = set(said(call.args[1], function))
                    assert found or called(call.args[1]) == "action", f"{path}:{call.lineno}: {ast.unparse(call)}"
                    yield from found


def _is_server(call: ast.Call) -> bool:
    return called(call.func) in ("record", "note") and ast.unparse(call.args[0]) == "server.session"


def passing_on() -> set[str]:
    found = {"record", "note"}
    for path in sources(*PACKAGES):
        for function in functions(path):
            takes = [a.arg for a in function.args.args][:2] == ["session", "action"]
            if takes and any(
                called(n.func) in ("record", "note") for n in ast.walk(function) if isinstance(n, ast.Call)
            ):
                found.add(function.name)
    return found


RECORDING = passing_on()


def test_every_action_has_its_words_and_all_words_an_action() -> None:
    assert {"tell", "_tell"} <= RECORDING
    assert set(recorded()) == set(ACTIONS)


def test_words_are_in_both_languages() -> None:
    for action, (zh, en) in ACTIONS.items():
        assert any("\u4e00" <= c <= "\u9fff" for c in zh) and en.isascii(), action


def test_who_records_takes_it_from_the_one_place() -> None:
    """No other name hides a record from the test above."""
    for path in sources(*PACKAGES):
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ImportFrom) and node.module == "identity.audit.service":
                assert not [a.asname for a in node.names if a.asname], path
