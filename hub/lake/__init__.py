"""The lake: Iceberg tables whose catalog lies in the hub's own PostgreSQL, written one commit at a time, read through
one fence. Knows nothing of stock. Names below are imported at their first use: PyIceberg takes a second."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from hub.lake.tables import TableSpec

if TYPE_CHECKING:
    from hub.lake.catalog import ensure, snapshots
    from hub.lake.files import connect_file
    from hub.lake.move import migrate
    from hub.lake.read import EVERYONE, Everyone, connect, copy_to
    from hub.lake.upkeep import compact, expire, remove_orphans
    from hub.lake.write import append, overwrite, was_appended

__all__ = [
    "EVERYONE",
    "Everyone",
    "TableSpec",
    "append",
    "compact",
    "connect",
    "connect_file",
    "copy_to",
    "ensure",
    "expire",
    "migrate",
    "overwrite",
    "remove_orphans",
    "snapshots",
    "was_appended",
]

_HOME = {
    "catalog": ("ensure", "snapshots"),
    "files": ("connect_file",),
    "move": ("migrate",),
    "read": ("EVERYONE", "Everyone", "connect", "copy_to"),
    "upkeep": ("compact", "expire", "remove_orphans"),
    "write": ("append", "overwrite", "was_appended"),
}


def __getattr__(name: str) -> Any:
    for module, names in _HOME.items():
        if name in names:
            return getattr(import_module(f"hub.lake.{module}"), name)
    raise AttributeError(name)
