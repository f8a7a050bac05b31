"""The set-wise mapping: exact values, one record per driving row, problems in words."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.document import DocumentError
from connectors.mapping import Mapping
from connectors.sources.base import Page, Skipped
from connectors.tables import to_arrow
from connectors.transform import Transform
from tests.connectors.literal import COLUMNS, ITEMS, mapping, stock

Rows = list[tuple[Any, ...]]


def mapped(rows: Rows, made: Mapping | None = None, items: Page = ITEMS) -> list[dict[str, Any]]:
    with Transform(made or mapping(), "stock_positions") as transform:
        transform.lookup("items", [to_arrow(items.columns, items.rows)])
        tables = [t for _, t in transform.page(to_arrow(COLUMNS, rows))]
    assert all(t.schema == transform.schema for t in tables)
    return sorted((r for t in tables for r in t.to_pylist()), key=lambda r: r["_row"])


NUMBERS = [
    ("1.10", "1.1"),
    (" 1,234.5 ", "1234.5"),
    ("１２．５", "12.5"),
    ("(5)", "-5"),
    ("5-", "-5"),
    (Decimal("0.000000001"), "0.000000001"),
    (0.1 + 0.2, "0.3"),
    (7, "7"),
    ("12345678901234567890123456789.123456789", "12345678901234567890123456789.123456789"),
]


@pytest.mark.parametrize(("given_", "exact"), NUMBERS)
def test_numbers_are_exact(given_: Any, exact: str) -> None:
    assert mapped([stock("A", given_)])[0]["quantity"] == Decimal(exact)


@pytest.mark.parametrize("unclear", ["12,5", "1,2345", ",5", "1.234,5", "12,34,567"])
def test_a_comma_that_parts_no_thousands_is_not_read_over(unclear: str) -> None:
    (row,) = mapped([stock("A", unclear)])
    assert row["quantity"] is None and f"qty = {unclear}" in row["_problem"]


COMMAS = [("12,5", "12.5"), ("1.234,5", "1234.5"), ("１２，５", "12.5"), ("-1.234.567,25", "-1234567.25"), (7.5, "7.5")]


@pytest.mark.parametrize(("given_", "exact"), [*COMMAS, ("12.5", None)])
def test_numbers_with_a_decimal_comma(given_: Any, exact: str | None) -> None:
    made = mapping()
    made.spec.streams["stock_positions"].fields["quantity"] = "number(s.qty, point := ',')"
    (row,) = mapped([stock("A", given_)], made)
    assert row["quantity"] == (exact and Decimal(exact)) and bool(row["_problem"]) == (exact is None)


@settings(max_examples=20)
@given(st.lists(st.decimals(min_value=-(10**12), max_value=10**12, places=9), min_size=1, max_size=20))
def test_no_decimal_ever_passes_through_float(values: list[Decimal]) -> None:
    rows = mapped([stock("A", v, state="x") for v in values if v], items=Page(("code", "unit"), [("A", "个")]))
    assert [r["quantity"] for r in rows] == [v for v in values if v]


INSTANTS = [
    ("2026-01-31 10:00:00", datetime(2026, 1, 31, 2, tzinfo=UTC)),
    (datetime(2026, 1, 31, 10), datetime(2026, 1, 31, 2, tzinfo=UTC)),
    (datetime(2026, 1, 31, 10, tzinfo=UTC), datetime(2026, 1, 31, 10, tzinfo=UTC)),
    ("2026-01-31T10:00:00.5+02:00", datetime(2026, 1, 31, 8, 0, 0, 500_000, tzinfo=UTC)),
    ("2026-01-31", datetime(2026, 1, 30, 16, tzinfo=UTC)),
    ("", None),
]


@pytest.mark.parametrize(("given_", "instant"), INSTANTS)
def test_instants_take_the_zone_they_lack(given_: Any, instant: datetime | None) -> None:
    (row,) = mapped([stock("A", 1, at=given_)])
    assert (row["modified_at"], row["_problem"]) == (instant, None)


def test_units_and_words_are_translated_and_unknown_ones_pass() -> None:
    rows = mapped([stock("A", 1), stock("B", 2, state="weird")])
    assert [(r["unit"], r["status"]) for r in rows] == [("C62", "quality"), ("kg", "weird")]


def test_a_bad_value_spoils_its_own_field_alone() -> None:
    good, bad = mapped([stock("A", "1"), stock("B", "zwölf", at="0000-00-00", expires="2026-02-01")])
    assert (good["quantity"], good["_problem"]) == (1, None)
    assert (bad["item_id"], bad["unit"], bad["quantity"], bad["expires_on"]) == ("B", "kg", None, date(2026, 2, 1))
    assert "quantity cannot be read as DECIMAL(38,9) (plant.yaml, line 19): qty = zwölf" in bad["_problem"]
    assert "modified_at cannot be read as TIMESTAMPTZ (plant.yaml, line 21): at = 0000-00-00" in bad["_problem"]
    assert bad["_raw"].startswith('{"code":"B","wh":"W1","qty":"zwölf"')


def test_a_join_that_multiplies_keeps_one_row_and_says_so() -> None:
    twice = Page(("code", "unit"), [("A", "个"), ("A", "kg"), ("B", "kg")])
    a, b = mapped([stock("A", 1), stock("B", 2)], items=twice)
    assert a["_problem"] == "2 records come from this row by a join (plant.yaml, line 12)" and b["_problem"] is None


def test_a_row_lost_to_a_join_travels_with_its_reason() -> None:
    rows = mapped([stock("A", 1), stock("Z", 2), stock("B", "0")], mapping(join="join"))
    assert [(r["item_id"], (r["_problem"] or "")[:25]) for r in rows] == [
        ("A", ""),
        (None, "a join loses this row (pl"),
    ]
    assert '"code":"Z"' in rows[1]["_raw"]


@settings(max_examples=20)
@given(st.lists(st.tuples(st.sampled_from("ABZ"), st.sampled_from(["1", "0", "x", None]), st.sampled_from(["o", "p"]))))
def test_no_driving_row_is_lost_or_doubled(given_: list[tuple[str, str | None, str]]) -> None:
    items = Page(("code", "unit"), [("A", "个"), ("A", "kg"), ("B", "kg")])
    rows = mapped([stock(c, q, org=o) for c, q, o in given_], mapping(join="join"), items)
    kept = [i for i, (c, q, _) in enumerate(given_) if c == "Z" or q not in ("0", None)]
    assert [r["_row"] for r in rows] == kept


def test_rows_are_split_by_organisation_and_coverage() -> None:
    with Transform(mapping(), "stock_positions") as transform:
        transform.lookup("items", [to_arrow(ITEMS.columns, ITEMS.rows)])
        rows = [stock("A", 1, area="x"), stock("A", 2, org="other"), stock("B", 3, area="x"), stock("B", 4, org=None)]
        split = {group: t["quantity"].to_pylist() for group, t in transform.page(to_arrow(COLUMNS, rows))}
    assert split == {("qingyu", "x"): [1, 3], ("other", "all"): [2], ("qingyu", "all"): [4]}


def test_a_column_empty_on_one_page_keeps_its_type() -> None:
    with Transform(mapping(), "stock_positions") as transform:
        transform.lookup("items", [to_arrow(ITEMS.columns, ITEMS.rows)])
        for expires in (date(2026, 1, 1), None):
            ((_, table),) = transform.page(to_arrow(COLUMNS, [stock("A", 1, expires=expires)]))
            assert table["expires_on"].to_pylist() == [expires]


def test_what_the_source_could_not_read_travels_as_it_was() -> None:
    with Transform(mapping(), "stock_positions") as transform:
        table = transform.skipped([Skipped("stock.csv, row 7", {"code": "A"}, "9 columns instead of 8")])
    (row,) = table.to_pylist()
    assert row["_raw"] == '{"code": "A"}' and row["item_id"] is None
    assert row["_problem"] == "stock.csv, row 7: 9 columns instead of 8"


def test_a_changed_column_names_the_mapping_line() -> None:
    columns = [c if c != "wh" else "warehouse" for c in COLUMNS]
    with Transform(mapping(), "stock_positions") as transform:
        transform.lookup("items", [to_arrow(ITEMS.columns, ITEMS.rows)])
        with pytest.raises(DocumentError, match=r"plant.yaml, line 16: stock_positions.place_id: .*wh"):
            list(transform.page(to_arrow(columns, [stock("A", 1)])))


@pytest.mark.parametrize("expression", ["(select max(column0) from read_csv('/etc/passwd'))", "getenv('HOME')"])
def test_expressions_see_no_file_and_no_environment(expression: str) -> None:
    made = mapping()
    made.spec.streams["stock_positions"].fields["item_id"] = expression
    with pytest.raises(DocumentError):
        mapped([stock("A", 1)], made)
