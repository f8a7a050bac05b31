"""Holdings that matching wrote, made once more under the lock of their system's ledger: a transaction that moved the
system's stock at the same time could see neither what matching wrote nor be seen by it."""

from __future__ import annotations

from uuid import UUID

import psycopg
from sqlalchemy import Engine, text

from hub.database import Tenancy, unit_of_work
from hub.housekeeping import organisations
from masterdata.ledger.batch import lock

SETTLE = "masterdata.materials.settle"
MOST = 5_000
# The lock of materials_match: what it writes and what is settled never wait for each other.
_FREE = "select pg_try_advisory_xact_lock(7320001)"

_SYSTEMS = text("""
    select distinct m.system_id from unsettled u
    join source_material m on m.organisation_id = u.organisation_id and m.id = u.material_id
    where u.organisation_id = :org""")
_TAKE = """
with taken as (
    delete from unsettled u using (
        select s.organisation_id, s.material_id from unsettled s
        join source_material m on m.organisation_id = s.organisation_id and m.id = s.material_id
        where s.organisation_id = %(org)s and m.system_id = %(system)s limit %(most)s) few
    where u.organisation_id = few.organisation_id and u.material_id = few.material_id
    returning u.material_id)
select count(*), coalesce(array_agg(t.material_id order by t.material_id) filter (where exists (
    select from material_stock s where s.organisation_id = %(org)s and s.material_id = t.material_id)), '{}')
from taken t
"""


def settle(engine: Engine) -> int:
    """Settle every material that matching has left; how many. While something is being matched, they are left for the
    next time."""
    settled = 0
    for organisation_id in organisations(engine):
        tenancy = Tenancy((organisation_id,), organisation_id)
        with unit_of_work(engine, tenancy) as session:
            systems = list(session.scalars(_SYSTEMS, {"org": organisation_id}))
        for system_id in systems:
            while taken := _settle(engine, tenancy, organisation_id, system_id):
                settled += taken
    return settled


def _settle(engine: Engine, tenancy: Tenancy, organisation_id: UUID, system_id: UUID) -> int:
    with unit_of_work(engine, tenancy) as session:
        connection = session.connection().connection.driver_connection
        assert isinstance(connection, psycopg.Connection)  # noqa: S101 - the engine knows one driver
        lock(connection, organisation_id, system_id)
        if connection.execute(_FREE).fetchone() != (True,):
            return 0
        values = {"org": organisation_id, "system": system_id, "most": MOST}
        taken, stocked = connection.execute(_TAKE, values).fetchone() or (0, [])
        if stocked:
            connection.execute(
                "select unit_factor_refresh(%(ids)s::bigint[]), holding_refresh(%(ids)s::bigint[])", {"ids": stocked}
            )
        return int(taken)
