"""A snapshot observes every key of its coverage but writes only what differs. Before a fact older than a snapshot is
written, the first snapshot after it becomes explicit for that key, with what it saw and when it was recorded."""

from __future__ import annotations

from typing import Literal

import psycopg

from masterdata.ledger import staging
from masterdata.ledger.batch import BatchRef

# An observation includes the movements of its own instant: a movement is shielded by a snapshot at its instant ('>='),
# an observation only by a later one ('>').
_SHIELDS = """
shield as (
    insert into observation (organisation_id, position_id, observed_at, recording_id, quantity, reserved, batch_id)
    select distinct on (e.position_id, s.observed_at)
           %(org)s, e.position_id, s.observed_at, s.recording_id,
           ledger_value(%(org)s, e.position_id, s.observed_at),
           (select o.reserved from observation o where o.organisation_id = %(org)s and o.position_id = e.position_id
            and o.observed_at <= s.observed_at order by o.observed_at desc, o.recording_id desc limit 1), s.batch_id
    from effect e
    join position p on p.organisation_id = %(org)s and p.id = e.position_id
    cross join lateral (
        select s.observed_at, s.recording_id, s.batch_id from snapshot s
        where s.organisation_id = %(org)s and s.coverage_id = p.coverage_id and s.observed_at {after} e.at
          and not exists (select from snapshot_gap g where g.organisation_id = %(org)s
                          and g.hash = p.hash and g.observed_at = s.observed_at and g.batch_id = s.batch_id)
        order by s.observed_at, s.recording_id desc limit 1) s
    where not exists (select from observation o where o.organisation_id = %(org)s and o.position_id = e.position_id
                      and o.observed_at {after} e.at and o.observed_at <= s.observed_at)
    returning position_id, observed_at),
"""
_SHIELD = staging.moving(
    """
update position p set observed_at = greatest(p.observed_at, x.observed_at)
from (select position_id, max(observed_at) as observed_at from shield group by position_id) x
where p.organisation_id = %(org)s and p.id = x.position_id
""",
    also=_SHIELDS,
)


def make_explicit(connection: psycopg.Connection, batch: BatchRef, after: Literal[">", ">="]) -> int:
    """Shield the keys of `effect` at their instants; how many positions got an explicit observation."""
    return connection.execute(_SHIELD.format(after=after), batch.parameters).rowcount
