"""Checks every source makes on its connection and its columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from connectors.sources.base import Abort


def required(spec: Mapping[str, Any], key: str, where: str) -> Any:
    """The value of `key`; Abort in words where it is missing or empty."""
    value = spec.get(key)
    if value is None or value == "":
        raise Abort(f"`{key}` is missing in {where}: add it to the mapping or the agent's configuration.")
    return value


def require_columns(table: Mapping[str, Any], found: Sequence[str], where: str) -> None:
    """Abort that names each column the table needs (`columns`, `cursor`) and the source does not give."""
    needed = [*table.get("columns", ()), *([table["cursor"]] if table.get("cursor") else ())]
    # Databases fold the case of names, each its own way; DuckDB does not care.
    folded = {name.lower() for name in found}
    missing = [name for name in needed if str(name).lower() not in folded]
    if missing:
        raise Abort(f"Column {', '.join(map(repr, missing))} is missing in {where}; it has: {', '.join(found)}.")
