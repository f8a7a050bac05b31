"""Movements: booked changes with two times. A line delivered again is a duplicate, or a restatement where it says
something else; the version in force is the newest by the source's own modification time, else by arrival."""

from __future__ import annotations

import psycopg

from masterdata.ledger import announce, shield, staging
from masterdata.ledger.batch import Account, BatchRef, analyze, lock, looked_up, plan_for
from masterdata.ledger.positions import resolve_moved

# New versions only; the same line and content, in this batch or before, is a duplicate. The newest version of each line
# is in force, unless the one in force was modified later still. One look-up per line, however long the history.
_VERSIONS = """
insert into version
select v.position_id, v.identity, v.content, v.quantity, case when %(moves)s then v.booked_at end, v.occurred_at,
       v.modified_at, coalesce(v.is_voided, false),
       v.rank = 1 and coalesce(v.current_at, '-infinity') <= coalesce(v.modified_at, '-infinity'), v.is_known,
       v.kind, v.document, v.line, v.partner_id, v.row_no, coalesce(v.batch_id, %(batch)s), coalesce(v.first, 0)
from (
    select p.id as position_id, s.*, k.is_known, k.current_at,
           row_number() over (partition by s.identity order by s.modified_at desc nulls last, s.row_no desc) as rank
    from (select distinct on (identity, content) * from stage_movement order by identity, content, row_no) s
    join position p on p.organisation_id = %(org)s and p.hash = s.hash
    cross join lateral (
        select count(*) > 0 as is_known, bool_or(m.content = s.content) as is_same,
               max(m.modified_at) filter (where m.is_current) as current_at
        from movement m where m.organisation_id = %(org)s and m.identity = s.identity) k
    where k.is_same is not true) v
"""

# What changes: the version that enters force is added, the one that leaves it is taken back. A version that came too
# late to be in force changes no quantity, but the source spoke of that time: `moved_at` must not depend on the order.
_EFFECTS = """
insert into effect
select position_id, booked_at, case when is_voided or not is_current then 0 else quantity end,
       case when is_current then row_no end
from version where booked_at is not null
"""
_TAKEN_BACK = """
insert into effect
select m.position_id, m.booked_at, case when m.is_voided then 0 else -m.quantity end, null
from movement m join version v on v.identity = m.identity and v.is_current and v.is_known
where m.organisation_id = %(org)s and m.is_current and m.booked_at is not null
"""
_RETIRE = """
update movement m set is_current = false from version v
where m.organisation_id = %(org)s and m.identity = v.identity and m.is_current and v.is_current and v.is_known
"""

# Ids rise in the order in which versions of a line arrived, however many batches are staged as one: the past breaks its
# ties by them. Else by position, so that what is read together lies together.
_WRITE = """
insert into movement (organisation_id, position_id, identity, content, booked_at, occurred_at, quantity, is_voided,
                      is_current, modified_at, kind, document, line, partner_id, recording_id, batch_id, row_no)
select %(org)s, position_id, identity, content, booked_at, occurred_at, quantity, is_voided, is_current, modified_at,
       kind, document, line, partner_id, %(recording)s, batch_id, row_no - first
from version order by min(position_id) over (partition by identity), row_no
"""

# Only what was booked after the newest observation moves the position; the shield has made observations explicit.
_MOVE = staging.moving("""
update position p set quantity = p.quantity + x.delta, moved_at = greatest(p.moved_at, x.at),
       batch_id = case when x.row_no is null then p.batch_id else %(batch)s end, row_no = coalesce(x.row_no, p.row_no)
from (select e.position_id, max(e.at) as at,
             coalesce(sum(e.delta) filter (where e.at > coalesce(q.observed_at, '-infinity')), 0) as delta,
             max(e.row_no) filter (where e.at > coalesce(q.observed_at, '-infinity')) as row_no
      from effect e join position q on q.organisation_id = %(org)s and q.id = e.position_id
      group by e.position_id) x
where p.organisation_id = %(org)s and p.id = x.position_id
""")
# Of several batches staged as one, each position leads to its own.
_LEAD = """
update position p set batch_id = v.batch_id, row_no = v.row_no - v.first from version v
where p.organisation_id = %(org)s and p.id = v.position_id and p.batch_id = %(batch)s and p.row_no = v.row_no
"""

_READ_THROUGH = """
update coverage set read_through = greatest(read_through, %(at)s), read_clock = %(clock)s
where organisation_id = %(org)s and id = %(coverage)s
"""


def apply_movements(connection: psycopg.Connection, batch: BatchRef) -> Account:
    """Write what `stage_movement` says and move the positions; account in rows. Where the mapping counts by balance,
    movements are history: they are written without their booking time and move nothing."""
    lock(connection, batch.organisation_id, batch.system_id)
    staging.empty_work(connection)
    moves = batch.counts != "balance"
    parameters = batch.parameters | {"moves": moves}
    staged = plan_for(connection, "stage_movement", batch.organisation_id)
    resolve_moved(connection, batch)
    new = connection.execute(_VERSIONS, parameters).rowcount
    if new:
        analyze(connection, "version (identity)", new)
        _write(connection, batch)
    if moves:
        connection.execute(_READ_THROUGH, parameters)
    announce.moved(connection, batch)
    return Account(applied=new, duplicate=staged - new)


def _write(connection: psycopg.Connection, batch: BatchRef) -> None:
    parameters = batch.parameters
    effects = connection.execute(_EFFECTS, parameters).rowcount
    known, several = _facts_of_versions(connection)
    if known:
        with looked_up(connection):
            effects += connection.execute(_TAKEN_BACK, parameters).rowcount
    if effects:
        shield.make_explicit(connection, batch, after=">=")
    if known:
        with looked_up(connection):
            connection.execute(_RETIRE, parameters)
    connection.execute(_WRITE, parameters)
    if effects:
        connection.execute(_MOVE, parameters)
    if several:
        connection.execute(_LEAD, parameters)


def _facts_of_versions(connection: psycopg.Connection) -> tuple[bool, bool]:
    """Whether any restates a line known before, and whether they come from several batches."""
    row = connection.execute("select coalesce(bool_or(is_known), false), coalesce(max(first), 0) > 0 from version")
    known, several = row.fetchone() or (False, False)
    return known, several
