"""Rows as drivers give them → Arrow tables with exact values: decimals never pass through float, and a column whose
values have no common type becomes text."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

_NESTED = (pa.types.is_nested, pa.types.is_decimal256, pa.types.is_dictionary)


def to_arrow(columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> pa.Table:
    """A table of these rows; column types are what the values have in common."""
    values = zip(*rows, strict=True) if rows else ([] for _ in columns)
    arrays = [_column(v) for v in values]
    return pa.Table.from_arrays(arrays, names=list(columns))


def concat(tables: Sequence[pa.Table]) -> pa.Table:
    """One table out of pages whose column types may differ; what cannot be widened becomes text."""
    try:
        return pa.concat_tables(tables, promote_options="permissive").combine_chunks()
    except (pa.ArrowTypeError, pa.ArrowInvalid):
        return pa.concat_tables([_as_text(t) for t in tables]).combine_chunks()


def _as_text(table: pa.Table) -> pa.Table:
    return pa.table({n: pa.array([_text(v) for v in table[n].to_pylist()], pa.string()) for n in table.column_names})


def _column(values: Sequence[Any]) -> pa.Array:
    try:
        array = pa.array(values)
    except (pa.ArrowException, OverflowError, TypeError, ValueError):
        return _mixed(values)
    if pa.types.is_floating(array.type):
        exact = _from_floats(array)
        return _mixed(values) if exact is None else exact
    return _mixed(values) if any(is_kind(array.type) for is_kind in _NESTED) else array


def _from_floats(array: pa.Array) -> pa.Array | None:
    """Floats by their shortest text, which is the number their own system shows; None where that is not plain."""
    text = pc.cast(array, pa.string())
    if pc.any(pc.match_substring_regex(text, "[^-.0-9]")).as_py():
        return None
    decimals = pc.max(pc.utf8_length(pc.replace_substring_regex(text, r"^[^.]*\.?", ""))).as_py() or 0
    try:
        return pc.cast(text, pa.decimal128(38, decimals))
    except pa.ArrowException:
        return None


def _mixed(values: Sequence[Any]) -> pa.Array:
    """Numbers of several kinds as decimals, everything else as text."""
    if all(v is None or (isinstance(v, int | float | Decimal) and not isinstance(v, bool)) for v in values):
        try:
            array = pa.array([None if v is None else _decimal(v) for v in values])
        except (pa.ArrowException, ValueError):
            return pa.array([_text(v) for v in values], pa.string())
        if pa.types.is_decimal128(array.type) or pa.types.is_null(array.type):
            return array
    return pa.array([_text(v) for v in values], pa.string())


def _decimal(value: float | Decimal) -> Decimal:
    number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    if not number.is_finite():
        raise ValueError(f"{value} is not a number")
    return number


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="backslashreplace")
    if isinstance(value, list | tuple | dict):
        return json.dumps(value, ensure_ascii=False, default=_text)
    if isinstance(value, Decimal):
        return format(value, "f") if value.is_finite() else str(value)
    return as_text(value)


def as_text(value: Any) -> str:
    """A single value as cursors and messages write it; instants keep the zone they have, or none."""
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, date | time):
        return value.isoformat()
    return str(value)


def raw_json(row: Any) -> str:
    """The JSON of a row that could not become an Arrow value."""
    return json.dumps(row, ensure_ascii=False, default=_text)
