"""Observations: a snapshot (full) observes every key of its coverage, an incremental read those it lists.
Only what differs from the value at its instant is written; for all other keys the snapshot's row is the observation."""

from __future__ import annotations

from contextlib import nullcontext

import psycopg

from masterdata.ledger import announce, shield, staging
from masterdata.ledger.batch import Account, BatchRef, analyze, is_small_part, lock, looked_up, plan_for
from masterdata.ledger.positions import reassign, resolve_seen

# Late: some fact of the key, or a snapshot of the coverage, is newer than this read, or the key comes from another
# coverage. Then the value at its instant is looked up from the facts; for all others it is the position itself. Keys
# without a position yet have held zero; they get its id here, in the order of their hashes.
_SEEN = """
insert into seen
select coalesce(x.id, nextval('position_id_seq')), x.material_id, x.held, x.hash, x.item_id, x.place_id, x.lot, x.owner,
       x.status, x.unit, x.listed, x.reserved, x.value, x.currency, x.expires_on, x.row_no, x.rows, x.n, x.late,
       x.differs, x.id is null
from (
    select p.id, p.material_id, case when p.coverage_id = %(coverage)s then p.quantity end as held,
           s.hash, s.item_id, s.place_id, s.lot, s.owner, s.status, coalesce(p.unit, s.unit) as unit,
           coalesce(s.quantity, 0) as listed, s.reserved, s.value, s.currency, s.expires_on, s.row_no,
           s.rows, coalesce(s.n, 0) as n, p.is_marked,
           coalesce(greatest(p.observed_at, p.moved_at, %(snapshot)s) > %(at)s, false)
               or coalesce(p.coverage_id <> %(coverage)s, false) as late,
           coalesce(p.quantity, 0) <> coalesce(s.quantity, 0) or p.reserved is distinct from s.reserved
               or p.value is distinct from s.value or p.currency is distinct from s.currency as differs
    from stage_position s
    {join} join (select * from position where organisation_id = %(org)s) p on p.hash = s.hash
    where {scope}) x
where {keep}
order by x.hash
"""

_FULL = _SEEN.format(
    join="full",
    scope="""(s.hash is not null or p.coverage_id = %(coverage)s)
             and not exists (select from stage_gap g where g.hash = p.hash)""",
    keep="x.id is null or x.late or x.differs or x.is_marked",
)
_LISTED = _SEEN.format(join="left", scope="true", keep="true")

# The quantity may be what the facts say already while the read is the newest word on value and reservation.
_LATE = """
update seen s set is_changed = s.listed <> ledger_value(%(org)s, s.position_id, %(at)s) or exists (
    select from position p where p.organisation_id = %(org)s and p.id = s.position_id
    and coalesce(p.observed_at, '-infinity') <= %(at)s
    and (p.reserved, p.value, p.currency) is distinct from (s.reserved, s.value, s.currency))
where is_late
"""

_EFFECT = "insert into effect (position_id, at) select position_id, %(at)s from seen where is_late and {written}"

_WRITE = """
insert into observation (organisation_id, position_id, observed_at, recording_id, quantity, reserved, batch_id, row_no,
                         rows)
select %(org)s, position_id, %(at)s, %(recording)s, listed, reserved, %(batch)s, row_no,
       case when n > 1 then rows end
from seen where {written} order by position_id
"""

_MOVE = staging.moving("""
update position p set quantity = s.listed, reserved = s.reserved, value = s.value, currency = s.currency,
       expires_on = coalesce(s.expires_on, p.expires_on), observed_at = %(at)s, batch_id = %(batch)s,
       row_no = coalesce(s.row_no, p.row_no), is_marked = false
from seen s
where p.organisation_id = %(org)s and p.id = s.position_id and not s.is_late and not s.is_new
  and ({written} or p.is_marked)
""")

# Out of order: the position is what its explicit facts say; the rest of the row only if nothing newer was observed.
_MOVE_LATE = staging.moving("""
update position p set quantity = ledger_value(%(org)s, p.id, 'infinity'),
       reserved = case when newest then s.reserved else p.reserved end,
       value = case when newest then s.value else p.value end,
       currency = case when newest then s.currency else p.currency end,
       batch_id = case when newest then %(batch)s else p.batch_id end,
       row_no = case when newest then coalesce(s.row_no, p.row_no) else p.row_no end,
       is_marked = p.is_marked and not newest,
       observed_at = greatest(p.observed_at, %(at)s)
from seen s
cross join lateral (select coalesce(q.observed_at, '-infinity') <= %(at)s as newest from position q
                    where q.organisation_id = %(org)s and q.id = s.position_id) l
where p.organisation_id = %(org)s and p.id = s.position_id and s.is_late and {written}
""")

_SNAPSHOT = """
insert into snapshot (organisation_id, coverage_id, observed_at, batch_id, recording_id)
values (%(org)s, %(coverage)s, %(at)s, %(batch)s, %(recording)s)
"""

_GAPS = """
insert into snapshot_gap (organisation_id, hash, observed_at, batch_id)
select distinct %(org)s::uuid, hash, %(at)s::timestamptz, %(batch)s::uuid from stage_gap
"""

_MARK = staging.moving("""
update position p set is_marked = true from stage_gap g
where p.organisation_id = %(org)s and p.hash = g.hash and not p.is_marked
""")

_READ_THROUGH = """
update coverage set read_through = greatest(read_through, %(at)s), read_clock = %(clock)s,
       snapshot_at = case when %(full)s then greatest(snapshot_at, %(at)s) else snapshot_at end
where organisation_id = %(org)s and id = %(coverage)s
"""


def apply_positions(connection: psycopg.Connection, batch: BatchRef) -> Account:
    """Write what `stage_position` and `stage_gap` say and move the positions; account in rows."""
    compare(connection, batch)
    return write(connection, batch)


def compare(connection: psycopg.Connection, batch: BatchRef) -> None:
    """Fill `seen` with what differs from what is held; nothing is written yet."""
    lock(connection, batch.organisation_id, batch.system_id)
    staging.empty_work(connection)
    plan_for(connection, "stage_position", batch.organisation_id)
    row = connection.execute(
        "select snapshot_at from coverage where organisation_id = %(org)s and id = %(coverage)s", batch.parameters
    ).fetchone()
    parameters = batch.parameters | {"snapshot": row[0] if row else None}
    seen = connection.execute(_FULL if batch.sync == "full" else _LISTED, parameters).rowcount
    analyze(connection, "seen (position_id)", seen)


def write(connection: psycopg.Connection, batch: BatchRef) -> Account:
    """Write what `seen` says; account in rows."""
    full = batch.sync == "full"
    # An incremental read has no snapshot behind it that would imply what it lists: all of it is written.
    written = "s.is_changed" if full else "true"
    new, known, late = _kinds(connection)
    if late:
        reassign(connection, batch)
    resolve_seen(connection, batch, new=new)
    if late:
        connection.execute(_LATE, batch.parameters)
    account = _account(connection)
    if late and connection.execute(_EFFECT.format(written=written.replace("s.", "")), batch.parameters).rowcount:
        shield.make_explicit(connection, batch, after=">")
    connection.execute(_WRITE.format(written=written.replace("s.", "")), batch.parameters)
    if known:
        part = is_small_part(connection, batch.organisation_id, known)
        with looked_up(connection) if part else nullcontext():
            connection.execute(_MOVE.format(written=written), batch.parameters)
    if late:
        connection.execute(_MOVE_LATE.format(written=written), batch.parameters)
    if full:
        connection.execute(_SNAPSHOT, batch.parameters)
        connection.execute(_GAPS, batch.parameters)
    connection.execute(_MARK, batch.parameters)
    connection.execute(_READ_THROUGH, batch.parameters | {"full": full})
    announce.moved(connection, batch)
    return account


def _kinds(connection: psycopg.Connection) -> tuple[int, int, int]:
    """How many keys are new, known, and late."""
    row = connection.execute(
        "select count(*) filter (where is_new), count(*) filter (where not is_new), count(*) filter (where is_late)"
        " from seen"
    ).fetchone()
    return row or (0, 0, 0)


def _account(connection: psycopg.Connection) -> Account:
    totals = connection.execute(
        "select (select coalesce(sum(n), 0) from seen where is_changed),"
        " (select coalesce(sum(n), 0) from stage_position)"
    ).fetchone()
    assert totals is not None  # noqa: S101 - an aggregate always answers
    return Account(applied=int(totals[0]), unchanged=int(totals[1] - totals[0]))
