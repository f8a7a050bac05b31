"""The golden list: filtered, sorted, paged by key. PostgreSQL writes each row as JSON in the shape of InventoryRow, so
that a page of 10,000 rows costs no Python object; whoever needs objects parses them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import text
from sqlalchemy.orm import Session

from hub import paging
from hub.errors import Unprocessable
from hub.settings import settings
from masterdata.golden.ages import COVERAGES, RATES, RATIO, SOURCE_AT, VALUE, state_sql
from masterdata.golden.cache import Cache
from masterdata.golden.jsonsql import array, figure, members, plain, token, words
from masterdata.golden.schemas import InventoryPage, InventoryQuery, InventoryRow

_ROW = TypeAdapter(InventoryRow)
SEARCHED_MAX = 2_000
AHEAD_FROM, PAGES_AHEAD = 1_000, 5

Ranked = tuple[Any, int]
_ahead = Cache(5, entries=16)


@dataclass(frozen=True, slots=True)
class Key:
    """A sort key: its SQL over a golden material's holdings, never null, and its type."""

    sql: str
    kind: str


KEYS = {
    "value": Key(f"coalesce(sum({VALUE}), 0)", "numeric"),
    "quantity": Key("coalesce(sum(h.on_hand) filter (where not h.is_apart), 0)", "numeric"),
    "holders": Key("count(distinct h.organisation_id) filter (where h.on_hand <> 0)", "bigint"),
    "age": Key(f"coalesce(min({SOURCE_AT}), timestamptz '1900-01-01')", "timestamptz"),
    "name": Key("min(coalesce({names}, g.number))", "text"),
    "number": Key("min(g.number)", "text"),
}
NAMES = {"zh": "g.name_zh, g.name_en", "en": "g.name_en, g.name_zh"}

STATUS = {
    "on_hand": "sum(h.on_hand) <> 0",
    "available": "sum(h.available) > 0",
    "reserved": "sum(h.reserved) <> 0",
    "in_transit": "sum(h.in_transit) <> 0",
    "quality": "sum(h.quality) <> 0",
    "blocked": "sum(h.blocked) <> 0",
    "negative": "sum(h.negatives) > 0",
    "apart": "bool_or(h.is_apart)",
}

WORST = state_sql("bool_or(c.held_batch_id is not null)", f"max({RATIO})")


def needed_joins(query: InventoryQuery) -> str:
    """Only what filter and key ask for: ranking and totals read every holding."""
    joins = ["from live_holding h"]
    if query.sort == "value":
        joins.append("left join rate r on r.currency = h.currency")
    if query.sort == "age" or query.states:
        joins.append("join cov c on c.organisation_id = h.organisation_id and c.id = h.coverage_id")
    if query.sort in ("name", "number") or query.classes:
        joins.append("join golden_material g on g.id = h.golden_id")
    return "\n    ".join(joins)


def narrowing(query: InventoryQuery) -> tuple[str, str]:
    """(where, having) of a query's filters."""
    where, having = ["true"], ["true"]
    if query.organisations:
        where.append("h.organisation_id in (select id from organisation where key = any(:organisations))")
    if query.classes:
        where.append("g.class_code = any(:classes)")
    if query.text:
        where.append(f"h.golden_id in (select golden_id from search_find(:text, {SEARCHED_MAX}))")
    if query.states:
        having.append(f"{WORST} = any(:states)")
    if query.status:
        having.append(STATUS[query.status])
    return " and ".join(where), " and ".join(having)


def parameters(query: InventoryQuery) -> dict[str, Any]:
    now = datetime.now(UTC)
    return {
        "now": now,
        "today": settings().today(),
        "currency": settings().group_currency,
        "organisations": list(query.organisations),
        "classes": list(query.classes),
        "states": list(query.states),
        "text": query.text,
    }


def _ranking(query: InventoryQuery) -> str:
    key = KEYS[query.sort]
    where, having = narrowing(query)
    order, beyond = ("desc", "<") if query.descending else ("asc", ">")
    after = f"where (key, golden_id) {beyond} (cast(:key as {key.kind}), cast(:id as bigint))" if query.after else ""
    return f"""
ranked as (
    select h.golden_id, {key.sql.format(names=NAMES[query.language])} as key
    {needed_joins(query)}
    where {where} group by h.golden_id having {having}
)
select golden_id, key from ranked {after} order by key {order}, golden_id {order}"""


_QUANTITIES = ("on_hand", "available", "reserved", "in_transit", "quality", "blocked", "consigned")


def _sums(pattern: str) -> str:
    return ", ".join(pattern.format(q=quantity) for quantity in _QUANTITIES)


def _cell(organisation: str, on_hand: str, is_held: str, ratio: str) -> str:
    state = token(state_sql(is_held, ratio))
    return members({"organisation": organisation, "on_hand": figure(on_hand), "state": state})


_CELL = _cell("json_key", "on_hand", "is_held", "ratio")
_UNRATED = members({"amount": figure("x.amount"), "currency": words("x.currency")})
_APART = members({"unit": words("x.unit"), "on_hand": figure("x.on_hand"), "available": figure("x.available")})

_ROW_JSON = members(
    {
        "number": token("g.number"),
        "name_zh": words("g.name_zh"),
        "name_en": words("g.name_en"),
        "class_code": words("g.class_code"),
        "identity": members({"rule": token("g.rule"), "confidence": figure("g.confidence")}),
        "codes": plain("w.codes"),
        "stock": members({"unit": token("g.unit")} | {q: figure(f"w.{q}") for q in _QUANTITIES}),
        "value": members(
            {
                "amount": figure("w.worth"),
                "currency": token("cast(:currency as text)"),
                "apart": f"""case when w.is_unrated then (
                    select {array(_UNRATED, "x.currency")}
                    from (select h.currency, sum(h.value) as amount from live_holding h
                          where h.golden_id = w.golden_id and h.currency <> :currency and {{where}}
                            and not exists (select from rate r where r.currency = h.currency)
                          group by h.currency) x) else '[]' end""",
                "unpriced": plain("w.unpriced"),
                "rate_on": token("w.rate_on"),
            }
        ),
        "apart": f"""case when w.is_apart then (
            select {array(_APART, "x.unit")}
            from (select h.unit, sum(h.on_hand) as on_hand, sum(h.available) as available from live_holding h
                  where h.golden_id = w.golden_id and h.is_apart and {{where}} group by h.unit) x) else '[]' end""",
        "holders": f"""case when w.parts = w.orgs then w.cells else (
            select {array(_cell("x.json_key", "x.on_hand", "x.is_held", "x.ratio"), "x.rank, x.key", "x.on_hand <> 0")}
            from (select c.json_key, c.rank, c.key, sum(h.on_hand) filter (where not h.is_apart) as on_hand,
                         bool_or(c.held_batch_id is not null) as is_held, max({RATIO}) as ratio
                  from live_holding h join place c on c.organisation_id = h.organisation_id and c.id = h.coverage_id
                  where h.golden_id = w.golden_id and {{where}} group by c.json_key, c.rank, c.key) x) end""",
        "age": members(
            {
                "source_at": words("w.source_at"),
                "age_seconds": plain(
                    "greatest(0, floor(extract(epoch from cast(:now as timestamptz) - w.source_at)))::bigint"
                ),
                "sla_seconds": plain("w.sla_seconds"),
                "state": token(state_sql("w.is_held", "w.ratio")),
                "ratio": plain("w.ratio"),
                "main_ratio": plain("case when w.parts = 1 then w.ratio else main_ratio(w.ratios, w.weights) end"),
            }
        ),
        "is_marked": "case when w.marked > 0 then 'true' else 'false' end",
    }
)

# One pass over the page's holdings. They are looked up by their material (`offset 0` holds the planner to it), and what
# several sums need is computed once. What is rare (units apart, currencies without a rate, several codes of one
# organisation) is looked up for the rows that have it. All ordered aggregates but the cells share one order: one sort.
_DETAIL = f"""
, place as materialized (
    select c.*, o.rank, o.key, to_json(o.key)::text as json_key
    from coverage c join organisation o on o.id = c.organisation_id
),
held as materialized (
    select h.* from unnest(cast(:ids as bigint[])) as given(id)
    cross join lateral (select * from live_holding where golden_id = given.id offset 0) h
),
part as materialized (
    select h.*, c.held_batch_id is not null as is_held, c.sla_seconds, c.rank, c.key, c.json_key, r.rate, r.rate_on,
           {VALUE} as worth, {SOURCE_AT} as source_at, {RATIO} as ratio
    from held h join place c on c.organisation_id = h.organisation_id and c.id = h.coverage_id
    left join rate r on r.currency = h.currency
    where {{where}}
),
whole as (
    select golden_id, count(*) as parts, count(distinct organisation_id) as orgs,
           count(distinct material_id) as codes, sum(marked) as marked,
           {_sums("coalesce(sum({q}) filter (where not is_apart), 0) as {q}")},
           bool_or(is_apart) as is_apart, coalesce(sum(worth), 0) as worth, min(rate_on) as rate_on,
           count(*) filter (where value is null and on_hand <> 0) as unpriced,
           bool_or(value is not null and currency <> :currency and rate is null) as is_unrated,
           bool_or(is_held) as is_held, max(ratio) as ratio,
           array_agg(ratio order by ratio desc nulls last) as ratios,
           array_agg(abs(on_hand) order by ratio desc nulls last) as weights,
           coalesce(min(source_at) filter (where is_held),
                    (array_agg(source_at order by ratio desc nulls last))[1]) as source_at,
           (array_agg(sla_seconds order by ratio desc nulls last))[1] as sla_seconds,
           {array(_CELL, "rank, key", "on_hand <> 0 and not is_apart")} as cells
    from part group by golden_id
)
select w.golden_id, {_ROW_JSON} as row from whole w join golden_material g on g.id = w.golden_id
"""


def _detail_statement(query: InventoryQuery) -> str:
    """The organisations a query is narrowed to narrow its figures too."""
    where = narrowing(InventoryQuery(organisations=query.organisations))[0]
    return f"with {RATES}{_DETAIL.replace('{where}', where)}"


def list_rows(session: Session, query: InventoryQuery) -> tuple[list[str], str | None]:
    """The page's rows as JSON texts and the cursor behind the last."""
    page, following = _page(session, query)
    # In the order of their ids, looking them up walks the index forward.
    values = parameters(query) | {"ids": sorted(golden_id for _, golden_id in page)}
    rows = {row.golden_id: row.row for row in session.execute(text(_detail_statement(query)), values)}
    return [rows[golden_id] for _, golden_id in page if golden_id in rows], following


def _page(session: Session, query: InventoryQuery) -> tuple[Sequence[Ranked], str | None]:
    """Keys and ids of a page. Whoever reads long pages reads on: some pages are ranked ahead and kept for 5 s."""
    ranked = _ahead.find(session, query)
    if ranked is None:
        ahead = PAGES_AHEAD if query.limit >= AHEAD_FROM else 1
        ranked = _ranked(session, query, ahead * query.limit + 1)
    page, following = paging.cut(
        ranked, query.limit, lambda row: (query.sort, query.descending, _plain(row[0]), row[1])
    )
    rest = ranked[query.limit :]
    if len(rest) > query.limit:
        _ahead.put(session, replace(query, after=following), rest)
    return page, following


def _ranked(session: Session, query: InventoryQuery, limit: int) -> list[Ranked]:
    values = parameters(query)
    if query.after:
        values |= dict(zip(("key", "id"), _cursor(query), strict=True))
    # The ranking groups every holding; its hash table must not go to disk.
    session.execute(text("set local work_mem = '64MB'"))
    rows = session.execute(text(f"with {RATES},{COVERAGES},{_ranking(query)} limit {limit}"), values)
    return [(row.key, row.golden_id) for row in rows]


def list_inventory(session: Session, query: InventoryQuery) -> InventoryPage:
    rows, following = list_rows(session, query)
    return InventoryPage([_ROW.validate_json(row) for row in rows], following)


def _cursor(query: InventoryQuery) -> tuple[str, int]:
    sort, descending, key, golden_id = paging.decode(query.after or "", (str, bool, str, int))
    if (sort, descending) != (query.sort, query.descending):
        raise Unprocessable("`after` belongs to a list in another order. Leave it out, or keep the order.")
    return str(key), golden_id


def _plain(key: Decimal | datetime | date | str | int) -> str:
    """A sort key as text that PostgreSQL reads back exactly."""
    return key.isoformat() if isinstance(key, datetime) else str(key)
