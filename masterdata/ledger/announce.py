"""What follows a move of positions, in the same transaction: sums per material, the change's row, the event."""

from __future__ import annotations

import psycopg
from psycopg.types.json import Jsonb

from hub.columns import new_id
from masterdata.ledger.batch import BatchRef, analyze

EVENT_KEYS_MAX = 1_000

# Of a material's positions in one coverage and unit.
_SUMS = {
    "on_hand": "coalesce(sum(p.quantity) filter (where p.status <> 'in_transit'), 0)",
    "unrestricted": "coalesce(sum(p.quantity) filter (where p.status = 'unrestricted'), 0)",
    "quality": "coalesce(sum(p.quantity) filter (where p.status = 'quality'), 0)",
    "blocked": "coalesce(sum(p.quantity) filter (where p.status = 'blocked'), 0)",
    "in_transit": "coalesce(sum(p.quantity) filter (where p.status = 'in_transit'), 0)",
    "reserved": "coalesce(sum(p.reserved), 0)",
    "consigned": "coalesce(sum(p.quantity) filter (where p.owner <> '' and p.status <> 'in_transit'), 0)",
    "positions": "count(*)",
    "stocked": "count(*) filter (where p.quantity <> 0)",
    "negatives": "count(*) filter (where p.quantity < 0)",
    "marked": "count(*) filter (where p.is_marked)",
    "oldest_at": "min(greatest(p.observed_at, p.moved_at))",
    "newest_at": "max(greatest(p.observed_at, p.moved_at))",
}
# A material belongs to one system, whose lock the transaction holds: no other writes its rows meanwhile.
_STOCK = f"""
merge into material_stock t using (
    select p.material_id, p.coverage_id, p.unit, {", ".join(f"{sum_} as {name}" for name, sum_ in _SUMS.items())}
    from (select distinct material_id from moved) m
    join position p on p.organisation_id = %(org)s and p.material_id = m.material_id
    group by p.material_id, p.coverage_id, p.unit) s
on t.organisation_id = %(org)s and t.material_id = s.material_id and t.coverage_id = s.coverage_id and t.unit = s.unit
when matched then update set {", ".join(f"{name} = s.{name}" for name in _SUMS)}
when not matched then insert (organisation_id, material_id, coverage_id, unit, {", ".join(_SUMS)})
    values (%(org)s, s.material_id, s.coverage_id, s.unit, {", ".join(f"s.{name}" for name in _SUMS)})
"""

_CHANGE = """
insert into change (organisation_id, recording_id, system_id, batch_id, positions)
select %(org)s, %(recording)s, %(system)s, %(batch)s, count(distinct position_id) from moved
having count(*) > 0 returning positions
"""

_EVENT = """
insert into outbox (id, organisation_id, topic, payload, traceparent)
select %(event)s, %(org)s, 'inventory.changed', %(payload)s || jsonb_build_object('positions', {positions}),
       %(traceparent)s
"""
# As one text, parsed once: several times faster than an object built per key.
_KEYS = """(
    select ('[' || string_agg(format(
        '{"position_id": %%s, "material_id": %%s, "place_id": %%s, "status": %%s, "quantity": "%%s", "unit": %%s}',
        p.id, p.material_id, p.place_id, to_json(p.status), trim_scale(p.quantity), to_json(p.unit)), ','
    ) || ']')::jsonb
    from position p where p.organisation_id = %(org)s and p.id in (select position_id from moved))"""


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
    payload = {
        "batch_id": str(batch.id),
        "system_id": str(batch.system_id),
        "coverage_id": batch.coverage_id,
        "observed_at": batch.observed_at.isoformat(),
        "count": count[0],
    }
    connection.execute(
        _EVENT.format(positions=_KEYS if count[0] <= EVENT_KEYS_MAX else "null"),
        batch.parameters | {"event": new_id(), "payload": Jsonb(payload), "traceparent": batch.traceparent},
    )
    return int(count[0])
