"""The marts as tables of the lake, and how a build's file hands them over: ids become text, as Iceberg keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import duckdb
import pyarrow as pa
import yaml

from hub.lake.tables import ORGANISATION, TableSpec
from masterdata.lake.transform import PROJECT

# How many rows of a mart lie together.
ORDER: Mapping[str, tuple[str, ...]] = {
    "golden_inventory": ("golden_id", "material_id"),
    "stock_history": ("material_id", "position_key", "valid_from"),
    "stock_movements": ("material_id", "occurred_at"),
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


@cache
def documents() -> dict[str, dict[str, object]]:
    """The marts as `dbt_project` documents them, by name."""
    text = (PROJECT / "models" / "marts" / "_marts.yml").read_text("utf-8")
    return {model["name"]: model for model in yaml.safe_load(text)["models"]}


@cache
def specs() -> dict[str, TableSpec]:
    """Every mart as a table of the lake, by name."""
    return {name: _spec(name, model) for name, model in documents().items()}


def _spec(name: str, model: Mapping[str, object]) -> TableSpec:
    columns: list[dict[str, str]] = model["columns"]  # type: ignore[assignment]
    schema = pa.schema([(c["name"], _type(c["data_type"])) for c in columns])
    return TableSpec(f"gold.{name}", schema, partition=(ORGANISATION,), sort=ORDER.get(name, ()))


def _type(said: str) -> pa.DataType:
    if said.startswith("{{"):
        return pa.timestamp("us", "UTC") if "timestamptz" in said else pa.string()
    return _TYPES[said]


def rows(db: duckdb.DuckDBPyConnection, spec: TableSpec) -> pa.RecordBatchReader:
    """The mart's rows in a build's file, in the table's types and order."""
    casts = [f"cast({f.name} as varchar) as {f.name}" if f.type == pa.string() else f.name for f in spec.schema]
    order = ", ".join((ORGANISATION, *spec.sort))
    found = db.cursor().sql(f"select {', '.join(casts)} from {spec.name} order by {order}").to_arrow_reader(100_000)
    return pa.RecordBatchReader.from_batches(spec.schema, (batch.cast(spec.schema) for batch in found))
