"""The lake moved to another place: Iceberg's metadata holds whole addresses, so copying the folder is not enough."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pyiceberg.io.pyarrow import PyArrowFileIO
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table, Transaction
from pyiceberg.table.locations import load_location_provider
from sqlalchemy import Engine

from hub.errors import Conflict, Unprocessable
from hub.lake.catalog import Catalog, names, sync, writing
from hub.lake.upkeep import files_under, filesystem

CHUNK = 8 * 2**20
# What a table's metadata says of its history; the new place begins with the current state.
FRESH: dict[str, Any] = {
    "snapshots": [],
    "snapshot_log": [],
    "metadata_log": [],
    "refs": {},
    "current_snapshot_id": None,
    "statistics": [],
    "partition_statistics": [],
    "last_sequence_number": 0,
}


@dataclass(frozen=True, slots=True)
class Moved:
    """A table's new address and what was copied: files, bytes, rows."""

    name: str
    location: str
    files: int
    size: int
    rows: int


def migrate(engine: Engine, url: str, report: Callable[[str, float], None] = lambda _what, _share: None) -> list[Moved]:
    """Copy the current state of every table to `url` (file:///folder or s3://bucket/folder), then let the catalog name
    the copies, all in one transaction. Writers wait meanwhile. The current snapshots keep their ids, earlier ones stay
    behind; tokens stay known. The old place is left as it is. Raises Conflict where the target holds something: also
    after a kill halfway, when nothing has moved yet. `report(what, share done)` is called per file."""
    target = url.rstrip("/")
    if not target.startswith(("file:///", "s3://")) or target in ("file:", "s3:"):
        raise Unprocessable(f"{url} is not the address of a lake: file:///folder or s3://bucket/folder.")
    every = names(engine)
    with writing(engine, *every) as catalog:
        tables = [catalog.table(name) for name in every]
        _refuse_occupied(catalog, tables, target)
        total = sum(task.file.file_size_in_bytes for table in tables for task in table.scan().plan_files()) or 1
        progress = _Progress(report, total)
        copies = [_copied(table, f"{target}/{'/'.join(table.name())}", progress) for table in tables]
        catalog.point(
            (moved.name, table.metadata_location, metadata)
            for table, (moved, metadata) in zip(tables, copies, strict=True)
        )
    return [moved for moved, _ in copies]


@dataclass
class _Progress:
    report: Callable[[str, float], None]
    total: int
    done: int = 0

    def add(self, name: str, size: int) -> None:
        self.done += size
        self.report(name, self.done / self.total)


def _refuse_occupied(catalog: Catalog, tables: list[Table], target: str) -> None:
    if any(f"{target}/".startswith(f"{table.location()}/") for table in tables):
        raise Conflict(f"{target} lies within a table of the lake.")
    io = catalog._load_file_io(location=target)
    if files_under(io, target):
        raise Conflict(f"{target} holds something. Name an empty place, or empty it first.")


def _copied(table: Table, location: str, progress: _Progress) -> tuple[Moved, str]:
    """Copy the files of the current snapshot and write metadata that names the copies; its address."""
    name = ".".join(table.name())
    tasks = list(table.scan().plan_files())
    if any(task.delete_files for task in tasks):
        raise Conflict(f"{name} has rows deleted beside their files: let the engine that did it optimize the table.")
    metadata = table.metadata.model_copy(update=FRESH | {"location": location})
    place = load_location_provider(location, metadata.properties).new_table_metadata_file_location()
    transaction = Transaction(Table(table.name(), metadata, place, table.io, table.catalog))
    if tasks:
        with transaction.update_snapshot(snapshot_properties={"hub.operation": "migrate"}).fast_append() as snapshot:
            # Who was to read that state of the table, finds its copy.
            snapshot._snapshot_id = table.metadata.current_snapshot_id or 0
            for task in tasks:
                snapshot.append_data_file(_copy(table, task.file, location))
                progress.add(name, task.file.file_size_in_bytes)
    made = transaction.table_metadata
    current = made.current_snapshot()
    if current is not None:
        sync(table.io, [current.manifest_list, *(one.manifest_path for one in current.manifests(table.io))])
    Catalog._write_metadata(made, table.io, place)
    files = [task.file for task in tasks]
    size, rows = sum(file.file_size_in_bytes for file in files), sum(file.record_count for file in files)
    return Moved(name, location, len(files), size, rows), place


def _copy(table: Table, file: DataFile, location: str) -> DataFile:
    address = location + file.file_path.removeprefix(table.location())
    if address == location + file.file_path:
        raise Conflict(f"{file.file_path} lies outside of its table's folder.")
    source, target = (PyArrowFileIO.parse_location(place)[2] for place in (file.file_path, address))
    with (
        filesystem(table.io, file.file_path).open_input_stream(source) as read,
        filesystem(table.io, address).open_output_stream(target) as written,
    ):
        shutil.copyfileobj(read, written, CHUNK)
    size = filesystem(table.io, address).get_file_info(target).size
    if size != file.file_size_in_bytes:
        raise Conflict(f"{address} has {size} bytes after the copy, not {file.file_size_in_bytes}.")
    sync(table.io, [address])
    made = copy.copy(file)
    made._data = list(file._data)
    made._data[1] = address
    return made
