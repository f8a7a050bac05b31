"""The gate before a full snapshot: its figures as one row of SQL aggregates, the limits they are held to, and what a
person reads when one fails. Judged by `expectations`, so that this module costs nothing to import."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

import psycopg
from psycopg.rows import dict_row

from hub.settings import settings
from masterdata.intake.schemas import Consequence, Finding, Goods, Money
from masterdata.ledger.batch import hashed


@dataclass(frozen=True)
class Limit:
    """A bound on one figure, and the sentences for a figure beyond it; {measured} and {limit} are put in."""

    figure: str
    minimum: float | None
    maximum: float | None
    zh: str
    en: str

    @property
    def bound(self) -> float | None:
        return self.maximum if self.minimum is None else self.minimum


# Names are those a coverage may override. Ratios are against the last good state of the same coverage.
LIMITS: Mapping[str, Limit] = {
    "rows_min": Limit(
        "rows_ratio",
        0.5,
        None,
        "快照只有上次正常快照行数的 {measured:.0%}，下限为 {limit:.0%}。",
        "The snapshot has {measured:.0%} of the rows of the last good one; the limit is {limit:.0%}.",
    ),
    "rows_max": Limit(
        "rows_ratio",
        None,
        3.0,
        "快照行数是上次正常快照的 {measured:.1f} 倍，上限为 {limit:.1f} 倍。",
        "The snapshot has {measured:.1f} times the rows of the last good one; the limit is {limit:.1f} times.",
    ),
    "value_min": Limit(
        "value_ratio",
        0.4,
        None,
        "库存价值降至原来的 {measured:.0%}，下限为 {limit:.0%}。",
        "The value of the stock falls to {measured:.0%} of what it was; the limit is {limit:.0%}.",
    ),
    "value_max": Limit(
        "value_ratio",
        None,
        3.0,
        "库存价值升至原来的 {measured:.1f} 倍，上限为 {limit:.1f} 倍。",
        "The value of the stock rises to {measured:.1f} times what it was; the limit is {limit:.1f} times.",
    ),
    "negative_max": Limit(
        "negative_rise",
        None,
        0.1,
        "负库存占比上升 {measured:.1%}，上限为 {limit:.0%}。",
        "The share of negative stock rises by {measured:.1%}; the limit is {limit:.0%}.",
    ),
    "overlap_min": Limit(
        "overlap",
        0.6,
        None,
        "原有库存项中只有 {measured:.0%} 仍在快照中，下限为 {limit:.0%}；源系统的编码可能已改变。",
        "Only {measured:.0%} of the stocked keys are still listed; the limit is {limit:.0%}. Have codes changed?",
    ),
    "quarantined_max": Limit(
        "quarantined_share",
        None,
        0.5,
        "快照中有 {measured:.0%} 的行被隔离，上限为 {limit:.0%}。",
        "{measured:.0%} of the rows are quarantined; the limit is {limit:.0%}.",
    ),
}
# Below this many stocked keys a ratio says nothing: a shelf of three may well lose two.
SMALLEST = 20.0

EMPTY = Finding(
    "empty",
    0.0,
    None,
    "快照为空，而此范围内仍有库存。",
    "The snapshot is empty, while this coverage holds stock.",
)

# Into the group's currency. Of one currency alone no rate is needed: figures are held against each other.
_RATES = """
rate as (
    select c.currency, case when c.currency = %(currency)s or count(*) over () = 1 then 1 else e.rate end as rate
    from (select distinct currency from source_material
          where organisation_id = %(org)s and system_id = %(system)s and currency is not null) c
    left join lateral (
        select x.rate from exchange_rate x where x.currency = c.currency and x.rate_on <= %(today)s
        order by x.rate_on desc, x.recorded_at desc limit 1) e on true)
"""
# What one of a material `m` in {unit} costs, out of the cost of its base unit.
_EACH = """
    left join golden_material g on g.id = m.golden_id
    left join lateral (
        select m.unit_cost as each where {unit} = coalesce(m.base_unit, g.unit, {unit})
        union all
        select m.unit_cost * r.numerator / r.denominator
        from unit_ratio({unit}, coalesce(m.base_unit, g.unit), m.id, m.organisation_id) r
        where {unit} <> coalesce(m.base_unit, g.unit, {unit}) and m.unit_cost is not null) c on true
"""

# Out of what the ledger found to differ (`seen`) and its sums per material: positions are not read again.
_FIGURES = f"""
with {_RATES},
change as (
    select s.listed as new, s.held as old, s.n = 0 as is_gone, c.each * r.rate as each
    from seen s
    left join source_material f on s.is_new and f.organisation_id = %(org)s and f.system_id = %(system)s
                               and f.item_id = s.item_id
    left join source_material m on m.organisation_id = %(org)s and m.id = coalesce(s.material_id, f.id)
    {_EACH.format(unit="s.unit")}
    left join rate r on r.currency = m.currency),
held as (
    select coalesce(sum(t.stocked), 0) as stocked, coalesce(sum(t.negatives), 0) as negative,
           sum((t.on_hand + t.in_transit) * c.each * r.rate) as value
    from material_stock t join source_material m on m.organisation_id = t.organisation_id and m.id = t.material_id
    {_EACH.format(unit="t.unit")}
    left join rate r on r.currency = m.currency
    where t.organisation_id = %(org)s and t.coverage_id = %(coverage)s),
open as (
    select count(distinct p.hash) as keys from stage_gap g join position p on p.hash = g.hash
    where p.organisation_id = %(org)s and p.coverage_id = %(coverage)s),
move as (
    select count(*) filter (where old <> 0 and is_gone) as gone, count(*) filter (where old <> 0 and new = 0) as zeroed,
           count(*) filter (where new < 0) - count(*) filter (where old < 0) as negative,
           sum((new - coalesce(old, 0)) * each) as value
    from change),
listed as (select count(*) as keys, coalesce(sum(n), 0) as rows from stage_position)
select l.keys + o.keys as keys, l.rows::float as rows, h.stocked, h.stocked - m.gone as kept, m.zeroed,
       (h.negative + m.negative)::float as negative, h.negative::float as negative_before,
       h.value::float as value_before, (h.value + coalesce(m.value, 0))::float as value
from held h, open o, move m, listed l
"""

# The first read of a coverage has nothing to be held against.
_HELD = 'select exists (select from position where organisation_id = %(org)s and coverage_id = %(coverage)s) as "any"'
_FIRST = """
select count(*) as keys, coalesce(sum(n), 0)::float as rows, 0 as stocked, 0 as kept, 0 as zeroed,
       (count(*) filter (where quantity < 0))::float as negative, 0.0 as negative_before,
       null::float as value_before, null::float as value
from stage_position
"""

_CONSEQUENCE = f"""
with pair as (
    select p.material_id, p.unit, p.quantity as old, coalesce(s.quantity, 0) as new, c.each, m.currency
    from position p
    join source_material m on m.organisation_id = p.organisation_id and m.id = p.material_id
    {_EACH.format(unit="p.unit")}
    left join stage_position s on s.hash = p.hash
    where p.organisation_id = %(org)s and p.coverage_id = %(coverage)s and p.quantity <> coalesce(s.quantity, 0)
      and not exists (select from stage_gap g where g.hash = p.hash)),
goods as (select unit, sum(old - new) as lost from pair group by unit having sum(old - new) > 0
          order by 2 desc limit 5),
money as (select currency, sum((old - new) * each) as lost from pair where each is not null
          group by currency having sum((old - new) * each) > 0)
select count(*) as changed, count(*) filter (where old <> 0 and new = 0) as zeroed,
       count(distinct material_id) filter (where old <> 0 and new = 0) as materials,
       (select coalesce(jsonb_agg(jsonb_build_object('quantity', trim_scale(lost)::text, 'unit', unit)), '[]')
        from goods) as goods,
       (select coalesce(jsonb_agg(jsonb_build_object('amount', round(lost, 2)::text, 'currency', currency)), '[]')
        from money) as money
from pair
"""


_COUNTS = ("keys", "stocked", "kept", "zeroed", "negative", "negative_before")


@dataclass(frozen=True)
class Verdict:
    """What the gate measured and found; `consequence` only where it found something."""

    figures: dict[str, float | None]
    findings: tuple[Finding, ...]
    consequence: Consequence | None = None

    @property
    def is_red(self) -> bool:
        return bool(self.findings)

    def as_json(self) -> dict[str, Any]:
        made: dict[str, Any] = {"figures": self.figures, "findings": [asdict(f) for f in self.findings]}
        if self.consequence is not None:
            made["consequence"] = asdict(self.consequence, dict_factory=_plain)
        return made


def figures(
    connection: psycopg.Connection, keys: Mapping[str, Any], *, rows_before: int | None, quarantined: int
) -> dict[str, float | None]:
    """The one row the gate judges. `keys` names org, system, coverage; a figure without history is None: it passes."""
    found = _row(connection, _FIGURES if _row(connection, _HELD, keys)["any"] else _FIRST, keys)
    rows = float(found["rows"]) + quarantined
    small = found["stocked"] < SMALLEST
    shares = {
        "rows_ratio": _ratio(rows, rows_before),
        "value_ratio": _ratio(found["value"], found["value_before"]),
        "negative_rise": _share(found["negative"], found["keys"]) - _share(found["negative_before"], found["stocked"]),
        "overlap": _ratio(found["kept"], found["stocked"]),
        "quarantined_share": _share(quarantined, rows),
    }
    counts = {name: float(found[name]) for name in _COUNTS} | {"rows": rows}
    return counts | {name: None if small else value for name, value in shares.items()}


def record_figures(rows: int, rows_before: int | None, quarantined: int) -> dict[str, float | None]:
    """The same row for master records, of which only the number is judged."""
    known = (rows_before or 0) >= SMALLEST
    unknown: dict[str, float | None] = dict.fromkeys(limit.figure for limit in LIMITS.values())
    return unknown | {
        "rows": float(rows),
        "rows_ratio": _ratio(rows, rows_before) if known else None,
        "quarantined_share": _share(quarantined, rows) if known else None,
    }


def is_empty(measured: Mapping[str, float | None]) -> bool:
    """Nothing listed where there is stock: never believed without a person's word."""
    return not measured["rows"] and bool(measured["stocked"])


def unreadable(rows: int) -> Finding:
    return Finding(
        "unreadable_key",
        float(rows),
        0.0,
        f"有 {rows} 行无法辨认其库存项；若放行，未列出的库存项将归零。",
        f"{rows} rows do not say of which stock they speak; once released, what is not listed goes to zero.",
    )


def finding(name: str, measured: float, limit: float) -> Finding:
    said = LIMITS[name]
    zh, en = (s.format(measured=measured, limit=limit) for s in (said.zh, said.en))
    return Finding(name, measured, limit, zh, en)


def consequence(connection: psycopg.Connection, keys: Mapping[str, Any]) -> Consequence:
    """What releasing would do to the positions of the coverage, in goods and money."""
    found = _row(connection, _CONSEQUENCE, keys)
    goods = tuple(Goods(Decimal(g["quantity"]), g["unit"]) for g in found["goods"])
    money = tuple(Money(Decimal(m["amount"]), m["currency"]) for m in found["money"])
    zeroed, materials, changed = int(found["zeroed"]), int(found["materials"]), int(found["changed"])
    lost = "，".join(f"{m.amount:,} {m.currency}" for m in money)
    zh = f"放行后 {zeroed} 个库存项（{materials} 种物料）归零，{changed} 个改变" + (
        f"，账面减少 {lost}。" if lost else "。"
    )
    en = f"Released, {zeroed} positions of {materials} materials go to zero and {changed} change" + (
        f"; the books lose {', '.join(f'{m.amount:,} {m.currency}' for m in money)}." if money else "."
    )
    return Consequence(zeroed, materials, changed, goods, money, zh, en)


def _row(connection: psycopg.Connection, query: str, keys: Mapping[str, Any]) -> dict[str, Any]:
    rates = {"currency": settings().group_currency, "today": settings().today()}
    with hashed(connection), connection.cursor(row_factory=dict_row) as cursor:
        found = cursor.execute(query, {**keys, **rates}).fetchone()
    assert found is not None  # noqa: S101 - an aggregate always answers
    return found


def _ratio(now: float | None, before: float | None) -> float | None:
    return None if not before or before < 0 or now is None else float(now) / float(before)


def _share(part: float, whole: float) -> float:
    return float(part) / float(whole) if whole else 0.0


def _plain(items: list[tuple[str, Any]]) -> dict[str, Any]:
    return {k: str(v) if isinstance(v, Decimal) else v for k, v in items}
