"""What both legacy servers need of their database: which columns a table has, and rows of it as JSON-ready values."""

from __future__ import annotations

from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from psycopg import sql
from psycopg_pool import ConnectionPool

_OPERATORS = {
    "=": "=",
    "!=": "is distinct from",
    ">": ">",
    ">=": ">=",
    "<": "<",
    "<=": "<=",
    "like": "like",
    "ilike": "ilike",
    "not like": "not like",
    "=like": "like",
}


class UnknownField(Exception):
    """A caller named a column that the table has not."""


class Tables:
    """Columns and types of every table of one legacy database, read once."""

    def __init__(self, dsn: str) -> None:
        self.pool = ConnectionPool(dsn, min_size=1, max_size=6, open=True, kwargs={"autocommit": True})
        found = self.query(
            sql.SQL(
                "select table_name, column_name, data_type from information_schema.columns where table_schema = "
                "'public' order by ordinal_position"
            )
        )
        self.columns: dict[str, dict[str, str]] = {}
        for table, column, kind in found:
            self.columns.setdefault(table, {})[column] = kind

    def query(self, statement: sql.Composed | sql.SQL, params: list[Any] | None = None) -> list[tuple[Any, ...]]:
        with self.pool.connection() as con:
            return con.execute(statement, params).fetchall()

    def column(self, table: str, name: str) -> sql.Identifier:
        if name not in self.columns[table]:
            raise UnknownField(name)
        return sql.Identifier(name)

    def compare(self, column: sql.Composable, operator: str, value: Any) -> tuple[sql.Composable, list[Any]]:
        """One condition and its parameters. Raises ValueError for an operator that neither system has."""
        if operator in {"in", "not in"}:
            listed = value.split(",") if isinstance(value, str) else list(value)
            form = sql.SQL("{} = any(%s)") if operator == "in" else sql.SQL("not coalesce({} = any(%s), false)")
            return form.format(column), [listed]
        if value is False or value is None:
            form = (
                sql.SQL("coalesce({}::text, 'false') = 'false'")
                if operator == "="
                else sql.SQL("coalesce({}::text, 'false') <> 'false'")
            )
            return form.format(column), []
        if operator not in _OPERATORS:
            raise ValueError(operator)
        if operator in {"like", "ilike", "not like"} and "%" not in str(value):
            value = f"%{value}%"
        return sql.SQL("{} {} %s").format(column, sql.SQL(_OPERATORS[operator])), [value]

    def close(self) -> None:
        self.pool.close()


def plain(value: Any, *, micros: bool = False) -> Any:
    """A database value as both servers write it in JSON."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S.%f}" if micros else f"{value:%Y-%m-%d %H:%M:%S}"
    return value.isoformat() if isinstance(value, date | time) else value
