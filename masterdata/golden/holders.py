"""Who holds a golden material: every organisation in one answer, live or as it was. Search by any code."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from hub.errors import NotFound
from hub.settings import settings
from masterdata.golden import looks, past
from masterdata.golden.ages import RATES, SOURCE_AT, VALUE, age_of, combined
from masterdata.golden.schemas import (
    LIVE,
    Amount,
    Apart,
    Conversion,
    Elsewhere,
    Found,
    Hit,
    Holders,
    Holding,
    Identity,
    Moment,
    SisterStock,
    Stock,
    Value,
)

QUANTITIES = ("on_hand", "available", "reserved", "in_transit", "quality", "blocked", "consigned")

_GOLDEN = text("""
    select g.id, g.number, g.name_zh, g.name_en, g.class_code, g.unit, g.gtin, g.rule, g.confidence, g.created_at,
           u.decimals, target.number as merged_into,
           coalesce((select true from source_material m where m.golden_id = g.id limit 1),
                    g.id in (select disclosed_goldens(array[g.id]))) as is_visible
    from golden_material g join unit u on u.code = g.unit
    left join golden_material target on target.id = g.merged_into_id
    where g.number = any(cast(:numbers as text[]))""")

_HOLDINGS = text(f"""
    with {RATES}
    select h.*, o.key as org_key, o.name_zh as org_zh, o.name_en as org_en, o.seal, o.letter,
           s.key as system_key, s.name_zh as system_zh, s.name_en as system_en, m.item_id, m.item_code, m.name, m.rule,
           m.confidence, c.name as coverage, c.sla_seconds, c.held_batch_id, t.on_hand as source_on_hand,
           f.numerator, f.denominator, {SOURCE_AT} as source_at, {VALUE} as worth, r.rate_on
    from live_holding h
    join source_material m on m.organisation_id = h.organisation_id and m.id = h.material_id
    join material_stock t on t.organisation_id = h.organisation_id and t.material_id = h.material_id
                         and t.coverage_id = h.coverage_id and t.unit = h.unit
    join coverage c on c.organisation_id = h.organisation_id and c.id = h.coverage_id
    join source_system s on s.id = h.system_id
    join organisation o on o.id = h.organisation_id
    left join unit_factor f
      on f.organisation_id = h.organisation_id and f.material_id = h.material_id and f.unit = h.unit
    left join rate r on r.currency = h.currency
    where h.golden_id = any(cast(:goldens as bigint[]))
    order by h.golden_id, o.rank, o.key, s.key, m.item_id, c.name, h.unit""")

_SISTERS = text("select * from disclosed_stock(cast(:goldens as bigint[]))")

_HITS = text("""
    select g.id, g.number, g.name_zh, g.name_en, g.class_code, f.matched, m.item_id, m.item_code, m.gtin, m.mpn, m.name,
           squash(cast(:text as text)) as asked, squash(m.item_code) as code_key, squash(m.item_id) as item_key,
           squash(m.mpn) as mpn_key
    from search_find(:text, :limit) with ordinality as f(golden_id, matched, material_id, rank)
    join golden_material g on g.id = f.golden_id
    left join source_material m on m.id = f.material_id
    order by f.rank""")
# For suppliers and carriers: what others disclose to them, named whole.
_DISCLOSED = text("""
    select g.id, g.number, g.name_zh, g.name_en, g.class_code, f.matched, null as item_id, null as item_code,
           null as name
    from disclosed_find(:text, :limit) with ordinality as f(golden_id, matched, rank)
    join golden_material g on g.id = f.golden_id order by f.rank""")


def search(session: Session, text: str, limit: int = 20) -> list[Hit]:
    """Golden materials by golden number, any plant's code, part number, GTIN or words of a name in either language."""
    return [_hit(row) for row in _find(session, text, limit)]


def find_holders(session: Session, text: str, limit: int = 5) -> Found:
    """Who holds what `text` names: hits best first, each with its holders."""
    rows = _find(session, text, limit)
    goldens = _goldens(session, [row.number for row in rows])
    return Found(text, [_hit(row) for row in rows], _answers(session, goldens))


def get_holders(session: Session, number: str, moment: Moment = LIVE) -> Holders:
    """Raises NotFound for a number the caller may not see; a merged number answers for what it was merged into."""
    return held_of(session, find_golden(session, number), moment)


def held_of(session: Session, golden: Row[Any], moment: Moment = LIVE) -> Holders:
    """Who holds a golden material that `find_golden` gave."""
    if not moment.is_live:
        at = moment.as_of or datetime.now(UTC)
        held = past.holdings(session, golden.id, moment, at)
        looks.looked(session, golden.number, {row.organisation_id for row in held})
        return answer(golden, held, [], at, moment)
    return _answers(session, [golden])[0]


def find_golden(session: Session, number: str) -> Row[Any]:
    rows = _goldens(session, [number])
    if not rows:
        raise NotFound(f"There is no golden material {number}, or none of its sources is yours to see.")
    return rows[0]


def _goldens(session: Session, numbers: Sequence[str]) -> list[Row[Any]]:
    """The golden materials of these numbers, in their order, as far as the caller may see one of their sources."""
    rows = {row.number: row for row in session.execute(_GOLDEN, {"numbers": list(numbers)})} if numbers else {}
    merged = [row.merged_into for row in rows.values() if row.merged_into]
    targets = {row.number: row for row in _goldens(session, merged)} if merged else {}
    found = [
        targets.get(rows[n].merged_into, rows[n]) if rows[n].merged_into else rows[n] for n in numbers if n in rows
    ]
    return [row for row in dict.fromkeys(found) if row.is_visible]


def _find(session: Session, words: str, limit: int) -> Sequence[Row[Any]]:
    asked = {"text": words, "limit": limit}
    found: dict[int, Row[Any]] = {}
    for query in (_HITS, _DISCLOSED):
        for row in session.execute(query, asked):
            found.setdefault(row.id, row)
    return list(found.values())[:limit]


def _hit(row: Row[Any]) -> Hit:
    matched, shown = row.matched, row.name or row.item_code or row.item_id or row.number
    if matched == "code" and row.item_id:
        if row.asked and row.asked == row.mpn_key:
            matched, shown = "mpn", row.mpn
        elif row.asked in (row.code_key, row.item_key):
            shown = row.item_code or row.item_id
        else:
            matched, shown = "gtin", row.gtin
    return Hit(row.number, row.name_zh, row.name_en, row.class_code, matched, shown or row.number)


def _answers(session: Session, goldens: Sequence[Row[Any]]) -> list[Holders]:
    now = datetime.now(UTC)
    ids = [golden.id for golden in goldens]
    values = {"goldens": ids, "today": settings().today(), "currency": settings().group_currency}
    held = session.execute(_HOLDINGS, values).all() if ids else []
    sisters = session.execute(_SISTERS, {"goldens": ids}).all() if ids else []
    for golden in goldens:
        looks.looked(session, golden.number, {r.organisation_id for r in (*held, *sisters) if r.golden_id == golden.id})
    return [
        answer(
            golden, [r for r in held if r.golden_id == golden.id], [r for r in sisters if r.golden_id == golden.id], now
        )
        for golden in goldens
    ]


def answer(
    golden: Row[Any], held: Sequence[Row[Any]], sisters: Sequence[Row[Any]], now: datetime, moment: Moment = LIVE
) -> Holders:
    holdings = [holding_of(row, golden.unit, now) for row in held]
    others = [sister_of(row, now) for row in sisters]
    return Holders(
        number=golden.number,
        name_zh=golden.name_zh,
        name_en=golden.name_en,
        unit=golden.unit,
        moment=moment,
        stock=total(golden.unit, [h.stock for h in holdings if not h.is_apart]),
        value=value_of(held),
        apart=_apart([h.stock for h in holdings if h.is_apart]),
        age=combined([(h.age, abs(h.stock.on_hand)) for h in holdings]),
        holders=holdings,
        sisters=others,
        elsewhere=elsewhere(others),
    )


def elsewhere(others: Sequence[SisterStock]) -> Elsewhere:
    """What is banded, hidden or in a unit apart is counted, never summed: no difference tells it."""
    exact = [one.free for one in others if one.free is not None and not one.is_apart]
    return Elsewhere(sum(exact, Decimal(0)), sum(one.has_some for one in others) - len(exact))


def total(unit: str, stocks: Sequence[Stock]) -> Stock:
    return Stock(unit, *(sum((getattr(s, q) for s in stocks), Decimal(0)) for q in QUANTITIES))


def value_of(rows: Sequence[Row[Any]]) -> Value:
    """Sum in the group's currency; currencies without a rate are named beside it, never added."""
    apart: dict[str, Decimal] = {}
    for row in rows:
        if row.worth is None and row.value is not None:
            apart[row.currency] = apart.get(row.currency, Decimal(0)) + row.value
    days: list[date] = [row.rate_on for row in rows if row.rate_on]
    return Value(
        amount=sum((row.worth for row in rows if row.worth is not None), Decimal(0)),
        currency=settings().group_currency,
        apart=[Amount(amount, currency) for currency, amount in sorted(apart.items())],
        unpriced=sum(row.value is None and row.on_hand != 0 for row in rows),
        rate_on=min(days, default=None),
    )


def _apart(stocks: Sequence[Stock]) -> list[Apart]:
    units = sorted({stock.unit for stock in stocks})
    sums = [total(unit, [stock for stock in stocks if stock.unit == unit]) for unit in units]
    return [Apart(s.unit, s.on_hand, s.available) for s in sums]


def holding_of(row: Row[Any], golden_unit: str, now: datetime) -> Holding:
    converted = not row.is_apart and row.unit != golden_unit
    return Holding(
        organisation=row.org_key,
        organisation_zh=row.org_zh,
        organisation_en=row.org_en,
        seal=row.seal,
        letter=row.letter,
        system=row.system_key,
        system_name_zh=row.system_zh,
        system_name_en=row.system_en,
        item_id=row.item_id,
        item_code=row.item_code,
        name=row.name,
        coverage=row.coverage,
        stock=Stock(row.unit if row.is_apart else golden_unit, *(getattr(row, q) for q in QUANTITIES)),
        is_apart=row.is_apart,
        source=Conversion(row.source_on_hand, row.unit, row.numerator, row.denominator) if converted else None,
        value=Amount(row.value, row.currency) if row.value is not None else None,
        group_value=row.worth,
        identity=Identity(row.rule, row.confidence),
        age=age_of(row.source_at, row.sla_seconds, row.held_batch_id is not None, now),
        held_batch_id=row.held_batch_id,
        positions=row.positions,
        negatives=row.negatives,
        marked=row.marked,
    )


def sister_of(row: Row[Any], now: datetime) -> SisterStock:
    return SisterStock(
        organisation=row.key,
        organisation_zh=row.name_zh,
        organisation_en=row.name_en,
        seal=row.seal,
        letter=row.letter,
        level=row.level,
        place=row.place,
        free=row.free,
        free_from=row.free_from,
        free_below=row.free_below,
        has_some=row.has_some,
        unit=row.unit,
        is_apart=row.is_apart,
        age=age_of(row.source_at, row.sla_seconds, row.is_held, now),
    )
