"""Positions of staged keys: found by hash, made where missing, with stubs of their material and place."""

from __future__ import annotations

from contextlib import nullcontext

import psycopg

from masterdata.ledger import staging
from masterdata.ledger.batch import BatchRef, analyze, hashed

# New keys up to which a look-up each is cheaper than reading whole tables.
FEW_KEYS = 200

_FRESH = """
insert into fresh
select nextval('position_id_seq'), f.* from (
    select distinct on (s.hash) s.hash, s.item_id, s.place_id, s.lot, s.owner, s.status, s.unit, s.row_no
    from stage_movement s
    where not exists (select from position p where p.organisation_id = %(org)s and p.hash = s.hash)
    order by s.hash, s.row_no) f
"""

_MATERIALS = """
insert into source_material (organisation_id, system_id, item_id, is_active, is_deleted)
select distinct %(org)s::uuid, %(system)s::uuid, item_id, true, false from {fresh} f
where not exists (select from source_material m
                  where m.organisation_id = %(org)s and m.system_id = %(system)s and m.item_id = f.item_id)
on conflict (organisation_id, system_id, item_id) do nothing
"""

_PLACES = """
insert into place (organisation_id, system_id, place_id, kind, is_active)
select distinct %(org)s::uuid, %(system)s::uuid, place_id, 'warehouse', true from {fresh} f
where not exists (select from place p
                  where p.organisation_id = %(org)s and p.system_id = %(system)s and p.place_id = f.place_id)
on conflict (organisation_id, system_id, place_id) do nothing
"""

# A million keys of a first read are written as they are listed, which spares an update of each. A late one, and one
# that only movements name, holds nothing until the facts have been asked.
_LISTED = "(select * from seen where is_new)"
_MOVED = """(select *, 0 as listed, null::numeric as reserved, null::numeric as value, null::text as currency,
                    null::date as expires_on, true as is_late, false as is_changed from fresh)"""
_POSITIONS = staging.moving(
    """
insert into position as p (organisation_id, id, system_id, coverage_id, material_id, place_id, lot, owner, status, unit,
                           hash, quantity, reserved, value, currency, expires_on, observed_at, batch_id, row_no,
                           is_marked)
select %(org)s, f.position_id, %(system)s, %(coverage)s, m.id, l.id, f.lot, f.owner, f.status, f.unit, f.hash,
       case when f.is_late then 0 else f.listed end, case when not f.is_late then f.reserved end,
       case when not f.is_late then f.value end, case when not f.is_late then f.currency end,
       case when not f.is_late then f.expires_on end,
       case when not f.is_late and (f.is_changed or %(always)s) then %(at)s end, %(batch)s, f.row_no, false
from {fresh} f
join source_material m on m.organisation_id = %(org)s and m.system_id = %(system)s and m.item_id = f.item_id
join place l on l.organisation_id = %(org)s and l.system_id = %(system)s and l.place_id = f.place_id
order by f.position_id
""",
    those="where at is not null",
)

# The mapping put a key into another coverage: it moves there with its sums.
_REASSIGN = staging.moving("""
update position p set coverage_id = %(coverage)s from seen x
where x.is_late and x.position_id = p.id and p.organisation_id = %(org)s and p.coverage_id <> %(coverage)s
""")
_FORGET = """
delete from material_stock t using moved m where t.organisation_id = %(org)s and t.material_id = m.material_id
"""


def resolve_moved(connection: psycopg.Connection, batch: BatchRef) -> None:
    """Give every key of `stage_movement` a position."""
    keys = connection.execute(_FRESH, batch.parameters).rowcount
    if keys:
        analyze(connection, "fresh", keys)
        _create(connection, batch, keys, _MOVED)


def resolve_seen(connection: psycopg.Connection, batch: BatchRef, *, new: int) -> None:
    """Give every new key of `seen`, `new` of them, a position; those not late hold what is listed at once."""
    if new:
        _create(connection, batch, new, _LISTED)


def reassign(connection: psycopg.Connection, batch: BatchRef) -> None:
    """Take late keys of another coverage into this one."""
    if connection.execute(_REASSIGN, batch.parameters).rowcount:
        connection.execute(_FORGET, batch.parameters)


def _create(connection: psycopg.Connection, batch: BatchRef, keys: int, fresh: str) -> None:
    parameters = batch.parameters | {"always": batch.sync != "full"}
    with hashed(connection) if keys > FEW_KEYS else nullcontext():
        for statement in (_MATERIALS, _PLACES, _POSITIONS):
            connection.execute(statement.format(fresh=fresh), parameters)
