"""Positions made anew out of their facts where something else has changed them, with the sums and holdings that stand
on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg

from masterdata.ledger import announce, staging
from masterdata.ledger.batch import BatchRef, lock

_SYSTEMS = """
select distinct system_id from source_material
where organisation_id = %(org)s and id = any(%(materials)s) order by system_id
"""
# Per coverage, with the batch that last moved one of them: the change is told as its.
_COVERAGES = """
select coverage_id, max(batch_id::text)::uuid, coalesce(max(greatest(observed_at, moved_at)), clock_timestamp())
from position where organisation_id = %(org)s and system_id = %(system)s and material_id = any(%(materials)s)
group by coverage_id order by coverage_id
"""
# A source's own value and the mark of a gap are no facts: they stay.
_FACTS = """
select q.id, ledger_value(%(org)s, q.id, 'infinity') as quantity, o.reserved,
       greatest(q.observed_at, o.observed_at) as observed_at, m.moved_at
from position q
left join lateral (
    select x.observed_at, x.reserved from observation x where x.organisation_id = %(org)s and x.position_id = q.id
    order by x.observed_at desc, x.recording_id desc limit 1) o on true
left join lateral (
    select max(x.booked_at) as moved_at from movement x
    where x.organisation_id = %(org)s and x.position_id = q.id) m on true
where q.organisation_id = %(org)s and q.system_id = %(system)s and q.material_id = any(%(materials)s)
"""
_WRONG = f"""
select count(*) from position p join ({_FACTS}) f on f.id = p.id
where p.organisation_id = %(org)s and (p.quantity, p.reserved) is distinct from (f.quantity, f.reserved)
"""
_MEND = staging.moving(f"""
update position p set quantity = f.quantity, reserved = f.reserved, observed_at = f.observed_at, moved_at = f.moved_at
from ({_FACTS}) f where p.organisation_id = %(org)s and p.coverage_id = %(coverage)s and p.id = f.id
""")
_NO_STOCK = """
delete from material_stock t where t.organisation_id = %(org)s and t.material_id = any(%(materials)s)
  and not exists (select from position p where p.organisation_id = %(org)s and p.material_id = t.material_id
                  and p.coverage_id = t.coverage_id and p.unit = t.unit)
"""
_NO_HOLDING = """
delete from holding h where h.organisation_id = %(org)s and h.material_id = any(%(materials)s)
  and not exists (select from material_stock t where t.organisation_id = %(org)s and t.material_id = h.material_id
                  and t.coverage_id = h.coverage_id and t.unit = h.unit)
"""
# Their factors are made anew when they are settled: matching may be at work on them now.
_UNSETTLED = """
insert into unsettled (organisation_id, material_id)
select %(org)s, id from unnest(%(materials)s::bigint[]) given(id) on conflict do nothing
"""


@dataclass(frozen=True, slots=True)
class Repaired:
    """How many positions held something else than their facts say, and how many materials were summed up anew."""

    positions: int = 0
    materials: int = 0


def repair(
    connection: psycopg.Connection, organisation_id: UUID, materials: Sequence[int], recording_id: int
) -> Repaired:
    """Make every position of these source materials what its facts say, then their sums and holdings, under the lock of
    each system; changes are told as ever. The transaction acts for the organisation and closes the recording."""
    given: dict[str, Any] = {"org": organisation_id, "materials": list(materials)}
    staging.create(connection)
    mended = 0
    for (system_id,) in connection.execute(_SYSTEMS, given).fetchall():
        lock(connection, organisation_id, system_id)
        given["system"] = system_id
        row = connection.execute(_WRONG, given).fetchone()
        mended += int(row[0]) if row else 0
        for coverage in connection.execute(_COVERAGES, given).fetchall():
            _mend(connection, given, coverage, recording_id)
    for statement in (_NO_STOCK, _NO_HOLDING, _UNSETTLED):
        connection.execute(statement, given)
    return Repaired(mended, len(materials))


def _mend(
    connection: psycopg.Connection, given: dict[str, Any], coverage: tuple[int, UUID, datetime], recording_id: int
) -> None:
    coverage_id, batch_id, at = coverage
    batch = BatchRef(
        batch_id, given["org"], given["system"], coverage_id, at, sync="event", counts="balance+movements",
        recording_id=recording_id,
    )  # fmt: skip
    staging.empty_work(connection)
    connection.execute(_MEND, given | batch.parameters)
    announce.moved(connection, batch)
