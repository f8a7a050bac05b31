"""The SQL of every model and analysis in Trino's own grammar, calling only functions that both engines have or that a
macro chose for Trino. What the two answer is not compared here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from antlr4 import CommonTokenStream, InputStream, PredictionMode
from trino_query_parser.error import TrinoErrorListener
from trino_query_parser.SqlBaseLexer import SqlBaseLexer
from trino_query_parser.SqlBaseParser import SqlBaseParser

# By name, as Trino knows them.
FUNCTIONS = {
    *("abs", "any_match", "approx_percentile", "array_agg", "at_timezone", "coalesce", "count", "date_diff"),
    *("date_trunc", "element_at", "filter", "greatest", "if", "lag", "lead", "max", "max_by", "min", "min_by"),
    *("power", "reduce", "round", "row_number", "sequence", "sign", "sum", "transform", "try"),
}
# A named parameter of an analysis stands for a value; Trino's client gives it in its own way.
PARAMETER = re.compile(r"\$[a-z_]+")
COLUMN = re.compile(r"\b(group|order)\s+by\s+all\b", re.IGNORECASE)
REFUSED = (
    "select a::bigint from t",
    "select a from t qualify row_number() over (order by a) = 1",
    "select a from t where a ilike 'x'",
    "select {'a': 1}",
    "select [1, 2]",
    "select * exclude (a) from t",
    "select a, count(*) from t group by all",
    "select a from t limit 1 offset 2",
    "select a // 2 from t",
    "from t",
)


def calls(sql: str) -> set[str]:
    """The functions a statement calls. Raises TrinoSyntaxError; ValueError for what Trino would take for a column."""
    if meant := COLUMN.search(sql):
        raise ValueError(meant.group(0))
    lexer = SqlBaseLexer(InputStream(PARAMETER.sub("'2026-11-23'", sql).upper()))
    lexer.removeErrorListeners()
    parser = SqlBaseParser(CommonTokenStream(lexer))
    parser.removeErrorListeners()
    parser.addErrorListener(TrinoErrorListener())
    parser._interp.predictionMode = PredictionMode.SLL
    tree = parser.singleStatement()
    called = (node for node in nodes(tree) if isinstance(node, SqlBaseParser.FunctionCallContext))
    return {node.qualifiedName().getText().lower() for node in called}


def nodes(tree: Any) -> Iterator[Any]:
    pending = [tree]
    while pending:
        node = pending.pop()
        yield node
        pending += getattr(node, "children", None) or []


def test_everything_speaks_trino(for_trino: dict[str, str]) -> None:
    assert len(for_trino) > 70
    bad: dict[str, object] = {}
    for name, sql in for_trino.items():
        try:
            strange = calls(sql) - FUNCTIONS
        except ValueError as error:
            bad[name] = error
        else:
            bad |= {name: strange} if strange else {}
    assert bad == {}


def test_no_function_is_listed_in_vain(for_trino: dict[str, str]) -> None:
    assert set().union(*map(calls, for_trino.values())) == FUNCTIONS


@pytest.mark.parametrize("sql", REFUSED)
def test_grammar_refuses_what_only_duckdb_takes(sql: str) -> None:
    with pytest.raises(ValueError):
        calls(sql)


def test_calls_are_found_wherever_they_stand() -> None:
    found = calls("with a as (select list_sum(x) as y from t) select sum(y) over (order by gcd(1, y)) from a")
    assert found == {"list_sum", "sum", "gcd"}
