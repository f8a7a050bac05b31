"""The registry of sources. Each is imported when it is opened: a missing driver matters only where it is used."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from connectors.sources.base import Abort, Page, Retry, Skip, Skipped, Source, SourceError

__all__ = ["SOURCES", "Abort", "Page", "Retry", "Skip", "Skipped", "Source", "SourceError", "open_source"]

# kind → (module, class, the extra of the package that brings what the module imports beyond the base set)
SOURCES: dict[str, tuple[str, str, str]] = {
    "sql": ("connectors.sources.sql", "SqlSource", "postgresql, mysql, mssql or oracle"),
    "files": ("connectors.sources.files", "FilesSource", ""),
    "odoo": ("connectors.sources.odoo", "OdooSource", ""),
    "erpnext": ("connectors.sources.erpnext", "ErpnextSource", ""),
    "push": ("connectors.sources.push", "PushSource", "push"),
}


def open_source(kind: str, connection: Mapping[str, Any], *, zone: str = "UTC", state: Path | None = None) -> Source:
    """The source of this kind, ready to be read. `zone` is the zone of the source's naive times, `state` a folder
    of its own that survives restarts; both are defaults for keys of the same name in `connection`. Raises Abort when
    the connection lacks a key."""
    if kind not in SOURCES:
        raise Abort(f"There is no source kind '{kind}'; known kinds: {', '.join(SOURCES)}.")
    module, name, extra = SOURCES[kind]
    try:
        source_class = getattr(import_module(module), name)
    except ImportError as error:
        raise Abort(f"Source '{kind}' needs the module '{error.name}': pip install 'group-hub[{extra}]'.") from None
    source: Source = source_class({"zone": zone, "state": state} | dict(connection))
    return source
