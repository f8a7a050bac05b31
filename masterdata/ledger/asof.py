"""What was so, and what was known: positions at an instant, counting only facts recorded by another instant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

import psycopg
from psycopg.rows import class_row


@dataclass(frozen=True, slots=True)
class PastPosition:
    """A position as it was: quantity in the source's unit; `observed_at`, `batch_id`, `row_no` of the observation it
    stands on (None: movements alone)."""

    organisation_id: UUID
    position_id: int
    material_id: int
    place_id: int
    coverage_id: int
    lot: str
    owner: str
    status: str
    unit: str
    quantity: Decimal
    observed_at: datetime | None
    batch_id: UUID | None
    row_no: int | None


# A version of a movement counts where no version of the same line known by then beats it.
_AS_OF = """
select p.organisation_id, p.id as position_id, p.material_id, p.place_id, p.coverage_id, p.lot, p.owner, p.status,
       p.unit, coalesce(o.quantity, 0) + coalesce(m.quantity, 0) as quantity, o.observed_at, o.batch_id, o.row_no
from position p
left join lateral (
    select o.observed_at, o.quantity, o.batch_id, o.row_no from observation o
    join recording r on r.id = o.recording_id and r.recorded_at <= %(known)s
    where o.organisation_id = p.organisation_id and o.position_id = p.id and o.observed_at <= %(at)s
    order by o.observed_at desc, o.recording_id desc limit 1) o on true
left join lateral (
    select sum(m.quantity) as quantity from movement m
    join recording r on r.id = m.recording_id and r.recorded_at <= %(known)s
    where m.organisation_id = p.organisation_id and m.position_id = p.id and not m.is_voided
      and m.booked_at <= %(at)s and m.booked_at > coalesce(o.observed_at, '-infinity')
      and not exists (
          select from movement n join recording s on s.id = n.recording_id and s.recorded_at <= %(known)s
          where n.organisation_id = m.organisation_id and n.identity = m.identity and n.id <> m.id
            and (coalesce(n.modified_at, '-infinity'), s.recorded_at, n.id)
              > (coalesce(m.modified_at, '-infinity'), r.recorded_at, m.id))) m on true
where p.organisation_id = any(%(orgs)s) and p.material_id = any(%(materials)s)
order by p.organisation_id, p.id
"""


def positions(
    connection: psycopg.Connection,
    organisation_ids: Sequence[UUID],
    material_ids: Sequence[int],
    as_of: datetime,
    known_at: datetime | None = None,
) -> list[PastPosition]:
    """Positions of source materials at source instant `as_of`, as known at `known_at` (None: now). Positions that no
    fact had touched by then come with quantity 0. Row security narrows the organisations further."""
    parameters = {
        "orgs": list(organisation_ids),
        "materials": list(material_ids),
        "at": as_of,
        "known": known_at or datetime.max.replace(tzinfo=as_of.tzinfo),
    }
    with connection.cursor(row_factory=class_row(PastPosition)) as cursor:
        return cursor.execute(_AS_OF, parameters).fetchall()
