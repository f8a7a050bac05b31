"""The forms the history takes on its way: a plant's tables and their mapping, a spooled batch, a pushed event; and the
golden view as text."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from connectors.contract import BatchHeader, streams
from connectors.spool import Spooled
from tests.faults.world import Count, Delivery, Key, Line, currency, value

MAPPING = """\
source: sql
tables:
  moves: {query: "select * from moves where id <= (select reach from clock)", cursor: id}
  stock:
    query: >-
      select s.*, 1 / (case when c.is_closed then 0 else 1 end) as is_open
      from clock c left join stock s using (phase)
streams:
  stock_positions:
    every: 2s
    counts: balance+movements
    from: stock s
    fields: {item_id: s.item, place_id: s.place, lot: "nullif(s.lot, '')", status: s.status, unit: s.unit,
             quantity: s.quantity, value: s.value, currency: s.currency}
  stock_movements:
    every: 1s
    full: never
    counts: balance+movements
    from: moves m
    fields: {document: m.document, line: m.line, item_id: m.item, place_id: m.place, lot: "nullif(m.lot, '')",
             status: m.status, unit: m.unit, quantity: m.quantity, kind: m.kind, occurred_at: m.booked_at,
             booked_at: m.booked_at, modified_at: m.modified_at, voided: m.is_voided}
"""

# The plant's own clock stands where the test puts it: a read at an instant is then the same in every run.
PLANT = """
create schema plant; set search_path to plant;
create table clock (at timestamptz, phase int, reach bigint, is_closed boolean);
insert into clock values ('2026-01-01', 0, 0, true);
create function clock_timestamp() returns timestamptz language sql stable as 'select at from plant.clock';
create table moves (id bigint primary key, document text, line text, item text, place text, lot text, status text,
                    unit text, quantity numeric, kind text, booked_at timestamptz, modified_at timestamptz,
                    is_voided boolean);
create table stock (phase int, item text, place text, lot text, status text, unit text, quantity numeric, value numeric,
                    currency text);
"""


# The pushing warehouse has no clock of its own: its reads carry the agent's, which differs from run to run.
GOLDEN = """
select concat_ws('|', 'position', s.key, m.item_id, l.place_id, p.lot, p.owner, p.status, p.unit,
       trim_scale(p.quantity), g.unit, trim_scale(convert_quantity(p.quantity, f.numerator, f.denominator, u.decimals)),
       trim_scale(p.value), p.currency,
       greatest(p.observed_at, p.moved_at, case when s.key <> 'p02' then c.read_through end) at time zone 'UTC')
from position p
join source_system s on s.id = p.system_id
join coverage c on c.organisation_id = p.organisation_id and c.id = p.coverage_id
join source_material m on m.organisation_id = p.organisation_id and m.id = p.material_id
join golden_material g on g.id = m.golden_id join unit u on u.code = g.unit
join place l on l.organisation_id = p.organisation_id and l.id = p.place_id
join unit_factor f on f.organisation_id = p.organisation_id and f.material_id = p.material_id and f.unit = p.unit
union all
select concat_ws('|', 'holding', s.key, m.item_id, h.unit, h.is_apart, trim_scale(h.on_hand), trim_scale(h.available),
       trim_scale(h.quality), h.positions, h.negatives, h.marked, trim_scale(h.value), h.currency,
       greatest(h.oldest_at, case when s.key <> 'p02' then c.read_through end) at time zone 'UTC')
from holding h
join source_system s on s.id = h.system_id
join coverage c on c.organisation_id = h.organisation_id and c.id = h.coverage_id
join source_material m on m.organisation_id = h.organisation_id and m.id = h.material_id
order by 1
"""


def pushed_event(line: Line) -> dict[str, Any]:
    """A line as the warehouse system pushes it."""
    key = line.key
    return {
        "event": line.kind,
        "document": line.document,
        "line": line.line,
        "item": key.item,
        "place": key.place,
        "lot": key.lot,
        "status": "qc" if key.status == "quality" else "good",
        "unit": "kg" if key.unit == "KGM" else "PCS",
        "quantity": str(line.quantity),
        "at": line.booked_at.isoformat(),
        "modified_at": line.modified_at.isoformat(),
        "voided": line.is_voided,
    }


@contextmanager
def spooled(folder: Path, one: Delivery, system: str) -> Iterator[Spooled]:
    """The batch on disk as in an agent's spool."""
    stream = "stock_positions" if one.count else "stock_movements"
    rows = list(_positions(one.count)) if one.count else [_movement(line) for line in one.lines]
    schema = streams()[stream].arrow_schema
    filled = [dict.fromkeys(schema.names) | {"_row": n, "_raw": "{}"} | row for n, row in enumerate(rows)]
    path = folder / f"{one.id}-{threading.get_ident()}.parquet"
    pq.write_table(pa.Table.from_pylist(filled, schema), path, compression="zstd", row_group_size=4_096)
    body = path.read_bytes()
    header = BatchHeader(
        batch_id=one.id,
        system=system,
        organisation=system,
        stream=stream,
        sync=one.sync,  # type: ignore[arg-type]
        counts="balance+movements",
        observed_at=one.at,
        rows=len(rows),
        size=len(body),
        sha256=hashlib.sha256(body).hexdigest(),
    )
    try:
        yield Spooled(0, header, path)
    finally:
        path.unlink()


def _positions(count: Count) -> Iterator[dict[str, Any]]:
    for key, quantity in count.quantities.items():
        yield _key(key) | {"quantity": quantity, "value": value(key, quantity), "currency": currency(key)}


def _movement(line: Line) -> dict[str, Any]:
    return _key(line.key) | {
        "document": line.document,
        "line": line.line,
        "quantity": line.quantity,
        "kind": line.kind,
        "occurred_at": line.booked_at,
        "booked_at": line.booked_at,
        "modified_at": line.modified_at,
        "voided": line.is_voided,
    }


def _key(key: Key) -> dict[str, Any]:
    return {
        "item_id": key.item,
        "place_id": key.place,
        "lot": key.lot or None,
        "status": key.status,
        "unit": key.unit,
    }
