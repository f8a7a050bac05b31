"""What follows a move of positions, in the same transaction: sums per material, the change's row, the event."""

from __future__ import annotations

import psycopg
from psycopg.types.json import Jsonb

from hub.columns import new_id
from masterdata.ledger.batch import BatchRef, analyze

EVENT_KEYS_MAX = 1_000

_STOCK = """
insert into material_stock as t (organisation_id, material_id, coverage_id, unit, on_hand, unrestricted, quality,
    blocked, in_transit, reserved, consigned, positions, stocked, negatives, marked, oldest_at, newest_at)
select p.organisation_id, p.material_id, p.coverage_id, p.unit,
       coalesce(sum(p.quantity) filter (where p.status <> 'in_transit'), 0),
       coalesce(sum(p.quantity) filter (where p.status = 'unrestricted'), 0),
       coalesce(sum(p.quantity) filter (where p.status = 'quality'), 0),
       coalesce(sum(p.quantity) filter (where p.status = 'blocked'), 0),
       coalesce(sum(p.quantity) filter (where p.status = 'in_transit'), 0),
       coalesce(sum(p.reserved), 0),
       coalesce(sum(p.quantity) filter (where p.owner <> ''), 0),
       count(*), count(*) filter (where p.quantity <> 0), count(*) filter (where p.quantity < 0),
       count(*) filter (where p.is_marked),
       min(greatest(p.observed_at, p.moved_at)), max(greatest(p.observed_at, p.moved_at))
from (select distinct material_id from moved) t
join position p on p.organisation_id = %(org)s and p.material_id = t.material_id
group by p.organisation_id, p.material_id, p.coverage_id, p.unit
on conflict (organisation_id, material_id, coverage_id, unit) do update set
    on_hand = excluded.on_hand, unrestricted = excluded.unrestricted, quality = excluded.quality,
    blocked = excluded.blocked, in_transit = excluded.in_transit, reserved = excluded.reserved,
    consigned = excluded.consigned, positions = excluded.positions, stocked = excluded.stocked,
    negatives = excluded.negatives, marked = excluded.marked, oldest_at = excluded.oldest_at,
    newest_at = excluded.newest_at
"""

_CHANGE = """
insert into change (organisation_id, recording_id, system_id, batch_id, positions)
select %(org)s, %(recording)s, %(system)s, %(batch)s, count(distinct position_id) from moved
having count(*) > 0 returning positions
"""

_KEYS = """
select coalesce(jsonb_agg(jsonb_build_object('position_id', p.id, 'material_id', p.material_id, 'place_id', p.place_id,
    'status', p.status, 'quantity', trim_scale(p.quantity)::text, 'unit', p.unit)), '[]')
from position p where p.organisation_id = %(org)s and p.id in (select position_id from moved)
"""

_EVENT = """
insert into outbox (id, organisation_id, topic, payload, traceparent)
values (%(event)s, %(org)s, 'inventory.changed', %(payload)s, %(traceparent)s)
"""


# By source time, so that a place that fell silent shows even while its feed goes on.
_PLACES = """
update place l set changed_at = x.at
from (select place_id, max(at) as at from moved group by place_id) x
where l.organisation_id = %(org)s and l.id = x.place_id and (l.changed_at is null or l.changed_at < x.at)
"""


def moved(connection: psycopg.Connection, batch: BatchRef) -> int:
    """Keep sums and tell of the positions in `moved`; how many they are. An event lists up to EVENT_KEYS_MAX keys, else
    it is a summary."""
    count = connection.execute(_CHANGE, batch.parameters).fetchone()
    if count is None:
        return 0
    analyze(connection, "moved", count[0])
    connection.execute(_STOCK, batch.parameters)
    connection.execute(_PLACES, batch.parameters)
    keys = None
    if count[0] <= EVENT_KEYS_MAX:
        row = connection.execute(_KEYS, batch.parameters).fetchone()
        keys = row[0] if row else []
    _tell(connection, batch, count[0], keys)
    return int(count[0])


def _tell(connection: psycopg.Connection, batch: BatchRef, count: int, keys: list[object] | None) -> None:

    payload = {
        "batch_id": str(batch.id),
        "system_id": str(batch.system_id),
        "coverage_id": batch.coverage_id,
        "observed_at": batch.observed_at.isoformat(),
        "count": count,
        "positions": keys,
    }
    connection.execute(
        _EVENT, batch.parameters | {"event": new_id(), "payload": Jsonb(payload), "traceparent": batch.traceparent}
    )
