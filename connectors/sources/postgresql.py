"""A whole PostgreSQL query by COPY: Arrow parses its CSV, and no value becomes a Python object on the way. A page has
the values and the types its rows would have had (`connectors.tables`); what Arrow cannot read, the driver does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.csv as pc_csv
from psycopg.adapt import Transformer
from psycopg.pq import Format
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from connectors.sources.base import Abort, Retry
from connectors.tables import Columnar, column_of, from_floats, from_numerals

# What a part of a page may weigh: rows of long texts make smaller pages.
PART_ROWS, PAGE_BYTES = 5_000, 64 * 1024 * 1024

_INTEGERS, _FLOATS, _NUMERIC, _TEXTS = (20, 21, 23, 26), (700, 701), 1700, (19, 25, 1042, 1043)
_INSTANT = 1184
_TYPES: dict[int, pa.DataType] = {
    **dict.fromkeys(_INTEGERS, pa.int64()),
    **dict.fromkeys(_FLOATS, pa.float64()),
    16: pa.bool_(),
    1082: pa.date32(),
    1114: pa.timestamp("us"),
}
# An empty line is a row of one empty value, and a byte order mark at the beginning is a sign of the first value:
# Arrow takes the one in front of it for the file's.
_MARK = b"\xef\xbb\xbf"
_PARSE = pc_csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False)
_EMPTY = {"null_values": [""], "strings_can_be_null": True, "quoted_strings_can_be_null": False}


class Copied:
    """One query on an open connection, `rows` to a page. Raises DBAPIError, as SQLAlchemy does."""

    def __init__(self, connection: Connection, query: str, rows: int) -> None:
        self._connection, self._query, self._rows = connection, query, rows
        with _driver(connection) as driver:
            cursor = driver.cursor()
            cursor.execute(f"select * from (\n{query}\n) described limit 0".encode())
            described = cursor.description or ()
            loaders = Transformer.from_context(driver)
        self.columns = [column.name for column in described]
        self._kinds = [column.type_code for column in described]
        self._loaders = [loaders.get_loader(kind, Format.TEXT) for kind in self._kinds]
        self._types = [self._type(position) for position in range(len(self._kinds))]

    def pages(self) -> Iterator[Columnar]:
        """All rows or an error: what the server says it sent must have come."""
        came = 0
        with _driver(self._connection) as driver, driver.cursor() as cursor:
            with cursor.copy(f"copy (\n{self._query}\n) to stdout (format csv)".encode()) as copy:
                lines = iter(copy)
                while page := self._page(lines):
                    came += len(page)
                    yield self._parsed(page)
            if cursor.rowcount != came:
                raise Retry(f"The database sent {came} of {cursor.rowcount} rows.")
        if not came:
            yield Columnar(pa.table([pa.nulls(0)] * len(self.columns), names=self.columns))

    def _page(self, lines: Iterator[Any]) -> list[Any]:
        """One row each, as the server sends them."""
        page: list[Any] = []
        size = 0
        while len(page) < self._rows and size < PAGE_BYTES:
            part = list(islice(lines, min(PART_ROWS, self._rows - len(page))))
            page += part
            size += sum(map(len, part))
            if not part:
                break
        return page

    def _parsed(self, page: Sequence[Any]) -> Columnar:
        data = b"".join((_MARK, *page))
        try:
            arrays = self._read(data, self._types)
        except pa.ArrowInvalid:
            arrays = self._read(data, [pa.string()] * len(self._types))
        if len(arrays[0]) != len(page):
            raise Abort(f"{len(page)} rows of the database were taken for {len(arrays[0])}: please report this.")
        made = [self._settled(position, array) for position, array in enumerate(arrays)]
        return Columnar(pa.Table.from_arrays(made, names=self.columns))

    def _read(self, data: bytes, types: Sequence[pa.DataType]) -> list[pa.Array]:
        names = [str(position) for position in range(len(types))]
        table = pc_csv.read_csv(
            pa.BufferReader(data),
            pc_csv.ReadOptions(use_threads=False, block_size=len(data) + 1, column_names=names),
            _PARSE,
            pc_csv.ConvertOptions(
                column_types=dict(zip(names, types, strict=True)), true_values=["t"], false_values=["f"], **_EMPTY
            ),
        )
        return [column.combine_chunks() for column in table.columns]

    def _type(self, position: int) -> pa.DataType:
        kind = self._kinds[position]
        if kind == _INSTANT:  # in the zone the driver gives its instants
            return pa.array([self._loaders[position].load(b"2000-01-01 00:00:00+00")]).type
        return _TYPES.get(kind, pa.string())

    def _settled(self, position: int, array: pa.Array) -> pa.Array:
        """The column as its Python values would make it."""
        kind = self._kinds[position]
        if array.null_count == len(array):
            return pa.nulls(len(array))
        exact: Callable[[pa.Array], pa.Array | None] | None = None
        if kind == _NUMERIC:
            exact = from_numerals
        elif pa.types.is_floating(array.type):
            exact = from_floats
        if exact is not None:
            made = exact(array)
            return made if made is not None else column_of(self._loaded(position, array))
        if kind in _TEXTS or array.type != pa.string():
            return array
        return column_of(self._loaded(position, array))

    def _loaded(self, position: int, array: pa.Array) -> list[Any]:
        """The driver's own values of what the server wrote."""
        load = self._loaders[position].load
        if array.type != pa.string():
            array = array.cast(pa.string())
        return [None if text is None else load(text.encode()) for text in array.to_pylist()]


@contextmanager
def _driver(connection: Connection) -> Iterator[psycopg.Connection[Any]]:
    """The driver's own connection; what it raises is told as SQLAlchemy tells it."""
    driver: Any = connection.connection.driver_connection
    try:
        yield driver
    except psycopg.Error as error:
        lost = driver.closed
        if lost:
            connection.invalidate(error)
        raise DBAPIError(None, None, error, connection_invalidated=lost) from None
