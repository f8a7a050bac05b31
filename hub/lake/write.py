"""Rows into the lake's tables: appended exactly once per token, or replacing all that was there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import count
from typing import TypeAlias
from uuid import UUID, uuid4

import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.io.pyarrow import _dataframe_to_data_files
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table
from sqlalchemy import Engine

from hub.errors import Unprocessable
from hub.lake.catalog import TOKEN, Catalog, is_known, writing
from hub.lake.tables import ORGANISATION, TableSpec, name_of

# A reader is taken in pieces of this size; each piece becomes one file per partition.
PIECE_BYTES = 128 * 2**20
Rows: TypeAlias = pa.Table | pa.RecordBatchReader


def append(engine: Engine, tables: Mapping[TableSpec, Rows], token: UUID, *, in_order: bool = False) -> None:
    """Append rows, exactly once per token and table: called again after a kill at any instant, it does what is left.

    The token is stamped into the snapshot and kept in `lake_token`, by the very transaction that makes the snapshot the
    table's current one. So both happen or neither does, the key of `lake_token` refuses a second commit, and a token
    is known for ever, whatever snapshots expire. Iceberg cannot commit several tables at once: each is exact by itself,
    and a reader may see one before the other. Columns missing in the rows are null. A reader is taken in pieces and
    left alone where the token is known. `in_order`: they come by partition and sort, as files keep them. Raises
    NotFound, Unprocessable, Unavailable."""
    for spec, rows in tables.items():
        _write(engine, spec, rows, token, in_order=in_order)


def overwrite(engine: Engine, spec: TableSpec, rows: Rows, token: UUID, *, in_order: bool = False) -> None:
    """Replace all rows of the table in one commit, exactly once per token. Earlier snapshots keep what they held."""
    _write(engine, spec, rows, token, is_whole=True, in_order=in_order)


def was_appended(engine: Engine, table: TableSpec | str, token: UUID) -> bool:
    with engine.connect() as connection:
        return is_known(connection, name_of(table), token)


def _write(engine: Engine, spec: TableSpec, rows: Rows, token: UUID, *, is_whole: bool = False, in_order: bool) -> None:
    with writing(engine, spec.name) as catalog:
        if is_known(catalog.held(), spec.name, token):
            return
        table = catalog.table(spec.name)
        pieces = _pieces(spec, rows)
        added = list(data_files(table, pieces if in_order else (_sorted(spec, piece) for piece in pieces)))
        removed = [task.file for task in table.scan().plan_files()] if is_whole else []
        if added or removed:
            replace_files(table, added, removed, {TOKEN: str(token)})
        else:
            _remember(catalog, spec.name, token)


def _remember(catalog: Catalog, name: str, token: UUID) -> None:
    with catalog.held().begin():
        catalog.remember(name, token, None)


def data_files(table: Table, pieces: Iterable[pa.Table]) -> Iterator[DataFile]:
    """Write rows as files under the table's location; nothing names them yet."""
    written, number = uuid4(), count()
    for piece in pieces:
        if piece.num_rows:
            yield from _dataframe_to_data_files(table.metadata, piece, table.io, written, number)


def replace_files(
    table: Table, added: Iterable[DataFile], removed: Iterable[DataFile], properties: Mapping[str, str]
) -> None:
    """One snapshot, one commit."""
    gone = list(removed)
    with table.transaction() as transaction:
        update = transaction.update_snapshot(snapshot_properties=dict(properties))
        with update.overwrite() if gone else update.fast_append() as snapshot:
            for file in gone:
                snapshot.delete_data_file(file)
            for file in added:
                snapshot.append_data_file(file)


def _pieces(spec: TableSpec, rows: Rows) -> Iterator[pa.Table]:
    """Rows in the spec's columns and order, a bounded number at a time."""
    if isinstance(rows, pa.Table):
        yield _fitted(spec, rows)
        return
    batches: list[pa.RecordBatch] = []
    for batch in rows:
        batches.append(batch)
        if sum(one.nbytes for one in batches) >= PIECE_BYTES:
            yield _fitted(spec, pa.Table.from_batches(batches))
            batches = []
    if batches:
        yield _fitted(spec, pa.Table.from_batches(batches))


def _fitted(spec: TableSpec, rows: pa.Table) -> pa.Table:
    strangers = set(rows.column_names) - set(spec.schema.names)
    if strangers:
        raise Unprocessable(f"{spec.name} has no columns {', '.join(sorted(strangers))}.")
    given = [
        rows[field.name] if field.name in rows.column_names else pa.nulls(rows.num_rows, field.type)
        for field in spec.schema
    ]
    try:
        fitted = pa.table(given, names=spec.schema.names).cast(spec.schema)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError) as error:
        raise Unprocessable(f"Rows do not fit {spec.name}: {error}") from error
    if not spec.is_shared and fitted[ORGANISATION].null_count:
        raise Unprocessable(f"Rows of {spec.name} without {ORGANISATION} would be nobody's.")
    return fitted


def _sorted(spec: TableSpec, rows: pa.Table) -> pa.Table:
    order = (*spec.partition, *spec.sort)
    if not order:
        return rows
    keys = pa.table({name: _sortable(rows[name]) for name in order})
    return rows.take(pc.sort_indices(keys, [(name, "ascending") for name in order]))


def _sortable(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Arrow orders no UUIDs, but their bytes."""
    return column.cast(pa.binary(16)) if column.type == pa.uuid() else column
