"""What a table of the lake is: its name, columns, partition and order. No PyIceberg here."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pyarrow as pa

# What DuckDB may put on disk when it lacks memory: an unlucky query must not fill it.
SPILL = "20GB"
ORGANISATION = "organisation_id"
NAME = re.compile(r"[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*")
WORD = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True)
class TableSpec:
    """`name` is "schema.table", `schema` has flat columns alone (instants in microseconds), `partition` columns are
    taken as they are, `sort` is the order of rows within a file. A table with an `organisation_id` (text) is read
    through the fence; one without must say `is_shared`: everyone reads all of it. Raises ValueError."""

    name: str
    schema: pa.Schema
    partition: tuple[str, ...] = ()
    sort: tuple[str, ...] = ()
    is_shared: bool = False

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name) or not all(WORD.fullmatch(name) for name in self.schema.names):
            raise ValueError(f"{self.name}: names are schema.table and column, in small letters, digits and _.")
        strangers = {*self.partition, *self.sort} - set(self.schema.names)
        if strangers:
            raise ValueError(f"{self.name} has no columns {', '.join(sorted(strangers))}.")
        if self.is_shared == (ORGANISATION in self.schema.names):
            raise ValueError(f"{self.name} needs either {ORGANISATION} or is_shared, not both.")
        if not self.is_shared and self.schema.field(ORGANISATION).type != pa.string():
            raise ValueError(f"{self.name}: {ORGANISATION} is text.")
        for field in self.schema:
            if not _is_flat(field.type):
                raise ValueError(f"{self.name}: {field.name} cannot be {field.type}.")


def name_of(table: TableSpec | str) -> str:
    return table if isinstance(table, str) else table.name


def _is_flat(kind: pa.DataType) -> bool:
    if pa.types.is_timestamp(kind):
        return bool(kind.unit == "us" and kind.tz in (None, "UTC"))
    simple = (
        pa.string(),
        pa.int32(),
        pa.int64(),
        pa.float32(),
        pa.float64(),
        pa.bool_(),
        pa.date32(),
        pa.binary(),
        pa.uuid(),
    )
    return kind in simple or bool(pa.types.is_decimal128(kind))
