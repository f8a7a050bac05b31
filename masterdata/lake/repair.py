"""What a build found to differ from the lake, or a person names, made anew from the ledger's facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

import structlog
from sqlalchemy import text
from sqlalchemy.orm import Session

from hub.errors import NotFound
from masterdata.intake.writing import driver
from masterdata.landscape.service import write_for
from masterdata.ledger import recording
from masterdata.ledger.repair import Repaired, repair

log = structlog.get_logger("lake")

_BUILD = text("select exists (select from build where id = :id)")
_DIFFERING = text("""
    select organisation_id, array_agg(distinct material_id) as materials from (
        select f.organisation_id, p.material_id from build_finding f
        join position p on p.organisation_id = f.organisation_id and p.id = (f.detail ->> 'position_id')::bigint
        where f.build_id = :id and f.kind = 'difference'
        union
        select f.organisation_id, m.id from build_finding f
        join source_material m on m.organisation_id = f.organisation_id and m.item_id = f.detail ->> 'item'
        where f.build_id = :id and f.kind = 'difference' and f.detail ->> 'position_id' is null) found
    group by organisation_id order by organisation_id""")
_NAMED = text("""
    select organisation_id, array_agg(distinct material_id) as materials, array_agg(id) as positions from position
    where id = any(cast(:ids as bigint[])) group by organisation_id order by organisation_id""")


def repair_build(session: Session, build_id: UUID, by: str) -> Repaired:
    """Make anew what differed in a build, as far as the caller may see it; raises NotFound without the build."""
    if not session.execute(_BUILD, {"id": build_id}).scalar_one():
        raise NotFound(f"There is no build {build_id}.")
    found = session.execute(_DIFFERING, {"id": build_id})
    return _repair(session, {row.organisation_id: row.materials for row in found}, by)


def repair_positions(session: Session, position_ids: Sequence[int], by: str) -> Repaired:
    """Make anew some positions, and with them all of their materials; raises NotFound naming those there are not."""
    found = session.execute(_NAMED, {"ids": list(position_ids)}).all()
    strangers = sorted(set(position_ids) - {one for row in found for one in row.positions})
    if strangers:
        raise NotFound(f"There is no position {', '.join(map(str, strangers))}.")
    return _repair(session, {row.organisation_id: row.materials for row in found}, by)


def _repair(session: Session, materials: Mapping[UUID, Sequence[int]], by: str) -> Repaired:
    """All in one transaction and one recording, whose instant comes last."""
    if not materials:
        return Repaired()
    connection = driver(session)
    recording_id = recording.begin(connection)
    positions = summed = 0
    for organisation_id, own in materials.items():
        write_for(session, organisation_id)
        done = repair(connection, organisation_id, own, recording_id)
        positions, summed = positions + done.positions, summed + done.materials
        log.info("stock_repaired", by=by, organisation=str(organisation_id), positions=done.positions, materials=own)
    recording.close(connection, recording_id)
    return Repaired(positions, summed)
