"""What lies in the legacy systems, what the live view says of it, and what the lake says; each by its own road."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from demo.plants import SYSTEMS
from hub.lake import EVERYONE
from masterdata.lake.reading import published
from tests.demo.running import Running

EXPORTED = ("duoyan-csv", "luyu-xlsx")
# (system, item, place, lot, owner, status) → on hand and reserved in the source's unit; empty keys left out.
Stock = dict[tuple[str, ...], tuple[Decimal, Decimal]]

_LIVE = """
select s.key, m.item_id, l.place_id, p.lot, p.owner, p.status, sum(p.quantity), sum(coalesce(p.reserved, 0))
from position p
join source_system s on s.id = p.system_id
join source_material m on m.organisation_id = p.organisation_id and m.id = p.material_id
join place l on l.organisation_id = p.organisation_id and l.id = p.place_id
group by 1, 2, 3, 4, 5, 6
"""
# Reserved stock of a position is not kept over time: the lake's is compared where it is summed.
_LAKE = """
with told as (
    select position_key, system_id, item_id, place_id, lot, owner, status from bronze.stock_observation
    where kind = 'listed'
    union
    select position_key, system_id, item_id, place_id, lot, owner, status from bronze.stock_movement
)
select t.system_id, t.item_id, t.place_id, t.lot, t.owner, t.status, sum(h.quantity)
from gold.stock_history h join told t on cast(t.position_key as uuid) = cast(h.position_key as uuid)
where h.valid_to is null and h.known_to is null group by all
"""
_SUMS = """
select material_id, bool_and(unit = golden_unit or is_apart), sum(source_on_hand), sum(source_consigned),
       sum(unrestricted), sum(quality), sum(blocked), sum(in_transit), sum(reserved)
from gold.golden_inventory group by all
"""
_MATERIALS = "select m.id, s.key, m.item_id from source_material m join source_system s on s.id = m.system_id"
STATUSES = ("unrestricted", "quality", "blocked", "in_transit")


def true_stock(group: Running) -> Stock:
    """By the legacy systems' own tables; of plants that only export, by what they last exported."""
    return {
        (key.system, key.item_id, key.place_id, key.lot, key.owner, key.status): held
        for system in SYSTEMS
        for key, held in group.group.true_stock(system.key, as_exported=system.key in EXPORTED).items()
        if any(held)
    }


def live_stock(group: Running) -> Stock:
    return {tuple(key): (on_hand, reserved) for *key, on_hand, reserved in group.rows(_LIVE) if on_hand or reserved}


def lake_stock(group: Running) -> dict[tuple[str, ...], Decimal]:
    """On hand by position, as the current build published it."""
    keys = systems(group)
    return {(keys[str(i)], *key): held for i, *key, held in asked(group, _LAKE) if held}


def golden_sums(group: Running) -> dict[tuple[str, str], tuple[Decimal, ...]]:
    """By system and item, of what holds anything: on hand and others' goods; and where no factor changes them, what
    lies in each status and is reserved."""
    keys = {i: (system, item) for i, system, item in group.rows(_MATERIALS)}
    rows = asked(group, _SUMS)
    return {keys[i]: tuple(sums) if same else tuple(sums[:2]) for i, same, *sums in rows if any(sums)}


def summed(stock: Stock) -> dict[tuple[str, str], tuple[Decimal, ...]]:
    """The same of positions."""
    sums: dict[tuple[str, str], list[Decimal]] = {}
    for (system, item, _, _, owner, status), (quantity, reserved) in stock.items():
        one = sums.setdefault((system, item), [Decimal(0)] * 7)
        one[0] += quantity * (status != "in_transit")
        one[1] += quantity * bool(owner)
        one[2 + STATUSES.index(status)] += quantity
        one[6] += reserved
    return {key: tuple(one) for key, one in sums.items() if any(one)}


def systems(group: Running) -> dict[str, str]:
    return {str(i): key for i, key in group.rows("select id, key from source_system")}


def asked(group: Running, query: str) -> list[tuple[Any, ...]]:
    """A query over the lake as the current build published it."""
    engine = group.engine()
    try:
        with published(engine, EVERYONE) as db:
            return db.execute(query).fetchall()
    finally:
        engine.dispose()


def different(found: dict[Any, Any], wanted: dict[Any, Any]) -> dict[Any, tuple[Any, Any]]:
    """Keys that are told otherwise: (found, wanted)."""
    keys = found.keys() | wanted.keys()
    return {key: (found.get(key), wanted.get(key)) for key in keys if found.get(key) != wanted.get(key)}
