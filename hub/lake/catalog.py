"""Where the lake's tables are: PyIceberg's SQL catalog in the hub's PostgreSQL, one writer at a time per table, each
commit on the connection that holds the table's lock."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from pyiceberg.catalog import MetastoreCatalog
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import CommitFailedException, NoSuchTableError
from pyiceberg.io import FileIO
from pyiceberg.io.pyarrow import PyArrowFileIO
from pyiceberg.manifest import ManifestEntryStatus
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import CommitTableResponse, Table
from pyiceberg.table.snapshots import Snapshot
from pyiceberg.table.sorting import SortField, SortOrder
from pyiceberg.table.update import AddSnapshotUpdate, TableRequirement, TableUpdate
from pyiceberg.transforms import IdentityTransform
from pyiceberg.typedef import Identifier
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from hub.errors import Conflict, NotFound, Unavailable
from hub.lake.tables import TableSpec
from hub.settings import Settings, settings

CATALOG = "lake"
TOKEN, SHARED = "hub.token", "hub.shared"
PROPERTIES = {
    "format-version": "2",
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "10",
    "commit.retry.num-retries": "20",
    "commit.retry.min-wait-ms": "20",
    "commit.retry.max-wait-ms": "500",
    "write.parquet.compression-codec": "zstd",
    "write.parquet.row-group-limit": "122880",
}
LOST = (
    "The files of the lake's table {} are not where they were written: {}. Put the folder back, or make the lake anew"
    " with `hub lake rebuild`: moved or copied to another place it cannot be read."
)
_DROP = text("delete from iceberg_tables where catalog_name = 'lake' and table_namespace || '.' || table_name = :name")
_LOCK = text("select pg_advisory_lock(hashtextextended('lake ' || :name, 0))")
_PATIENCE = text("set local lock_timeout = '15min'")
_NAMES = text(
    "select table_namespace || '.' || table_name from iceberg_tables "
    "where catalog_name = 'lake' and coalesce(iceberg_type, 'TABLE') = 'TABLE' order by 1"
)
_POINT = text(
    "update iceberg_tables set metadata_location = :new, previous_metadata_location = :old where catalog_name = 'lake' "
    "and table_namespace || '.' || table_name = :name and metadata_location = :old"
)
_REMEMBER = text("insert into lake_token (table_name, token, snapshot_id) values (:name, :token, :snapshot)")
_KNOWN = text("select exists (select from lake_token where table_name = :name and token = :token)")


def warehouse(given: Settings) -> str:
    """The address tables are made under. Iceberg writes paths as they are: nothing in it is percent-encoded."""
    return given.lake_url.rstrip("/") or f"file://{(given.home / 'lake').absolute()}"


def properties(given: Settings) -> dict[str, str]:
    """What PyIceberg is told: the warehouse, and the door to an S3-compatible store where one is set."""
    key, secret = given.lake_s3_access_key, given.lake_s3_secret_key
    told = {
        "warehouse": warehouse(given),
        "s3.endpoint": given.lake_s3_endpoint,
        "s3.region": given.lake_s3_region,
        "s3.access-key-id": key.get_secret_value() if key else "",
        "s3.secret-access-key": secret.get_secret_value() if secret else "",
    }
    return {name: value for name, value in told.items() if value}


class Catalog(SqlCatalog):
    """`lake`, on an engine of the application role. Commits need a `holder`, the connection with the table's lock:
    pointer and token move in one transaction on it. If it is lost, the lock is lost, and nothing can be committed."""

    def __init__(self, engine: Engine, holder: Connection | None = None) -> None:
        # Not SqlCatalog's own: it would open another pool and look whether its tables are there. Migrations make them.
        MetastoreCatalog.__init__(self, CATALOG, init_catalog_tables="false", **properties(settings()))
        self.engine = engine
        self.holder = holder
        self._schema_version = "v1"

    def load_table(self, identifier: str | Identifier) -> Table:
        try:
            return super().load_table(identifier)
        except FileNotFoundError as error:
            raise Unavailable(LOST.format(".".join(self.identifier_to_tuple(identifier)), error.filename)) from error

    def table(self, name: str) -> Table:
        try:
            return self.load_table(name)
        except NoSuchTableError as error:
            raise NotFound(f"The lake has no table {name}.") from error

    def held(self) -> Connection:
        """The lock's connection, alive. Raises Unavailable where the lock was lost."""
        if self.holder is None:
            raise RuntimeError("Writing needs the table's lock.")
        try:
            with self.holder.begin():
                self.holder.execute(text("select 1"))
        except DBAPIError as error:
            raise Unavailable("The connection to PostgreSQL was lost while the lake was written. Repeat it.") from error
        return self.holder

    def commit_table(
        self, table: Table, requirements: tuple[TableRequirement, ...], updates: tuple[TableUpdate, ...]
    ) -> CommitTableResponse:
        current = self.load_table(table.name())
        staged = self._update_and_stage_table(current, table.name(), requirements, updates)
        added = [update.snapshot for update in updates if isinstance(update, AddSnapshotUpdate)]
        if staged.metadata != current.metadata:
            sync(staged.io, (path for snapshot in added for path in _written(snapshot, staged.io)))
            self._write_metadata(staged.metadata, staged.io, staged.metadata_location)
            move = (".".join(table.name()), current.metadata_location, staged.metadata_location)
            self.point([move], added)
            current = staged
        location = current.metadata_location
        return CommitTableResponse(metadata=current.metadata, metadata_location=location)  # type: ignore[call-arg]

    def point(self, moves: Iterable[tuple[str, str, str]], added: Iterable[Snapshot] = ()) -> None:
        """Name other metadata, all in one transaction: (table, from, to). Tokens of the `added` snapshots are kept."""
        holder = self.held()
        with holder.begin():
            for name, old, new in moves:
                if holder.execute(_POINT, {"name": name, "old": old, "new": new}).rowcount != 1:
                    raise CommitFailedException(f"{name} was changed by a writer without its lock.")
                for snapshot in added:
                    token = snapshot.summary and snapshot.summary.additional_properties.get(TOKEN)
                    if token:
                        self.remember(name, UUID(token), snapshot.snapshot_id)

    def remember(self, name: str, token: UUID, snapshot_id: int | None) -> None:
        """Within the holder's transaction. The key of `lake_token` refuses what is there."""
        assert self.holder is not None  # noqa: S101
        self.holder.execute(_REMEMBER, {"name": name, "token": token, "snapshot": snapshot_id})

    @staticmethod
    def _write_metadata(metadata: Any, io: FileIO, metadata_path: str) -> None:
        MetastoreCatalog._write_metadata(metadata, io, metadata_path)
        sync(io, [metadata_path])


def _written(snapshot: Snapshot, io: FileIO) -> Iterator[str]:
    """Files that came into being with the snapshot."""
    yield snapshot.manifest_list
    for manifest in snapshot.manifests(io):
        if manifest.added_snapshot_id == snapshot.snapshot_id:
            yield manifest.manifest_path
            entries = manifest.fetch_manifest_entry(io)
            yield from (one.data_file.file_path for one in entries if one.status == ManifestEntryStatus.ADDED)


def sync(io: FileIO, locations: Iterable[str]) -> None:
    """Local files reach the disk before the catalog names them; an object store has them when it answers."""
    places = [PyArrowFileIO.parse_location(location, io.properties) for location in locations]
    local = [Path(path) for scheme, _, path in places if scheme == "file"]
    for path in [*local, *sorted({parent for one in local for parent in (one.parent, one.parent.parent)})]:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def writing(engine: Engine, *names: str) -> Iterator[Catalog]:
    """The catalog with the locks of these tables, waited for at most 15 minutes each (then Unavailable). They are
    PostgreSQL session locks on a connection of their own: a process that dies leaves none."""
    own = create_engine(engine.url, poolclass=NullPool)
    with own.connect() as connection:
        for name in sorted(names):
            _lock(connection, name)
        yield Catalog(engine, connection)


def _lock(connection: Connection, name: str) -> None:
    try:
        with connection.begin():
            connection.execute(_PATIENCE)
            connection.execute(_LOCK, {"name": name})
    except DBAPIError as error:
        if isinstance(error.orig, psycopg.errors.LockNotAvailable):
            raise Unavailable(f"Another process has been writing {name} for 15 minutes.") from error
        raise


def is_known(connection: Connection, name: str, token: UUID) -> bool:
    with connection.begin():
        return bool(connection.execute(_KNOWN, {"name": name, "token": token}).scalar_one())


def names(engine: Engine) -> list[str]:
    """All tables of the lake, "schema.table", in order."""
    with engine.connect() as connection:
        return list(connection.execute(_NAMES).scalars())


def snapshots(engine: Engine) -> dict[str, int]:
    """The current snapshot of each table that has one: what `connect` takes to read the same rows again."""
    catalog = Catalog(engine)
    current = {name: catalog.table(name).current_snapshot() for name in names(engine)}
    return {name: snapshot.snapshot_id for name, snapshot in current.items() if snapshot is not None}


def drop(engine: Engine, tables: Sequence[str], also: Callable[[Connection], None] = lambda _: None) -> None:
    """Forget tables, in one transaction with what `also` does on its connection. Their files stay where they are until
    orphans are removed from a table of the same name; tokens stay known."""
    with writing(engine, *tables) as catalog:
        holder = catalog.held()
        with holder.begin():
            for name in tables:
                holder.execute(_DROP, {"name": name})
            also(holder)


def ensure(engine: Engine, spec: TableSpec) -> None:
    """Make the table if it is missing; add columns the spec has gained. Raises Conflict for any other difference."""
    if _is_there(Catalog(engine), spec):
        return
    namespace = spec.name.split(".")[0]
    with writing(engine, namespace) as catalog:
        if not catalog.namespace_exists(namespace):
            catalog.create_namespace(namespace)
    with writing(engine, spec.name) as catalog:
        if not catalog.table_exists(spec.name):
            _create(catalog, spec)
            return
        table = catalog.table(spec.name)
        wanted = catalog._convert_schema_if_needed(spec.schema)
        fresh = [field for field in wanted.fields if field.name not in table.schema().column_names]
        _refuse_changes(table, spec, wanted)
        if fresh:
            with table.update_schema() as update:
                for field in fresh:
                    update.add_column(field.name, field.field_type)


def fits(engine: Engine, spec: TableSpec) -> bool:
    """Whether the table, if it is there, can be what the spec says."""
    try:
        _is_there(Catalog(engine), spec)
    except Conflict:
        return False
    return True


def _is_there(catalog: Catalog, spec: TableSpec) -> bool:
    """With every column of the spec: nothing is to be written. Raises Conflict where it is another table."""
    if not catalog.table_exists(spec.name):
        return False
    table = catalog.table(spec.name)
    _refuse_changes(table, spec, catalog._convert_schema_if_needed(spec.schema))
    return set(spec.schema.names) <= set(table.schema().column_names)


def _create(catalog: Catalog, spec: TableSpec) -> None:
    schema = catalog._convert_schema_if_needed(spec.schema)
    # The catalog numbers the columns in their order, from 1.
    number = {name: position for position, name in enumerate(spec.schema.names, 1)}
    schema = Schema(*(field.model_copy(update={"field_id": number[field.name]}) for field in schema.fields))
    partition = [
        PartitionField(source_id=number[name], field_id=1000 + position, transform=IdentityTransform(), name=name)
        for position, name in enumerate(spec.partition)
    ]
    order = [SortField(source_id=number[name], transform=IdentityTransform()) for name in spec.sort]
    catalog.create_table(
        spec.name,
        schema,
        partition_spec=PartitionSpec(*partition),
        sort_order=SortOrder(*order),
        properties=PROPERTIES | {SHARED: str(spec.is_shared).lower()},
    )


def columns(table: Table, fields: Iterable[Any]) -> tuple[str, ...]:
    """Names of the columns that fields of a partition or an order go by."""
    return tuple(str(table.schema().find_column_name(field.source_id)) for field in fields)


def _refuse_changes(table: Table, spec: TableSpec, wanted: Schema) -> None:
    old = {field.name: (str(field.field_type), field.required) for field in table.schema().fields}
    new = {field.name: (str(field.field_type), field.required) for field in wanted.fields}
    differences = [f"column {name} is gone" for name in old if name not in new]
    differences += [f"column {name} is another" for name in old if name in new and old[name] != new[name]]
    differences += [f"new column {name} must be nullable" for name in new if name not in old and new[name][1]]
    if columns(table, table.spec().fields) != spec.partition:
        differences.append("the partition is another")
    if columns(table, table.sort_order().fields) != spec.sort:
        differences.append("the order is another")
    if (table.properties.get(SHARED) == "true") != spec.is_shared:
        differences.append("it is shared in one and fenced in the other")
    if differences:
        said = f"The lake's table {spec.name} is not what the program expects: {'; '.join(differences)}."
        raise Conflict(f"{said} `hub lake rebuild` makes it anew.")
