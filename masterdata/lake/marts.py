"""The marts as tables of the lake, and how a build's file hands them over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from functools import cache
from typing import Any

import duckdb
import pyarrow as pa
import yaml

from hub.lake.files import AS_THEY_ARE
from hub.lake.tables import ORGANISATION, TableSpec
from masterdata.lake.transform import PROJECT
from masterdata.lake.words import definitions

__all__ = ["ORDER", "definitions", "documents", "rows", "specs"]

# The large marts lie by organisation, and their rows in an order.
ORDER: Mapping[str, tuple[str, ...]] = {
    "golden_inventory": ("golden_id", "material_id"),
    "stock_history": ("material_id", "position_key", "valid_from"),
}
_TYPES = {
    "bigint": pa.int64(),
    "integer": pa.int32(),
    "double": pa.float64(),
    "boolean": pa.bool_(),
    "varchar": pa.string(),
    "date": pa.date32(),
    "decimal(38,9)": pa.decimal128(38, 9),
}
# What DuckDB keeps in another type than the lake.
_CAST = {pa.string(): "varchar", pa.decimal128(38, 0): "decimal(38,0)"}


@cache
def documents() -> dict[str, dict[str, Any]]:
    """The marts as `dbt_project` documents them, by name."""
    text = (PROJECT / "models" / "marts" / "_marts.yml").read_text("utf-8")
    return {model["name"]: model for model in yaml.safe_load(text)["models"]}


@cache
def specs() -> dict[str, TableSpec]:
    """Every mart that is a table of the lake, by name; the others are views over it."""
    tables = {name: model for name, model in documents().items() if not model.get("config")}
    return {name: _spec(name, model) for name, model in tables.items()}


def views() -> list[str]:
    """Names of the marts that are views."""
    return [name for name, model in documents().items() if model.get("config")]


def _spec(name: str, model: Mapping[str, Any]) -> TableSpec:
    columns: list[dict[str, str]] = model["columns"]
    schema = pa.schema([(c["name"], _type(c["name"], c["data_type"])) for c in columns])
    return TableSpec(f"gold.{name}", schema, (ORGANISATION,) if name in ORDER else (), ORDER.get(name, ()))


def _type(name: str, said: str) -> pa.DataType:
    if name == ORGANISATION:
        return pa.string()
    if said.startswith("{{"):
        return pa.timestamp("us", "UTC") if "timestamptz" in said else pa.uuid()
    return _TYPES[said]


@contextmanager
def rows(db: duckdb.DuckDBPyConnection, spec: TableSpec) -> Iterator[pa.RecordBatchReader]:
    """A table's rows in a build's file, in its types and order. They end with the block: DuckDB waits without end for a
    file that is opened again while a stream of it is still held by somebody, be it an error's traceback."""
    casts = [f"cast({f.name} as {_CAST[f.type]}) as {f.name}" if f.type in _CAST else f.name for f in spec.schema]
    order = ", ".join((*spec.partition, *spec.sort)) or "1"
    db.execute(AS_THEY_ARE)
    query = f"select {', '.join(casts)} from {spec.name} order by {order}"
    with closing(db.cursor()) as cursor, cursor.sql(query).to_arrow_reader(100_000) as found:
        yield pa.RecordBatchReader.from_batches(spec.schema, (batch.cast(spec.schema) for batch in found))
