"""`hub bench`: the product measured as it runs, on data it makes itself, in a database of its own."""

from __future__ import annotations

import json
import os
import platform
from importlib import import_module
from typing import Annotated, Any

import typer
from rich.table import Table

from hub.cli.console import out, plainly
from hub.errors import NotFound

SECTIONS = ("metrics", "peer", "limit")


def bench(
    name: Annotated[str, typer.Argument(help="A bench, or `list`.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Run a bench; `hub bench list` names them."""
    from benchmarks import BENCHES

    if name == "list":
        for key, says in BENCHES.items():
            out.print(f"{key:<12} {says}")
        return
    with plainly():
        if name not in BENCHES:
            raise NotFound(f"There is no bench {name}. There are: {', '.join(BENCHES)}.")
        result = {"name": name, **_complete(import_module(f"benchmarks.{name}").run())}
    if as_json:
        typer.echo(json.dumps(result, default=str))
        return
    table = Table("figure", "value", title=name)
    for section in SECTIONS:
        for key, value in (result[section] or {}).items():
            table.add_row(key if section == "metrics" else f"{section}: {key}", str(value))
    out.print(table)


def _complete(measured: dict[str, Any]) -> dict[str, Any]:
    empty: dict[str, Any] = dict.fromkeys(SECTIONS)
    return {**empty, **measured, "machine": _machine()}


def _machine() -> dict[str, Any]:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "system": platform.platform(),
        "python": platform.python_version(),
        "processors": os.cpu_count(),
        "memory_gib": round(memory / 2**30, 1),
    }
