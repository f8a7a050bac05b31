"""The golden list as it was: rows of an answer in the shape of the live list. What has no past is left as unknown:
ages, and reservations, so that what was unrestricted is available; names and identity are today's."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from hub import lake, paging
from hub.errors import NotFound, Unprocessable
from hub.settings import settings
from masterdata.golden.schemas import (
    Age,
    Amount,
    Apart,
    HolderCell,
    Identity,
    InventoryPage,
    InventoryQuery,
    InventoryRow,
    Moment,
    Stock,
    Value,
)
from masterdata.reports import service
from masterdata.reports.answers import Condition, Narrow, condition, readable

if TYPE_CHECKING:
    import duckdb

ORDERS = {"value": "worth", "quantity": "on_hand", "holders": "holders", "number": "number"}
STATUS = {
    "on_hand": "on_hand <> 0",
    "available": "available > 0",
    "in_transit": "in_transit <> 0",
    "quality": "quality <> 0",
    "blocked": "blocked <> 0",
    "apart": "is_apart",
}
UNKNOWN = Age(None, None, None, "unknown")
QUANTITIES = ("on_hand", "available", "in_transit", "quality", "blocked", "consigned")
_SUMS = ", ".join(
    f"coalesce(sum({'unrestricted' if name == 'available' else name}) filter (where not is_apart), 0) as {name}"
    for name in QUANTITIES
)
_WHOLE = f"""
    with whole as (
        select number, {_SUMS}, sum(codes) as codes, coalesce(sum(group_value), 0) as worth,
               bool_or(is_apart) as is_apart, min(unit) filter (where not is_apart) as unit,
               count(distinct organisation_id) filter (where on_hand <> 0) as holders,
               count(*) filter (where value is null and on_hand <> 0) as unpriced
        from answer where {{where}} group by number
    )"""
_PARTS = "select * from answer where {where} and number in (select unnest($numbers)) order by organisation_id, unit"
_TOTALS = f"""{_WHOLE}
    select count(*) as materials, coalesce(sum(worth), 0) as worth, coalesce(sum(codes), 0) as codes,
           (select count(distinct organisation_id) from answer where {{where}}) as organisations,
           (select count(*) from answer where {{where}} and is_apart) as apart
    from whole where """
_UNRATED = """
    select currency, sum(value) as value from answer where {where} and group_value is null and value is not null
    group by currency order by currency"""
_GOLDENS = text("""
    select g.number, g.name_zh, g.name_en, g.class_code, g.rule, g.confidence, g.unit
    from golden_material g where g.number = any(:numbers)""")
_HOLDERS = text("select cast(id as text) as id, key from organisation order by rank, key")


@dataclass(frozen=True, slots=True)
class PastTotals:
    """What the list comes to; `organisations` had stock that is known, `apart` quantities lack a unit factor."""

    materials: int
    codes: int
    organisations: int
    apart: int
    value: Value


def list_past(session: Session, moment: Moment, query: InventoryQuery) -> InventoryPage:
    """The list at a moment that somebody asked a report for. Raises NotFound where nobody has, Conflict until it is
    ready."""
    if moment.as_of is None:
        raise Unprocessable("Give as_of together with known_at: the list is asked of an instant.")
    report = service.find_report(session, moment)
    if report is None:
        raise NotFound("Nobody has asked for this moment yet. POST /v1/reports makes the answer.")
    return list_rows(session, service.answer_of(session, report.id), query)[0]


def list_rows(session: Session, path: Path, query: InventoryQuery) -> tuple[InventoryPage, PastTotals]:
    """A page of the list and its totals. Raises Unprocessable for filters and orders that have no past."""
    _refuse(query)
    narrow = Narrow(query.text, classes=query.classes, organisations=query.organisations)
    with lake.connect_file(path, readable(session)) as db:
        narrowed = condition(session, db, narrow)
        rows = _ranked(db, narrowed, query)
        page, following = paging.cut(rows, query.limit, lambda row: _key(query, row))
        parts = _parts(db, narrowed, [row["number"] for row in page])
        (totals,) = _asked(db, _TOTALS.format(where=narrowed.sql) + _status(query), narrowed.values)
        unrated = _asked(db, _UNRATED.format(where=narrowed.sql), narrowed.values)
    amounts = [Amount(row["value"], row["currency"]) for row in unrated]
    value = Value(Decimal(totals.pop("worth")), settings().group_currency, amounts)
    told = {row.number: row for row in session.execute(_GOLDENS, {"numbers": [row["number"] for row in page]})}
    holders: dict[str, str] = {row.id: row.key for row in session.execute(_HOLDERS)}
    items = [_row(row, told[row["number"]], parts[row["number"]], holders) for row in page if row["number"] in told]
    return InventoryPage(items, following), PastTotals(**{k: int(v) for k, v in totals.items()}, value=value)


def _refuse(query: InventoryQuery) -> None:
    if query.states:
        raise Unprocessable("state tells the age of today's figures. Leave it out together with as_of.")
    if query.status is not None and query.status not in STATUS:
        raise Unprocessable(f"status {query.status} has no history. With as_of there are: {', '.join(STATUS)}.")
    if query.sort not in ORDERS:
        raise Unprocessable(f"There is no order by {query.sort} in the past. With as_of: {', '.join(ORDERS)}.")


def _status(query: InventoryQuery) -> str:
    return STATUS[query.status] if query.status else "true"


def _ranked(db: duckdb.DuckDBPyConnection, narrowed: Condition, query: InventoryQuery) -> list[dict[str, Any]]:
    column, values = ORDERS[query.sort], dict(narrowed.values)
    order, beyond = ("desc", "<") if query.descending else ("asc", ">")
    where = _status(query)
    if query.after:
        values |= dict(zip(("key", "last"), _cursor(query), strict=True))
        key = "$key" if column == "number" else f"cast($key as {'bigint' if column == 'holders' else 'decimal(38,9)'})"
        where += f" and ({column}, number) {beyond} ({key}, $last)"
    rest = f"select * from whole where {where} order by {column} {order}, number {order} limit {query.limit + 1}"
    return _asked(db, f"{_WHOLE.format(where=narrowed.sql)} {rest}", values)


def _parts(db: duckdb.DuckDBPyConnection, narrowed: Condition, numbers: list[str]) -> dict[str, list[dict[str, Any]]]:
    """The answer's own rows, by number."""
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    if numbers:
        for part in _asked(db, _PARTS.format(where=narrowed.sql), narrowed.values | {"numbers": numbers}):
            found[part["number"]].append(part)
    return found


def _asked(db: duckdb.DuckDBPyConnection, query: str, values: dict[str, Any]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = db.sql(query, params=values).to_arrow_table().to_pylist()
    return rows


def _key(query: InventoryQuery, row: dict[str, Any]) -> tuple[Any, ...]:
    value = row[ORDERS[query.sort]]
    return (query.sort, query.descending, f"{value:f}" if isinstance(value, Decimal) else str(value), row["number"])


def _cursor(query: InventoryQuery) -> tuple[str, str]:
    sort, descending, key, number = paging.decode(query.after or "", (str, bool, str, str))
    if (sort, descending) != (query.sort, query.descending) or not _reads(query.sort, key):
        raise Unprocessable("`after` belongs to a list in another order. Leave it out, or keep the order.")
    return str(key), str(number)


def _reads(sort: str, key: str) -> bool:
    try:
        return sort == "number" or abs(Decimal(key)) < Decimal(10) ** 29
    except ArithmeticError:
        return False


def _row(row: dict[str, Any], golden: Any, parts: Sequence[dict[str, Any]], keys: dict[str, str]) -> InventoryRow:
    quantities = {name: Decimal(row[name]) for name in QUANTITIES}
    unit = row["unit"] or golden.unit
    apart = [part for part in parts if part["is_apart"]]
    unrated = [part for part in parts if part["group_value"] is None and part["value"] is not None]
    return InventoryRow(
        number=row["number"],
        name_zh=golden.name_zh,
        name_en=golden.name_en,
        class_code=golden.class_code,
        identity=Identity(golden.rule, golden.confidence),
        codes=int(row["codes"]),
        stock=Stock(unit=unit, reserved=Decimal(0), **quantities),
        value=Value(
            Decimal(row["worth"]),
            settings().group_currency,
            [Amount(amount, currency) for currency, amount in _summed(unrated, "currency", "value").items()],
            row["unpriced"],
        ),
        apart=[
            Apart(unit, on_hand, available)
            for (unit, on_hand), available in zip(
                _summed(apart, "unit", "on_hand").items(), _summed(apart, "unit", "unrestricted").values(), strict=True
            )
        ],
        holders=_holders(parts, keys),
        age=UNKNOWN,
        is_marked=False,
    )


def _holders(parts: Sequence[dict[str, Any]], keys: dict[str, str]) -> list[HolderCell]:
    """In the order of the organisations."""
    held = _summed([part for part in parts if not part["is_apart"]], "organisation_id", "on_hand")
    return [HolderCell(key, held[one], "unknown") for one, key in keys.items() if held.get(one)]


def _summed(parts: Sequence[dict[str, Any]], by: str, what: str) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for part in parts:
        sums[part[by]] += part[what]
    return dict(sums)
