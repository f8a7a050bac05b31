"""The lake made anew where its files are lost or bronze is damaged: every applied batch is read again from its landed
body. Marts follow with the next build."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import structlog
from sqlalchemy import Connection, Engine, text

from hub.database import Tenancy, bind, unit_of_work
from hub.errors import Unprocessable
from hub.housekeeping import organisations
from hub.lake.catalog import drop, fits, names
from hub.lake.upkeep import is_readable
from hub.settings import settings
from masterdata.lake import append, bronze, build, marts

log = structlog.get_logger("lake")

_BODIES = text("""
    select b.id, l.sha256 is null as is_gone, l.path from batch b
    left join landing l on l.organisation_id = b.organisation_id and l.sha256 = b.sha256
    where b.state = 'applied' and b.stream = any(:streams) and (l.sha256 is null or l.path is not null)
    order by b.landed_at""")
_RELEASE = text("delete from bronze_batch where organisation_id = :org")
# What readers were given is not compared with what is made now.
_UNVERIFIED = text("update build set figures = figures - 'sums' where is_current")


def rebuild(engine: Engine) -> int:
    """Forget bronze and what builds need of it, and marts that cannot be read or have other columns now, all at once;
    then append every batch. How many. Killed at any instant, the next append or rebuild does the rest. Raises
    Unprocessable where a body is gone, Conflict while a build runs."""
    everyone = organisations(engine)
    with build._alone(engine), append._alone(engine):
        _refuse_gaps(engine, everyone)
        known = {spec.name: spec for spec in marts.specs().values()}
        sound = {name for name, spec in known.items() if is_readable(engine, name) and fits(engine, spec)}
        lost = [name for name in names(engine) if name not in sound]
        drop(engine, lost, lambda connection: _release(connection, everyone))
    log.info("lake_forgotten", tables=lost)
    return append.append_pending(engine)


def _refuse_gaps(engine: Engine, everyone: Sequence[UUID]) -> None:
    """Without its body a batch would be missing for good."""
    with unit_of_work(engine, Tenancy(tuple(everyone))) as session:
        found = session.execute(_BODIES, {"streams": list(bronze.TABLES)}).all()
    there = {path: (settings().home / path).exists() for path in {row.path for row in found if row.path}}
    gone = [row.id for row in found if row.is_gone or not there[row.path]]
    if gone:
        raise Unprocessable(
            f"{len(gone)} batches cannot be read again, their landed bodies are gone: the first is {gone[0]}. Put back "
            "a copy of the lake's folder or of HUB_HOME/landing."
        )


def _release(connection: Connection, everyone: Sequence[UUID]) -> None:
    for organisation_id in everyone:
        bind(connection, Tenancy((organisation_id,), organisation_id))
        connection.execute(_RELEASE, {"org": organisation_id})
    connection.execute(_UNVERIFIED)
