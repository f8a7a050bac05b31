"""The fence: the one way to read the lake. A DuckDB connection with one view per table, each holding only rows of
organisations the reader may read; foreign SQL runs on a locked one, on which nothing else is within reach."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import Enum
from typing import Any, Literal
from uuid import UUID

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from pyiceberg.expressions import AlwaysTrue, BooleanExpression, In
from pyiceberg.io.pyarrow import ArrowScan, PyArrowFileIO, schema_to_pyarrow
from pyiceberg.table import FileScanTask, Table
from pyiceberg.types import (
    BinaryType,
    BooleanType,
    DateType,
    DecimalType,
    DoubleType,
    FloatType,
    IcebergType,
    IntegerType,
    LongType,
    StringType,
    TimestampType,
    TimestamptzType,
    UUIDType,
)
from sqlalchemy import Engine

from hub.errors import NotFound, Unprocessable
from hub.lake.catalog import SHARED, Catalog, names
from hub.lake.files import database, fence, literal
from hub.lake.tables import NAME, ORGANISATION, WORD, TableSpec, name_of


class Everyone(Enum):
    """Reads all organisations: for builds and head office."""

    EVERYONE = "everyone"


EVERYONE: Literal[Everyone.EVERYONE] = Everyone.EVERYONE
TYPES: dict[type[IcebergType], str] = {
    BinaryType: "blob",
    BooleanType: "boolean",
    DateType: "date",
    DoubleType: "double",
    FloatType: "float",
    IntegerType: "integer",
    LongType: "bigint",
    StringType: "varchar",
    TimestampType: "timestamp",
    TimestamptzType: "timestamptz",
    UUIDType: "uuid",
}
# For SQL that others wrote, after the views are made. The last one keeps the others as they are.
LOCKS = ("set enable_external_access = false", "set lock_configuration = true")


@contextmanager
def connect(
    engine: Engine,
    readable: Sequence[UUID] | Everyone,
    snapshots: Mapping[str, int] | None = None,
    tables: Sequence[TableSpec | str] | None = None,
    *,
    locked: bool = False,
    memory: str = "2GB",
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection with the views `schema.table` of `tables` (None: all of the lake), pinned to the `snapshots` given
    by name, else current; columns are today's, null where a snapshot did not have them. Rows of other organisations
    than the `readable` are in none of them; tables without an organisation are there if their spec shares them.

    Unlocked is for the hub's own SQL: files are read by DuckDB itself. `locked` is for SQL of others: no file, no
    setting, no extension is within reach, rows come through pyarrow. `memory` bounds DuckDB; beyond it, it spills to
    HUB_HOME/tmp. Raises NotFound for a table or snapshot that is not there, Unprocessable for a table that is neither
    fenced nor shared."""
    catalog = Catalog(engine)
    wanted = [name_of(table) for table in tables] if tables is not None else names(engine)
    with database(memory) as db:
        for name in wanted:
            table = catalog.table(name)
            if _is_open(table, readable):
                _view(db, name, Selection(table, _only(table, readable), (snapshots or {}).get(name)), locked=locked)
            elif tables is not None:
                raise Unprocessable(f"{name} has no organisation and is not shared.")
        for lock in LOCKS if locked else ():
            db.execute(lock)
        yield db


def _is_open(table: Table, readable: Sequence[UUID] | Everyone) -> bool:
    """Whether there is a fence within the table, or none is needed."""
    is_shared = table.properties.get(SHARED) == "true"
    return isinstance(readable, Everyone) or is_shared or ORGANISATION in table.schema().column_names


def _only(table: Table, readable: Sequence[UUID] | Everyone) -> list[str] | None:
    """Organisations whose rows may be read; None: all rows."""
    if isinstance(readable, Everyone) or ORGANISATION not in table.schema().column_names:
        return None
    return [str(UUID(str(one))) for one in readable]


class Selection:
    """Rows of some organisations (`only`; None: all) in one state of a table: the files that hold them, and three ways
    to ask for them."""

    def __init__(
        self,
        table: Table,
        only: Sequence[str] | None = None,
        snapshot_id: int | None = None,
        tasks: Sequence[FileScanTask] | None = None,
    ) -> None:
        if snapshot_id is not None and table.snapshot_by_id(snapshot_id) is None:
            raise NotFound(f"{'.'.join(table.name())} has no snapshot {snapshot_id} any more.")
        self.table, self.only = table, only
        self.rows: BooleanExpression = AlwaysTrue() if only is None else _in(only)
        self.schema = table.schema()
        self.tasks = list(table.scan(self.rows, snapshot_id=snapshot_id).plan_files() if tasks is None else tasks)

    @property
    def is_plain(self) -> bool:
        """All rows of the files are the table's: no row was deleted beside its file; columns are flat."""
        return not any(task.delete_files for task in self.tasks) and all(
            isinstance(field.field_type, DecimalType) or type(field.field_type) in TYPES for field in self.schema.fields
        )

    @property
    def is_steady(self) -> bool:
        """Every column has always had its name and type, so that files may be read by name."""
        known: dict[str, set[tuple[int, str]]] = {}
        for schema in self.table.schemas().values():
            for field in schema.fields:
                known.setdefault(field.name, set()).add((field.field_id, str(field.field_type)))
        numbers = [number for same in known.values() for number, _ in same]
        return all(len(same) == 1 for same in known.values()) and len(numbers) == len(set(numbers))

    @property
    def is_local(self) -> bool:
        return all(self._place(task)[0] == "file" for task in self.tasks)

    def _place(self, task: FileScanTask) -> tuple[str, str, str]:
        return PyArrowFileIO.parse_location(task.file.file_path, self.table.io.properties)

    def sql(self) -> str:
        """For DuckDB to read the files itself. Columns by their field ids where the table's schema was ever another, so
        that renamed and added ones are right; by their names else, for then DuckDB knows how many rows there are."""
        fields = [(field, duck_type(field.field_type)) for field in self.schema.fields]
        if not self.tasks:
            return f"select {', '.join(f'null::{kind} as {quoted(field.name)}' for field, kind in fields)} where false"
        files = ", ".join(literal(self._place(task)[2]) for task in self.tasks)
        known = ", ".join(
            f"{field.field_id}: {{name: {literal(field.name)}, type: {literal(kind)}, default_value: null}}"
            for field, kind in fields
        )
        schema = "" if len(self.table.schemas()) == 1 else f", schema = map {{{known}}}"
        names = ", ".join(quoted(field.name) for field, _ in fields)
        listed = f"read_parquet([{files}]{schema}, hive_partitioning = false)"
        return f"select {names} from {listed}{fence(self.only)}"

    def dataset(self) -> ds.Dataset:
        """Files read by column names, with filters pushed down into them; rows past the fence filtered out."""
        kind = pa.schema([_comparable(field) for field in schema_to_pyarrow(self.schema, include_field_ids=False)])
        scheme, host, _ = PyArrowFileIO.parse_location(self.table.location(), self.table.io.properties)
        files = self.table.io.fs_by_scheme(scheme, host)  # type: ignore[attr-defined]
        whole = ds.dataset(
            [self._place(task)[2] for task in self.tasks], schema=kind, filesystem=files, format="parquet"
        )
        if self.only is None:
            return whole
        return whole.filter(pc.field(ORGANISATION).isin(pa.array(self.only, pa.string())))

    def __arrow_c_stream__(self, requested_schema: object = None) -> Any:
        """Whatever PyIceberg can read, row deletes of other engines included; read anew by every query, no pushdown."""
        kind = schema_to_pyarrow(self.schema, include_field_ids=False)
        scan = ArrowScan(self.table.metadata, self.table.io, self.schema, self.rows)
        batches = (batch.cast(kind) for batch in scan.to_record_batches(self.tasks))
        return pa.RecordBatchReader.from_batches(kind, batches).__arrow_c_stream__(requested_schema)


def _view(db: duckdb.DuckDBPyConnection, name: str, rows: Selection, *, locked: bool) -> None:
    if not NAME.fullmatch(name) or not all(WORD.fullmatch(column) for column in rows.schema.column_names):
        raise Unprocessable(f"{name}: the lake's names are small letters, digits and _.")
    db.execute(f"create schema if not exists {name.partition('.')[0]}")
    db.execute(f"create view {name} as {relation(db, name, rows, locked=locked)}")


def relation(db: duckdb.DuckDBPyConnection, name: str, rows: Selection, *, locked: bool = False) -> str:
    """SQL that selects the rows, by the fastest way that is right for them."""
    if rows.is_plain and (not rows.tasks or (rows.is_local and not locked)):
        return rows.sql()
    source = f"lake_{name.replace('.', '_')}"
    db.from_arrow(rows.dataset() if rows.is_plain and rows.is_steady else rows).create_view(source)
    fields = [(quoted(field.name), duck_type(field.field_type)) for field in rows.schema.fields if rows.is_plain]
    casts = ", ".join(f"cast({field} as uuid) as {field}" for field, kind in fields if kind == "uuid")
    return f"select *{f' replace ({casts})' if casts else ''} from {source}"


def copy_to(db: duckdb.DuckDBPyConnection, engine: Engine, table: TableSpec, snapshot_id: int | None) -> None:
    """The table's rows, all organisations', under its name in a database of the hub's own: a view of the files where
    they lie on this machine, else a copy. Their organisation becomes a UUID."""
    name = table.name
    rows = Selection(Catalog(engine).table(name), None, snapshot_id)
    kind = "view" if rows.is_plain and rows.is_local else "table"
    owned = f"select * replace (cast({ORGANISATION} as uuid) as {ORGANISATION}) from"
    db.execute(f"create schema if not exists {name.partition('.')[0]}")
    db.execute(f"create {kind} {name} as {owned} ({relation(db, name, rows)})")


def _comparable(field: pa.Field) -> pa.Field:
    """Arrow compares no UUIDs with a file's statistics, but their bytes."""
    return field.with_type(pa.binary(16)) if field.type == pa.uuid() else field


def _in(organisations: Sequence[str]) -> BooleanExpression:
    return In(ORGANISATION, organisations)  # type: ignore[call-arg, arg-type, misc]


def duck_type(kind: IcebergType) -> str:
    return f"decimal({kind.precision},{kind.scale})" if isinstance(kind, DecimalType) else TYPES[type(kind)]


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
