"""Positions of staged keys: found by hash, made where missing, with stubs of their material and place."""

from __future__ import annotations

from contextlib import nullcontext

import psycopg

from masterdata.ledger.batch import BatchRef, analyze, hashed

# New keys up to which a look-up each is cheaper than reading whole tables.
FEW_KEYS = 200

_FRESH_MOVED = """
insert into fresh
select nextval('position_id_seq'), f.* from (
    select distinct on (s.hash) s.hash, s.item_id, s.place_id, s.lot, s.owner, s.status, s.unit, s.row_no
    from stage_movement s
    where not exists (select from position p where p.organisation_id = %(org)s and p.hash = s.hash)
    order by s.hash, s.row_no) f
"""

_FRESH_LISTED = """
insert into fresh
select x.position_id, s.hash, s.item_id, s.place_id, s.lot, s.owner, s.status, s.unit, s.row_no
from seen x join stage_position s on s.hash = x.hash where x.is_new
"""

_MATERIALS = """
insert into source_material (organisation_id, system_id, item_id, is_active, is_deleted)
select distinct %(org)s::uuid, %(system)s::uuid, item_id, true, false from fresh f
where not exists (select from source_material m
                  where m.organisation_id = %(org)s and m.system_id = %(system)s and m.item_id = f.item_id)
on conflict (organisation_id, system_id, item_id) do nothing
"""

_PLACES = """
insert into place (organisation_id, system_id, place_id, kind, is_active)
select distinct %(org)s::uuid, %(system)s::uuid, place_id, 'warehouse', true from fresh f
where not exists (select from place p
                  where p.organisation_id = %(org)s and p.system_id = %(system)s and p.place_id = f.place_id)
on conflict (organisation_id, system_id, place_id) do nothing
"""

# A key first met holds nothing until its fact is applied; a million of them on a first read are written as they are
# listed, which spares an update of each (`seen` says so by is_late = false).
_POSITIONS = """
insert into position (organisation_id, id, system_id, coverage_id, material_id, place_id, lot, owner, status, unit,
                      hash, quantity, reserved, value, currency, expires_on, observed_at, batch_id, row_no, is_marked)
select %(org)s, f.position_id, %(system)s, %(coverage)s, m.id, p.id, f.lot, f.owner, f.status, f.unit, f.hash,
       coalesce(x.listed, 0), x.reserved, x.value, x.currency, x.expires_on,
       case when x.is_changed or (%(always)s and x.hash is not null) then %(at)s end, %(batch)s, f.row_no, false
from fresh f
left join seen x on x.hash = f.hash and not x.is_late
join source_material m on m.organisation_id = %(org)s and m.system_id = %(system)s and m.item_id = f.item_id
join place p on p.organisation_id = %(org)s and p.system_id = %(system)s and p.place_id = f.place_id
order by f.position_id
"""

# The mapping put a key into another coverage: it moves there with its sums.
_REASSIGN = """
with moved as (
    update position p set coverage_id = %(coverage)s from seen x
    where x.is_late and x.position_id = p.id and p.organisation_id = %(org)s and p.coverage_id <> %(coverage)s
    returning p.material_id)
delete from material_stock t using moved m where t.organisation_id = %(org)s and t.material_id = m.material_id
"""


def resolve_moved(connection: psycopg.Connection, batch: BatchRef) -> None:
    """Give every key of `stage_movement` a position."""
    _create(connection, batch, connection.execute(_FRESH_MOVED, batch.parameters).rowcount)


def resolve_seen(connection: psycopg.Connection, batch: BatchRef) -> None:
    """Give every new key of `seen` a position; those not late hold what is listed at once."""
    connection.execute(_REASSIGN, batch.parameters)
    _create(connection, batch, connection.execute(_FRESH_LISTED, batch.parameters).rowcount)


def _create(connection: psycopg.Connection, batch: BatchRef, keys: int) -> None:
    if keys == 0:
        return
    analyze(connection, "fresh", keys)
    with hashed(connection) if keys > FEW_KEYS else nullcontext():
        connection.execute(_MATERIALS, batch.parameters)
        connection.execute(_PLACES, batch.parameters)
        connection.execute(_POSITIONS, batch.parameters | {"always": batch.sync != "full"})
