"""What keeps the lake quick and small: small files made into few sorted ones, old snapshots and files nobody names
removed. Each under the table's lock; a kill leaves files that the next removal takes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from itertools import islice, pairwise
from typing import TypeAlias

import pyarrow as pa
import pyarrow.fs
from pyiceberg.io.pyarrow import PyArrowFileIO
from pyiceberg.manifest import DataFile
from pyiceberg.table import FileScanTask, Table
from sqlalchemy import Engine

from hub.errors import HubError
from hub.lake.catalog import Catalog, columns, writing
from hub.lake.files import AS_THEY_ARE, database
from hub.lake.read import Selection, relation
from hub.lake.tables import TableSpec, name_of
from hub.lake.write import data_files, replace_files

# A file is small below this; a partition with so many small ones is worth the work; so many partitions make one commit.
SMALL_ROWS, FILE_ROWS, FILE_BYTES, BATCH_ROWS = 250_000, 1_000_000, 256 * 2**20, 122_880
FEW_FILES, PARTITIONS = 4, 16
MEMORY = "1GB"
Partition: TypeAlias = tuple[object, ...]


def compact(engine: Engine, table: TableSpec | str) -> int:
    """Rewrite the small files of each partition into few, sorted by the table's order; how many were replaced. Reads
    the small files alone, through DuckDB, which spills what it cannot hold; writers get their turn between commits.
    Files whose rows another engine deletes one by one are that engine's to compact."""
    replaced = 0
    done: set[Partition] = set()
    while files := _compact_some(engine, name_of(table), done):
        replaced += files
    return replaced


def _compact_some(engine: Engine, name: str, done: set[Partition]) -> int:
    """A commit's worth of the partitions not yet `done`; how many files were replaced."""
    with writing(engine, name) as catalog:
        table = catalog.table(name)
        groups = dict(islice(((key, some) for key, some in _small(table).items() if key not in done), PARTITIONS))
        done.update(groups)
        added: list[DataFile] = []
        for group in groups.values():
            added += data_files(table, _sorted(table, group))
        removed = [task.file for group in groups.values() for task in group]
        if removed:
            replace_files(table, added, removed, {"hub.operation": "compact"})
        return len(removed)


def _small(table: Table) -> dict[Partition, list[FileScanTask]]:
    partitions: dict[Partition, list[FileScanTask]] = defaultdict(list)
    for task in table.scan().plan_files():
        if task.file.record_count < SMALL_ROWS and not task.delete_files:
            partitions[task.file.spec_id, *task.file.partition._data].append(task)
    return {key: tasks for key, tasks in partitions.items() if len(tasks) >= FEW_FILES}


def _sorted(table: Table, tasks: Sequence[FileScanTask]) -> Iterator[pa.Table]:
    """Rows of the files in the table's order, one new file's worth at a time."""
    order = ", ".join(columns(table, table.sort_order().fields)) or "all"
    with database(MEMORY) as db:
        db.execute(AS_THEY_ARE)
        found = relation(db, ".".join(table.name()), Selection(table, tasks=tasks))
        batches: list[pa.RecordBatch] = []
        for batch in db.sql(f"{found} order by {order}").to_arrow_reader(BATCH_ROWS):
            batches.append(batch)
            if sum(one.num_rows for one in batches) >= FILE_ROWS or sum(one.nbytes for one in batches) >= FILE_BYTES:
                yield pa.Table.from_batches(batches)
                batches = []
        if batches:
            yield pa.Table.from_batches(batches)


def expire(engine: Engine, table: TableSpec | str, keep: Collection[int], older_than: datetime) -> int:
    """Forget snapshots that ceased to be current before `older_than`, but those to `keep`; how many. Whoever began to
    read the current state after that instant can finish. Their files go with `remove_orphans`; tokens stay known."""
    limit = older_than.timestamp() * 1000
    with writing(engine, name_of(table)) as catalog:
        loaded = catalog.table(name_of(table))
        line = sorted(loaded.snapshots(), key=lambda one: one.sequence_number or 0)
        past = {old.snapshot_id for old, new in pairwise(line) if new.timestamp_ms < limit}
        gone = past - set(keep) - {ref.snapshot_id for ref in loaded.refs().values()}
        if gone:
            loaded.maintenance.expire_snapshots().by_ids(sorted(gone)).commit()
        return len(gone)


def remove_orphans(engine: Engine, table: TableSpec | str) -> int:
    """Delete files under the table's location that nothing names: not its metadata, not one of its snapshots; how many.
    No age is asked: all of the hub's writers hold the lock, so what lies there while we hold it was left by the dead.
    (A writer that lost the lock can commit nothing more.) Engines that do not take the lock must not be writing."""
    with writing(engine, name_of(table)) as catalog:
        loaded = catalog.table(name_of(table))
        found = files_under(loaded.io, loaded.location())
        catalog.held()
        named = {_path(loaded, location) for location in named_files(loaded)}
        orphans = sorted(set(found) - named)
        for path in orphans:
            filesystem(loaded.io, loaded.location()).delete_file(path)
        return len(orphans)


def named_files(table: Table) -> Iterator[str]:
    """Every file that the table's metadata or one of its snapshots needs."""
    yield table.metadata_location
    yield from (entry.metadata_file for entry in table.metadata.metadata_log)
    yield from (one.statistics_path for one in [*table.metadata.statistics, *table.metadata.partition_statistics])
    seen: set[str] = set()
    for snapshot in table.snapshots():
        yield snapshot.manifest_list
        for manifest in snapshot.manifests(table.io):
            if manifest.manifest_path not in seen:
                seen.add(manifest.manifest_path)
                yield manifest.manifest_path
                yield from (entry.data_file.file_path for entry in manifest.fetch_manifest_entry(table.io))


def is_readable(engine: Engine, table: TableSpec | str) -> bool:
    """Whether the table's metadata can be read whole: what it needs to be written anew."""
    try:
        return bool(list(named_files(Catalog(engine).table(name_of(table)))))
    except (HubError, OSError, ValueError, EOFError):
        return False


def filesystem(io: object, location: str) -> pyarrow.fs.FileSystem:
    scheme, host, _ = PyArrowFileIO.parse_location(location)
    return io.fs_by_scheme(scheme, host)  # type: ignore[attr-defined]


def files_under(io: object, location: str) -> list[str]:
    """Paths as the file system has them; none where there is no such folder."""
    path = PyArrowFileIO.parse_location(location)[2]
    selector = pyarrow.fs.FileSelector(path, recursive=True, allow_not_found=True)
    found = filesystem(io, location).get_file_info(selector)
    return [one.path for one in found if one.type == pyarrow.fs.FileType.File]


def _path(table: Table, location: str) -> str:
    return PyArrowFileIO.parse_location(location, table.io.properties)[2]
