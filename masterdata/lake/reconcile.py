"""The lake's golden inventory against the live one at the same pinned inputs: two derivations that must agree, to the
unit and to 0.01 of value. A difference names material, place, batch and row."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

import duckdb

# Differences kept with the build; their number is always the whole one.
KEPT = 1_000
SUMS = ("on_hand", "in_transit", "quality", "blocked", "reserved", "consigned")

# A position without facts or without a row of its own holds nothing; so does a holding.
_POSITIONS = """
select coalesce(l.organisation_id, k.organisation_id) as organisation_id, 'position' as what,
       coalesce(n.item_id, p.item_id) as item, coalesce(w.place_id, p.place_id) as place,
       coalesce(l.lot, p.lot) as lot, coalesce(l.status, p.status) as status, coalesce(l.unit, p.unit) as unit,
       l.position_id, case when coalesce(l.quantity, 0) <> coalesce(k.quantity, 0) then 'quantity' else 'reserved' end
           as field,
       case when coalesce(l.quantity, 0) <> coalesce(k.quantity, 0) then l.quantity else l.reserved end as live,
       case when coalesce(l.quantity, 0) <> coalesce(k.quantity, 0) then k.quantity else k.reserved end as lake,
       coalesce(l.batch_id, k.batch_id) as batch_id, coalesce(l.row_no, k.row_no) as row_no
from live.positions l
full join silver.int_positions_current k on k.position_key = l.position_key
left join silver.int_positions p on p.position_key = coalesce(k.position_key, l.position_key)
left join pinned.source_materials n on n.material_id = l.material_id
left join pinned.places w on w.place_no = l.place_no
where coalesce(l.quantity, 0) <> coalesce(k.quantity, 0) or coalesce(l.reserved, 0) <> coalesce(k.reserved, 0)
"""

_FIELDS = ", ".join(f"case when coalesce(l.{name}, 0) <> coalesce(k.{name}, 0) then '{name}' end" for name in SUMS)
_OTHER = "l.is_apart = k.is_apart and l.golden_id <> k.golden_id"
_HOLDINGS = f"""
select coalesce(l.organisation_id, k.organisation_id) as organisation_id, 'holding' as what, m.item_id as item,
       c.name as place, '' as lot, '' as status, coalesce(l.unit, k.unit) as unit, null as position_id,
       coalesce({_FIELDS}, case when l.is_apart <> k.is_apart then 'is_apart' when {_OTHER} then 'golden_id'
                                when coalesce(l.currency, '') <> coalesce(k.currency, '') then 'currency'
                                else 'value' end) as field,
       coalesce({", ".join(f"case when coalesce(l.{n}, 0) <> coalesce(k.{n}, 0) then l.{n} end" for n in SUMS)},
                case when {_OTHER} then l.golden_id else l.value end) as live,
       coalesce({", ".join(f"case when coalesce(l.{n}, 0) <> coalesce(k.{n}, 0) then k.{n} end" for n in SUMS)},
                case when {_OTHER} then k.golden_id else k.value end) as lake,
       cast(null as uuid) as batch_id, null as row_no
from live.holdings l
full join gold.golden_inventory k
  on k.material_id = l.material_id and k.coverage_id = l.coverage_id and k.unit = l.unit
left join pinned.source_materials m on m.material_id = coalesce(l.material_id, k.material_id)
left join pinned.coverages c on c.coverage_id = coalesce(l.coverage_id, k.coverage_id)
where {" or ".join(f"coalesce(l.{n}, 0) <> coalesce(k.{n}, 0)" for n in SUMS)}
   or abs(coalesce(l.value, 0) - coalesce(k.value, 0)) > 0.01 or l.is_apart <> k.is_apart or l.golden_id <> k.golden_id
   or (l.unit = k.unit and coalesce(l.currency, '') <> coalesce(k.currency, ''))
"""


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure that the two roads tell differently: `live` and `lake` in the source's unit or own currency."""

    organisation_id: UUID
    what: str
    item: str | None
    place: str | None
    lot: str
    status: str
    unit: str
    position_id: int | None
    field: str
    live: Decimal | None
    lake: Decimal | None
    batch_id: UUID | None
    row_no: int | None

    def as_json(self) -> dict[str, Any]:
        return {k: str(v) if isinstance(v, Decimal | UUID) else v for k, v in asdict(self).items()}


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """How many figures were compared, how many differ, and the first of those."""

    positions: int
    holdings: int
    differences: int
    shown: tuple[Difference, ...]


def reconcile(db: duckdb.DuckDBPyConnection) -> Reconciliation:
    """Compare schemas `silver` and `gold` of a build's file with its copy `live`."""
    db.execute(f"create or replace temp table difference as {_POSITIONS} union all {_HOLDINGS}")
    rows = db.execute(
        f"select * from difference order by what desc, organisation_id, item, place limit {KEPT}"
    ).fetchall()
    return Reconciliation(
        _number(db, "select count(*) from live.positions"),
        _number(db, "select count(*) from live.holdings"),
        _number(db, "select count(*) from difference"),
        tuple(Difference(*row) for row in rows),
    )


def _number(db: duckdb.DuckDBPyConnection, query: str) -> int:
    ((found,),) = db.execute(query).fetchall()
    return int(found)
