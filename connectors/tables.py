"""Rows as drivers give them → Arrow tables with exact values: decimals never pass through float, and a column whose
values have no common type becomes text."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, overload

import pyarrow as pa
import pyarrow.compute as pc

_NESTED = (pa.types.is_nested, pa.types.is_decimal256, pa.types.is_dictionary)


class Columnar(Sequence[tuple[Any, ...]]):
    """Rows that a source gave as an Arrow table of `to_arrow`'s types: tuples are made only where somebody looks."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @overload
    def __getitem__(self, index: int) -> tuple[Any, ...]: ...

    @overload
    def __getitem__(self, index: slice) -> Columnar: ...

    def __getitem__(self, index: int | slice) -> tuple[Any, ...] | Columnar:
        if isinstance(index, slice):
            return Columnar(self.table.take(pa.array(range(*index.indices(len(self))), pa.int64())))
        return tuple(column[index].as_py() for column in self.table.columns)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return zip(*(column.to_pylist() for column in self.table.columns), strict=True)


def to_arrow(columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> pa.Table:
    """A table of these rows; column types are what the values have in common."""
    if isinstance(rows, Columnar):
        return rows.table
    values = zip(*rows, strict=True) if rows else ([] for _ in columns)
    arrays = [column_of(v) for v in values]
    return pa.Table.from_arrays(arrays, names=list(columns))


def concat(tables: Sequence[pa.Table]) -> pa.Table:
    """One table out of pages whose column types may differ; what cannot be widened becomes text."""
    try:
        return pa.concat_tables(tables, promote_options="permissive").combine_chunks()
    except (pa.ArrowTypeError, pa.ArrowInvalid):
        return pa.concat_tables([_as_text(t) for t in tables]).combine_chunks()


def _as_text(table: pa.Table) -> pa.Table:
    return pa.table({n: pa.array([to_text(v) for v in table[n].to_pylist()], pa.string()) for n in table.column_names})


def column_of(values: Sequence[Any]) -> pa.Array:
    """A column of these Python values."""
    try:
        array = pa.array(values)
    except (pa.ArrowException, OverflowError, TypeError, ValueError):
        return _mixed(values)
    if pa.types.is_floating(array.type):
        exact = from_floats(array)
        return _mixed(values) if exact is None else exact
    return _mixed(values) if any(is_kind(array.type) for is_kind in _NESTED) else array


def from_floats(array: pa.Array) -> pa.Array | None:
    """Floats by their shortest text, which is the number their own system shows; None where that is not plain."""
    text = pc.cast(array, pa.string())
    if pc.any(pc.match_substring_regex(text, "[^-.0-9]")).as_py():
        return None
    decimals = pc.max(pc.utf8_length(pc.replace_substring_regex(text, r"^[^.]*\.?", ""))).as_py() or 0
    try:
        return pc.cast(text, pa.decimal128(38, decimals))
    except pa.ArrowException:
        return None


def from_numerals(text: pa.Array) -> pa.Array | None:
    """Plain decimal numerals in the narrowest type that holds all of them, as Arrow would find for their Decimals; None
    where one is no number or no such type has the digits."""
    point, length = pc.find_substring(text, "."), pc.binary_length(text)
    before = pc.subtract(pc.if_else(pc.less(point, 0), length, point), pc.starts_with(text, "-").cast(pa.int32()))
    scale = pc.max(pc.if_else(pc.less(point, 0), 0, pc.subtract(pc.subtract(length, point), 1))).as_py() or 0
    digits = pc.max(before).as_py() or 0
    if digits == 1 and not pc.any(pc.match_substring_regex(text, r"^-?([1-9]|0$)")).as_py():
        digits = 0  # no Decimal counts the zero before its point
    try:
        return pc.cast(text, pa.decimal128(digits + scale, scale))
    except (pa.ArrowException, ValueError):
        return None


def _mixed(values: Sequence[Any]) -> pa.Array:
    """Numbers of several kinds as decimals, everything else as text."""
    if all(v is None or (isinstance(v, int | float | Decimal) and not isinstance(v, bool)) for v in values):
        try:
            array = pa.array([None if v is None else _decimal(v) for v in values])
        except (pa.ArrowException, ValueError):
            return pa.array([to_text(v) for v in values], pa.string())
        if pa.types.is_decimal128(array.type) or pa.types.is_null(array.type):
            return array
    return pa.array([to_text(v) for v in values], pa.string())


def _decimal(value: float | Decimal) -> Decimal:
    number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    if not number.is_finite():
        raise ValueError(f"{value} is not a number")
    return number


def to_text(value: Any) -> str | None:
    """A value as a column of texts holds it."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="backslashreplace")
    if isinstance(value, list | tuple | dict):
        return json.dumps(value, ensure_ascii=False, default=to_text)
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
    return json.dumps(row, ensure_ascii=False, default=to_text)
