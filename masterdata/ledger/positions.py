"""Positions of staged keys: found by hash, made where missing, with stubs of their material and place."""

from __future__ import annotations

import psycopg

from masterdata.ledger.batch import BatchRef

_FRESH = """
insert into fresh
select distinct on (s.hash) s.hash, s.item_id, s.place_id, s.lot, s.owner, s.status, s.unit, s.row_no
from {stage} s
where not exists (select from position p where p.organisation_id = %(org)s and p.hash = s.hash)
order by s.hash, s.row_no
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

_POSITIONS = """
insert into position (organisation_id, system_id, coverage_id, material_id, place_id, lot, owner, status, unit, hash,
                      quantity, batch_id, row_no, is_marked)
select %(org)s, %(system)s, %(coverage)s, m.id, p.id, f.lot, f.owner, f.status, f.unit, f.hash,
       0, %(batch)s, f.row_no, false
from fresh f
join source_material m on m.organisation_id = %(org)s and m.system_id = %(system)s and m.item_id = f.item_id
join place p on p.organisation_id = %(org)s and p.system_id = %(system)s and p.place_id = f.place_id
order by f.hash
"""


def resolve(connection: psycopg.Connection, batch: BatchRef, stage: str) -> int:
    """Give every key of `stage` (stage_position or stage_movement) a position; how many were new."""
    if connection.execute(_FRESH.format(stage=stage), batch.parameters).rowcount == 0:
        return 0
    connection.execute("analyze fresh")
    connection.execute(_MATERIALS, batch.parameters)
    connection.execute(_PLACES, batch.parameters)
    return connection.execute(_POSITIONS, batch.parameters).rowcount
