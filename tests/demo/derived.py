"""Figures of the marts, computed out of the planted world by SQL of its own, as far as what the legacy systems tell
about it reaches: a push begins with today's balances and knows no purchases; ERPNext's ledger gives no quantity to a
count and tells a transfer from an issue no more than from a receipt; jshERP keeps openings apart; and where the head of
an order holds its state, so do its lines."""

from __future__ import annotations

from datetime import date
from typing import Any

import pyarrow as pa

from demo.plants import ORGANISATIONS, SYSTEMS
from demo.reference import Rate
from demo.world import World

# Months that the marts show at most.
MONTHS = 24

_LEGS = """
create or replace temp table legs as
with sides as (
    select system, item_no, src_place as place_no, owner, kind, -quantity as quantity, cast(at_local as date) as day
    from moves where src_place is not null
    union all
    select system, item_no, dst_place, owner, kind, quantity, cast(at_local as date) from moves
    where dst_place is not null)
select b.* replace (case when b.system = 'kongxi-erpnext' and kind = 'transfer'
                         then case when quantity < 0 then 'issue' else 'receipt' end else kind end as kind), w.status
from sides b join places w using (system, place_no)
where owner = '' and system <> 'wugang-wms' and not (system = 'kongxi-erpnext' and kind in ('opening', 'count'))
  and not (system = 'baishi-jsh' and kind = 'opening')
"""
_COSTS = """
create or replace temp table costs as
select i.system, i.item_no, s.organisation, cast(i.cost as double) * r.rate as cost
from items i join told_systems s using (system) join told_rates r using (currency)
"""
_TURNOVER = """
with today as (
    select s.organisation, sum(p.quantity * c.cost) as value
    from positions p join places w using (system, place_no) join costs c using (system, item_no)
    join told_systems s using (system)
    where p.owner = '' and w.status <> 'in_transit' group by all
), flows as (
    select c.organisation, day, sum(quantity * cost) as change,
           -sum(case when kind = 'issue' then quantity * cost else 0 end) as issued
    from legs join costs c using (system, item_no) where status <> 'in_transit' group by all
), days as (
    select cast(unnest(generate_series($first, $today, interval 1 day)) as date) as day
), ends as (
    select t.organisation, d.day, coalesce(f.issued, 0) as issued,
           t.value - coalesce(sum(f.change) over (partition by t.organisation order by d.day desc
                                                  rows between unbounded preceding and 1 preceding), 0) as value
    from today t cross join days d left join flows f on f.organisation = t.organisation and f.day = d.day
)
select organisation, cast(date_trunc('month', day) as date) as month, avg(value) as mean_value,
       arg_max(value, day) as closing_value, sum(issued) as issued_value, count(*) as days
from ends group by all
"""
_PURCHASES = """
with heads as (
    select system, order_no, bool_or(state = 'draft') as is_draft, bool_and(state = 'cancelled') as is_cancelled
    from orders group by all
), told as (
    select o.*, case o.system when 'wugang-odoo' then state in ('open', 'closed')
                              when 'duoyan-csv' then state in ('open', 'closed')
                              when 'luyu-xlsx' then state in ('open', 'closed')
                              when 'wugang-wms' then false
                              when 'qingyu-u8' then not is_draft else not is_draft and not is_cancelled end as counts
    from order_lines o join heads using (system, order_no)
)
select o.system, o.document, o.line, s.organisation, i.material, o.ordered_on,
       round(cast(o.base_quantity as double) * f.factor, 3) as quantity,
       cast(o.base_quantity as double) * c.cost as value
from told o join items i using (system, item_no) join told_systems s using (system)
join told_factors f using (system, item_no) join costs c using (system, item_no)
where counts and o.base_quantity > 0
"""
_FREE = """
with held as (
    select s.organisation, i.material, sum(cast(p.quantity as double) * f.factor) as quantity
    from positions p join places w using (system, place_no) join items i using (system, item_no)
    join told_systems s using (system) join told_factors f using (system, item_no)
    where p.owner = '' and w.status = 'unrestricted' group by all
), flows as (
    select s.organisation, i.material, l.day, cast(l.quantity as double) * f.factor as quantity, kind
    from legs l join items i using (system, item_no) join told_systems s using (system)
    join told_factors f using (system, item_no) where l.status = 'unrestricted'
), asked as (
    select distinct h.organisation, h.material, b.ordered_on, h.quantity
    from bought b join held h on h.material = b.material and h.organisation <> b.organisation
)
select a.organisation, a.material, a.ordered_on,
       round(any_value(a.quantity) - coalesce(sum(f.quantity) filter (f.day >= a.ordered_on), 0)
             + coalesce(sum(f.quantity) filter (f.kind = 'issue' and f.day < a.ordered_on
                                                and f.day >= a.ordered_on - interval 365 day), 0), 3) as free
from asked a left join flows f on f.organisation = a.organisation and f.material = a.material group by all
"""
Row = dict[str, Any]


def open_world(world: World, rates: list[Rate], today: date, factors: dict[tuple[str, str], float]) -> None:
    """Gives the world what the hub knows beside the plants: the day's rates, and by system and item code the factor to
    the golden unit, where one is known."""
    newest = {r.currency: float(r.rate) for r in sorted(rates, key=lambda r: r.valid_on) if r.valid_on <= today}
    tables = {
        "told_rates": [{"currency": c, "rate": r} for c, r in {"CNY": 1.0, **newest}.items()],
        "told_systems": [{"system": s.key, "organisation": s.organisation} for s in SYSTEMS],
        "told_factors": [{"system": s, "item_no": int(n), "factor": f} for (s, n), f in factors.items()],
    }
    for name, rows in tables.items():
        world.con.register(f"{name}_rows", pa.Table.from_pylist(rows))
        world.con.execute(f"create or replace temp table {name} as select * from {name}_rows")
    world.con.execute(_LEGS)
    world.con.execute(_COSTS)


def turnover(world: World, first: date, today: date) -> dict[tuple[str, date], Row]:
    """By organisation and month: closing, mean and issued value in CNY at today's costs and rates, and days."""
    return {(r["organisation"], r["month"]): r for r in _rows(world, _TURNOVER, {"first": first, "today": today})}


def purchases(world: World) -> dict[tuple[str, str, str], tuple[float, str]]:
    """Avoidable ones by system, document and line: value in CNY, and the sister each is taken from."""
    world.con.execute(f"create or replace temp table bought as {_PURCHASES}")
    bought = _rows(world, "select * from bought")
    free = {(r["organisation"], r["material"], r["ordered_on"]): r["free"] for r in _rows(world, _FREE)}
    taken: dict[tuple[str, str, str], tuple[float, str]] = {}
    given: dict[tuple[str, int], float] = {}
    for one in sorted(bought, key=_turn):
        sisters = [(-free.get((o.key, one["material"], one["ordered_on"]), 0.0), n, o.key) for n, o in _sisters(one)]
        for spare, _, sister in sorted(sisters):
            left = -spare - given.get((sister, one["material"]), 0.0)
            if -spare >= one["quantity"] and round(left, 3) >= one["quantity"]:
                taken[one["system"], one["document"], one["line"]] = (one["value"], sister)
                given[sister, one["material"]] = given.get((sister, one["material"]), 0.0) + one["quantity"]
                break
    return taken


def _sisters(one: Row) -> list[tuple[int, Any]]:
    return [(n, o) for n, o in enumerate(ORGANISATIONS) if o.parent and o.key != one["organisation"]]


def _turn(one: Row) -> tuple[Any, ...]:
    """In which order purchases are taken."""
    return one["ordered_on"], -one["quantity"], one["document"], one["line"]


def _rows(world: World, query: str, values: dict[str, Any] | None = None) -> list[Row]:
    found = world.con.execute(query, values or {})
    names = [column[0] for column in found.description or ()]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]
