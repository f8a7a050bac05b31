"""The set-wise mapping: a page of rows → one SELECT in DuckDB → common records typed as the contract says.
A page that fails as a whole is repeated row by row, so that one unreadable value spoils its own field alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from connectors.contract import ContractField, streams
from connectors.document import DocumentError
from connectors.macros import definitions, identifier, literal
from connectors.mapping import Mapping
from connectors.sources.base import Skipped
from connectors.tables import concat, raw_json

MEMORY = "256MB"
THREADS = 2
_CONFIG: dict[str, Any] = {
    "threads": THREADS,
    "memory_limit": MEMORY,
    "enable_external_access": False,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "python_enable_replacements": False,
}
_ROW_FAULTS = (duckdb.ConversionException, duckdb.OutOfRangeException, duckdb.InvalidInputException)
_NO_TRY = re.compile(r"\(\s*(select|with)\b", re.IGNORECASE)

Group = tuple[str, str]


@dataclass(frozen=True)
class _Column:
    """One expression of the mapping: where it goes, what it is, where it stands."""

    name: str
    sql: str
    type: str
    line: int


class Transform:
    """One stream of one mapping over one read. Not for several threads."""

    def __init__(self, mapping: Mapping, stream: str) -> None:
        self.mapping, self.stream = mapping, stream
        self.spec = mapping.spec.streams[stream]
        self.contract = streams()[stream]
        self.schema = self.contract.arrow_schema
        self.groups: set[Group] = set()
        self._next_row = 0
        self._types: dict[str, pa.DataType] = {}
        self._fields = [self._field(f) for f in self.contract.fields if f.name in self.spec.fields]
        default = literal(mapping.organisation)
        self._split = [
            _Column(
                "_organisation",
                f"coalesce({self.spec.organisation or default}, {default})",
                "VARCHAR",
                self._line("organisation"),
            ),
            _Column("_coverage", f"coalesce({self.spec.coverage}, 'all')", "VARCHAR", self._line("coverage")),
        ]
        self._db = duckdb.connect(":memory:", config=_CONFIG)
        self._db.execute("SET TimeZone = 'UTC'")
        # Folding two like expressions into one would evaluate them outside the TRY that guards them.
        self._db.execute("SET disabled_optimizers = 'common_subexpressions'")
        for statement in definitions(mapping.spec.zone, mapping.spec.units, mapping.spec.status):
            self._db.execute(statement)
        self._db.execute("SET lock_configuration = true")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._db.close()

    def restart(self) -> None:
        """Begin another read with the same expressions."""
        self._next_row = 0
        self.groups.clear()

    def lookup(self, table: str, pages: list[pa.Table]) -> None:
        """Make a whole table known under its name."""
        self._db.register(table, concat(pages))

    def page(self, table: pa.Table) -> Iterator[tuple[Group | None, pa.Table]]:
        """Common records of one page of the driving table, split by organisation and coverage; those of which that
        cannot be told come last, under None."""
        numbers = pa.arange(self._next_row, self._next_row + table.num_rows)
        self._next_row += table.num_rows
        table = self._steady(table)
        driving = table.append_column("_row", numbers)
        self._db.register(self.spec.driving, driving)
        mapped = self._once(self._map(table.column_names))
        if mapped.num_rows < table.num_rows and self.mapping.lookups(self.stream):
            mapped = pa.concat_tables([mapped, self._lost(table.column_names)])
        yield from self._grouped(mapped)

    def skipped(self, records: list[Skipped]) -> pa.Table:
        """Rows for records the source could not read: raw text and reason, no field, of no known group."""
        first, self._next_row = self._next_row, self._next_row + len(records)
        columns = {
            "_row": range(first, self._next_row),
            "_raw": [raw_json(dict(r.raw)) for r in records],
            "_problem": [f"{r.where}: {r.reason}" for r in records],
        }
        return self._complete(pa.table({k: pa.array(v) for k, v in columns.items()}))

    def fallback_group(self) -> Group:
        """Where rows belong whose own organisation and coverage cannot be told: the system's own organisation first."""
        if self.groups:
            return min(self.groups, key=lambda group: (group[0] != self.mapping.organisation, group))
        columns = ", ".join(c.sql for c in self._split)
        try:
            (row,) = self._db.execute(f"SELECT {columns}").fetchall()
        except duckdb.Error:
            row = None
        return (str(row[0]), str(row[1])) if row else (self.mapping.organisation, "all")

    def _line(self, *path: str) -> int:
        return self.mapping.line(self.stream, *path)

    def _field(self, field: ContractField) -> _Column:
        sql = self.spec.fields[field.name]
        if field.type == "TIMESTAMPTZ" and not sql.startswith("instant("):
            sql = f"instant({sql})"
        return _Column(field.name, sql, field.type, self._line("fields", field.name))

    def _steady(self, table: pa.Table) -> pa.Table:
        """A column that is empty on this page keeps the type it had on an earlier one."""
        for index, field in enumerate(table.schema):
            if not pa.types.is_null(field.type):
                self._types[field.name] = field.type
            elif field.name in self._types:
                empty = pa.nulls(table.num_rows, self._types[field.name])
                table = table.set_column(index, field.name, empty)
        return table

    def _raw(self, names: list[str]) -> str:
        parts = ", ".join(f"{identifier(n)} := {self.spec.alias}.{identifier(n)}" for n in names)
        return f"CAST(to_json(struct_pack({parts})) AS VARCHAR)"

    def _map(self, names: list[str]) -> pa.Table:
        columns = [f"CAST({c.sql} AS {c.type}) AS {identifier(c.name)}" for c in [*self._split, *self._fields]]
        head = f"SELECT {self.spec.alias}._row AS _row, {self._raw(names)} AS _raw, CAST(NULL AS VARCHAR) AS _problem"
        where = f" WHERE {self.spec.where}" if self.spec.where else ""
        query = f"{head}, {', '.join(columns)} FROM {self.spec.from_}{where}"
        try:
            return self._db.sql(query).to_arrow_table()
        except _ROW_FAULTS:
            return self._map_by_row(names)
        except duckdb.Error as error:
            raise self._explain(error) from None

    def _map_by_row(self, names: list[str]) -> pa.Table:
        """The same SELECT with each expression guarded: a value that cannot be had is NULL, and said so."""
        tried = [c for c in [*self._split, *self._fields] if not _NO_TRY.search(c.sql)]
        guarded = [f"TRY(struct_pack(v := CAST({c.sql} AS {c.type}))) AS {identifier(c.name)}" for c in tried]
        plain = [f"CAST({c.sql} AS {c.type}) AS {identifier(c.name)}" for c in self._fields if c not in tried]
        said = [
            f"CASE WHEN {identifier(c.name)} IS NULL THEN {literal(self._complaint(c))} || {_shown(c)} END"
            for c in tried
        ]
        shown = [f"{self._operands(c, names)} AS {_shown(c)}" for c in tried]
        where = self.spec.where or "true"
        keep = where if _NO_TRY.search(where) else f"coalesce(TRY(struct_pack(v := ({where}))), {{'v': true}}).v"
        inner = (
            f"SELECT {self.spec.alias}._row AS _row, {self._raw(names)} AS _raw, {', '.join(guarded + plain + shown)}"
        )
        outer = [f"{identifier(c.name)}.v AS {identifier(c.name)}" for c in tried]
        kept = [identifier(c.name) for c in self._fields if c not in tried]
        query = (
            f"SELECT _row, _raw, nullif(concat_ws('; ', {', '.join(said)}), '') AS _problem, {', '.join(outer + kept)} "
            f"FROM ({inner} FROM {self.spec.from_} WHERE {keep})"
        )
        try:
            return self._db.sql(query).to_arrow_table()
        except duckdb.Error as error:
            raise self._explain(error) from None

    def _complaint(self, column: _Column) -> str:
        return f"{column.name} cannot be read as {column.type} ({self.mapping.name}, line {column.line}): "

    def _operands(self, column: _Column, names: list[str]) -> str:
        """SQL text that shows what the source gave for the columns an expression uses."""
        used = [n for n in names if re.search(rf"(?<!\w){re.escape(n)}(?!\w)", column.sql)]
        parts = [
            f"{literal(n + ' = ')} || coalesce(CAST({self.spec.alias}.{identifier(n)} AS VARCHAR), 'NULL')"
            for n in used
        ]
        return f"left(concat_ws(', ', {', '.join(parts)}), 200)" if parts else literal(column.sql[:200])

    def _once(self, mapped: pa.Table) -> pa.Table:
        """Each driving row gives one record; where a join gives more, the first is kept and says so."""
        if not self.mapping.lookups(self.stream) or pc.count_distinct(mapped["_row"]).as_py() == mapped.num_rows:
            return mapped
        problem = literal(f" records come from this row by a join ({self.mapping.name}, line {self._line('from')})")
        others = [n for n in mapped.column_names if n not in {"_row", "_problem"}]
        firsts = ", ".join(f"first({identifier(n)}) AS {identifier(n)}" for n in others)
        times = f"CASE WHEN count(*) > 1 THEN count(*) || {problem} END"
        said = f"nullif(concat_ws('; ', first(_problem), {times}), '') AS _problem"
        self._db.register("_mapped", mapped)
        rows = self._db.sql(f"SELECT _row, {said}, {firsts} FROM _mapped GROUP BY _row ORDER BY _row").to_arrow_table()
        return rows.select(mapped.column_names)

    def _lost(self, names: list[str]) -> pa.Table:
        """Driving rows that an inner join drops: they must not vanish, so they travel with a problem."""
        alias = self.spec.alias
        problem = f"a join loses this row ({self.mapping.name}, line {self._line('from')}); use a left join"
        empty = ", ".join(f"CAST(NULL AS {c.type}) AS {identifier(c.name)}" for c in [*self._split, *self._fields])
        query = (
            f"SELECT {alias}._row AS _row, {self._raw(names)} AS _raw, {literal(problem)} AS _problem, "
            f"{empty} FROM {self.spec.driving} AS {alias} "
            f"WHERE {alias}._row NOT IN (SELECT {alias}._row FROM {self.spec.from_})"
        )
        return self._db.sql(query).to_arrow_table()

    def _grouped(self, mapped: pa.Table) -> Iterator[tuple[Group | None, pa.Table]]:
        untold = mapped.slice(0, 0)
        if mapped["_organisation"].null_count or mapped["_coverage"].null_count:
            told = pc.and_(pc.is_valid(mapped["_organisation"]), pc.is_valid(mapped["_coverage"]))
            untold, mapped = mapped.filter(pc.invert(told)), mapped.filter(told)
        pairs = mapped.select(["_organisation", "_coverage"]).group_by(["_organisation", "_coverage"]).aggregate([])
        for pair in pairs.to_pylist():
            group = (pair["_organisation"], pair["_coverage"])
            self.groups.add(group)
            rows = mapped
            if pairs.num_rows > 1:
                same = pc.and_(pc.equal(mapped["_organisation"], group[0]), pc.equal(mapped["_coverage"], group[1]))
                rows = mapped.filter(same)
            yield group, self._complete(rows)
        if untold.num_rows:
            yield None, self._complete(untold)

    def _complete(self, table: pa.Table) -> pa.Table:
        """Exactly the contract's columns, those the mapping does not fill as NULL."""
        columns = [
            table[f.name].cast(f.type) if f.name in table.column_names else pa.nulls(table.num_rows, f.type)
            for f in self.schema
        ]
        return pa.Table.from_arrays(columns, schema=self.schema)

    def _explain(self, error: duckdb.Error) -> DocumentError:
        """Which expression of the mapping DuckDB does not accept, by trying each alone."""
        where = [_Column("where", self.spec.where, "BOOLEAN", self._line("where"))] if self.spec.where else []
        for column in [_Column("from", "1", "INTEGER", self._line("from")), *where, *self._split, *self._fields]:
            try:
                self._db.sql(f"SELECT CAST({column.sql} AS {column.type}) FROM {self.spec.from_} LIMIT 0").fetchall()
            except duckdb.Error as cause:
                return DocumentError(
                    self.mapping.name, column.line, f"{self.stream}.{column.name}: {_first_line(cause)}"
                )
        return DocumentError(self.mapping.name, self._line(), f"{self.stream}: {_first_line(error)}")


def _shown(column: _Column) -> str:
    """The column that tells what an expression was given."""
    return identifier("!" + column.name)


def _first_line(error: duckdb.Error) -> str:
    return str(error).splitlines()[0]
