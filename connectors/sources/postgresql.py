"""A whole PostgreSQL query by COPY: Arrow parses its CSV, and no value becomes a Python object on the way. A page has
the values and the types its rows would have had (`connectors.tables`); what Arrow cannot read, the driver does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.csv as pc_csv
from psycopg.abc import PQGen
from psycopg.adapt import Transformer
from psycopg.errors import error_from_result
from psycopg.generators import fetch_many
from psycopg.pq import ExecStatus, Format
from psycopg.pq.abc import PGconn
from psycopg.waiting import Wait
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from connectors.sources.base import Abort, Retry
from connectors.tables import Columnar, column_of, from_floats, from_numerals

# A page ends with the row that fills its bytes: long texts make smaller pages. Arrow's offsets end at BLOCK_MAX.
PART_ROWS, PAGE_BYTES, BLOCK_MAX = 5_000, 64 * 1024 * 1024, 2**31 - 1
COPY = "copy (\n{}\n) to stdout (format csv)"
# How a server that speaks PostgreSQL's protocol says that it does not know this: feature not supported, syntax error.
REFUSALS = ("0A000", "42601")

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
    """One query on an open connection, `rows` to a page. Raises DBAPIError, as SQLAlchemy does; a server that does not
    copy refuses before any row."""

    def __init__(self, connection: Connection, query: str, rows: int) -> None:
        self._connection, self._query, self._rows = connection, query, rows
        with _driver(connection) as driver:
            cursor = driver.cursor()
            none = f"select * from (\n{query}\n) described limit 0"
            cursor.execute(none.encode())
            described = cursor.description or ()
            loaders = Transformer.from_context(driver)
            with cursor.copy(COPY.format(none).encode()) as tried:
                for _ in tried:
                    pass
        self.columns = [column.name for column in described]
        self._kinds = [column.type_code for column in described]
        self._loaders = [loaders.get_loader(kind, Format.TEXT) for kind in self._kinds]
        self._types = [self._type(position) for position in range(len(self._kinds))]

    def pages(self) -> Iterator[Columnar]:
        """All rows or an error: what the server says it sent must have come."""
        came, ended = 0, False
        begin = COPY.format(self._query).encode()
        with _driver(self._connection) as driver, driver.cursor() as cursor, cursor.copy(begin):
            while not ended:
                data, rows, ended = self._page(driver, came)
                came += rows
                if rows:
                    yield self._parsed(data, rows)
        if not came:
            yield Columnar(pa.table([pa.nulls(0)] * len(self.columns), names=self.columns))

    def _page(self, driver: psycopg.Connection[Any], before: int) -> tuple[bytes, int, bool]:
        """Lines of the next page and how many rows they are; whether they are the last."""
        parts, rows, size = [_MARK], 0, 0
        while rows < self._rows and size < PAGE_BYTES:
            lines, told = driver.wait(_part(driver.pgconn, min(PART_ROWS, self._rows - rows), PAGE_BYTES - size))
            parts.append(b"".join(lines))
            rows, size = rows + len(lines), size + len(parts[-1])
            if told is not None:
                if told != before + rows:
                    raise Retry(f"The database sent {before + rows} of {told} rows.")
                return b"".join(parts), rows, True
        return b"".join(parts), rows, False

    def _parsed(self, data: bytes, rows: int) -> Columnar:
        if len(data) >= BLOCK_MAX:
            raise Abort("A row of the query has about 2 GB: leave the column out that holds so much.")
        try:
            arrays = self._read(data, self._types)
        except pa.ArrowInvalid:
            arrays = self._read(data, [pa.string()] * len(self._types))
        if len(arrays[0]) != rows:
            raise Abort(f"{rows} rows of the database were taken for {len(arrays[0])}: please report this.")
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


def _part(connection: PGconn, most: int, room: int) -> PQGen[tuple[list[Any], int | None]]:
    """Up to `most` rows of a COPY, each as the server sends it, or what fills `room` bytes; after the last how many it
    sent. The driver's own iteration asks to wait before each row: twice the time."""
    part: list[Any] = []
    take = connection.get_copy_data
    while len(part) < most and room > 0:
        size, row = take(1)
        if size > 0:
            part.append(row)
            room -= size
        elif size == 0:
            while not (yield Wait.R):
                pass
            connection.consume_input()
        else:
            (*_, result) = yield from fetch_many(connection)
            if result.status != ExecStatus.COMMAND_OK:
                raise error_from_result(result)
            return part, result.command_tuples or 0
    return part, None


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
