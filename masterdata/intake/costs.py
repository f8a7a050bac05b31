"""Unit costs as dated facts: from the materials themselves, else value ÷ quantity of their positions."""

from __future__ import annotations

import psycopg

from masterdata.ledger.batch import BatchRef

# Only the material's own unit, and only materials whose own record never named a cost.
_POSITIONS = """
with found as (
    select m.id as material_id, round(sum(s.value) / sum(s.quantity), 9) as cost, max(s.currency) as currency
    from stage_position s
    join source_material m on m.organisation_id = %(org)s and m.system_id = %(system)s and m.item_id = s.item_id
    where s.value is not null and s.currency is not null and s.quantity > 0
      and coalesce(m.base_unit, s.unit) = s.unit
    group by m.id having count(distinct s.currency) = 1 and sum(s.value) > 0)
insert into stage_cost (material_id, cost, currency)
select f.material_id, f.cost, f.currency from found f
where not exists (
    select from unit_cost c join batch b on b.organisation_id = c.organisation_id and b.id = c.batch_id
    where c.organisation_id = %(org)s and c.material_id = f.material_id and b.stream = 'materials')
"""

# A cost that said nothing new was not written. Before one older than it changes what it relied on, the first later read
# that saw the material in stock is written with what it saw and when that was known, as the ledger does for quantities.
_SHIELD = """
insert into unit_cost (organisation_id, material_id, valid_from, recorded_at, cost, currency, batch_id)
select %(org)s, s.material_id, later.at, r.recorded_at, before.cost, before.currency, later.batch_id
from stage_cost s
cross join lateral (
    select c.cost, c.currency from unit_cost c
    where c.organisation_id = %(org)s and c.material_id = s.material_id and c.valid_from <= %(at)s
    order by c.valid_from desc, c.recorded_at desc limit 1) before
cross join lateral (
    select x.at, x.recording_id, x.batch_id from (
        select n.observed_at as at, n.recording_id, n.batch_id from snapshot n
        where n.organisation_id = %(org)s and n.coverage_id = %(coverage)s and n.observed_at > %(at)s
        union all
        select o.observed_at, o.recording_id, o.batch_id from observation o
        join position p on p.organisation_id = o.organisation_id and p.id = o.position_id
        join batch b on b.organisation_id = o.organisation_id and b.id = o.batch_id and b.sync <> 'event'
        where o.organisation_id = %(org)s and p.material_id = s.material_id and o.observed_at > %(at)s) x
    where exists (select from position p where p.organisation_id = %(org)s and p.material_id = s.material_id
                  and ledger_value(%(org)s, p.id, x.at) > 0)
    order by x.at, x.recording_id limit 1) later
join recording r on r.id = later.recording_id
where (before.cost, before.currency) is distinct from (s.cost, s.currency)
  and not exists (select from unit_cost u where u.organisation_id = %(org)s and u.material_id = s.material_id
                  and u.valid_from > %(at)s and u.valid_from <= later.at)
"""

_LATE = """
select exists (
    select from feed f join coverage c on c.organisation_id = f.organisation_id and c.system_id = f.system_id
                                      and c.name = f.coverage
    where c.organisation_id = %(org)s and c.id = %(coverage)s and f.stream = 'stock_positions'
      and f.read_through > %(at)s)
"""

_FACTS = """
insert into unit_cost (organisation_id, material_id, valid_from, cost, currency, batch_id)
select %(org)s, s.material_id, coalesce(s.valid_from, %(at)s), s.cost, s.currency, %(batch)s
from stage_cost s
left join lateral (
    select c.cost, c.currency from unit_cost c
    where c.organisation_id = %(org)s and c.material_id = s.material_id
      and c.valid_from <= coalesce(s.valid_from, %(at)s)
    order by c.valid_from desc, c.recorded_at desc limit 1) before on true
where before.cost is distinct from s.cost or before.currency is distinct from s.currency
"""

_CURRENT = """
update source_material m set unit_cost = c.cost, currency = c.currency
from (select distinct on (u.material_id) u.material_id, u.cost, u.currency
      from unit_cost u join stage_cost s on s.material_id = u.material_id
      where u.organisation_id = %(org)s order by u.material_id, u.valid_from desc, u.recorded_at desc) c
where m.organisation_id = %(org)s and m.id = c.material_id
  and (m.unit_cost is distinct from c.cost or m.currency is distinct from c.currency)
"""


def stage(connection: psycopg.Connection) -> None:
    """Make the table `keep` writes from, empty."""
    connection.execute(
        "create temp table if not exists stage_cost (material_id bigint, cost numeric, currency text,"
        " valid_from timestamptz) on commit delete rows; delete from stage_cost"
    )


def keep(connection: psycopg.Connection, batch: BatchRef) -> int:
    """Write the staged costs that say something new; how many."""
    written = connection.execute(_FACTS, batch.parameters).rowcount
    if written:
        connection.execute(_CURRENT, batch.parameters)
    return written


def from_positions(connection: psycopg.Connection, batch: BatchRef) -> int:
    """Costs that the staged positions' book values imply; how many were new."""
    stage(connection)
    if not connection.execute(_POSITIONS, batch.parameters).rowcount:
        return 0
    late = connection.execute(_LATE, batch.parameters).fetchone()
    if late and late[0]:
        connection.execute(_SHIELD, batch.parameters)
    return keep(connection, batch)
