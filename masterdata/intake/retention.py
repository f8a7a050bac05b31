"""Upkeep of the landing zone: small bodies rolled into one file, bodies past their time removed, leavings swept.
Files are written before a row names them and removed after the last row that did is gone."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from uuid import UUID

import structlog
from sqlalchemy import Engine, text

from hub.columns import new_id
from hub.database import Tenancy, unit_of_work
from hub.housekeeping import organisations
from hub.settings import settings
from masterdata.intake import landing

log = structlog.get_logger("intake")

ROLL, FORGET = "masterdata.intake.roll", "masterdata.intake.forget"
# Bodies stay in the row for a while, where their readers are; a rolled file stays small enough to read from.
ROLL_AFTER_SECONDS, ROLL_BYTES, ROLL_LEAST = 3_600, 32 * 1024 * 1024, 8
SWEEP_SECONDS = 30 * 86_400

_SMALL = text("""
    select sha256, body from (
        select sha256, body, sum(size) over (order by created_at, sha256) as total from landing
        where organisation_id = :org and body is not null
          and created_at < clock_timestamp() - make_interval(secs => :after)) x
    where total <= :most""")
_ROLLED = text("""
    update landing set body = null, path = :path, "offset" = :offset
    where organisation_id = :org and sha256 = :sha256""")
_FORGET = text("""
    delete from landing l where organisation_id = :org
      and created_at < clock_timestamp() - make_interval(days => :days)
      and not exists (select from batch b where b.organisation_id = :org and b.sha256 = l.sha256
                      and b.state in ('landed', 'held', 'failed'))
    returning path""")


def roll(engine: Engine) -> int:
    """Move small bodies out of the database, one file per organisation and run; how many."""
    return sum(_roll(engine, organisation_id) for organisation_id in organisations(engine))


def _roll(engine: Engine, organisation_id: UUID) -> int:
    with unit_of_work(engine, Tenancy((organisation_id,), organisation_id)) as session:
        values = {"org": organisation_id, "after": ROLL_AFTER_SECONDS, "most": ROLL_BYTES}
        bodies = session.execute(_SMALL, values).all()
        if len(bodies) < ROLL_LEAST:
            return 0
        path = Path("landing") / organisation_id.hex / "rolled" / new_id().hex
        landing.write_durably(b"".join(bytes(b.body) for b in bodies), settings().home / path)
        offset = 0
        for body in bodies:
            session.execute(
                _ROLLED, {"org": organisation_id, "sha256": body.sha256, "path": str(path), "offset": offset}
            )
            offset += len(body.body)
    log.info("bodies_rolled", organisation=str(organisation_id), bodies=len(bodies))
    return len(bodies)


def forget(engine: Engine) -> int:
    """Remove bodies past HUB_LANDING_DAYS that no batch waits for, and what broken uploads and killed workers left; how
    many bodies."""
    removed = sum(_forget(engine, organisation_id) for organisation_id in organisations(engine))
    _sweep(settings().home / "uploads")
    _sweep(settings().home / "tmp")
    return removed


def _forget(engine: Engine, organisation_id: UUID) -> int:
    with unit_of_work(engine, Tenancy((organisation_id,), organisation_id)) as session:
        values = {"org": organisation_id, "days": settings().landing_days}
        gone = session.scalars(_FORGET, values).all()
    # Only once the rows are gone for good.
    if paths := [path for path in gone if path]:
        with unit_of_work(engine, Tenancy((organisation_id,), organisation_id)) as session:
            landing.remove_files(session, organisation_id, paths)
    return len(gone)


def _sweep(folder: Path) -> None:
    oldest = time.time() - SWEEP_SECONDS
    for entry in folder.glob("*"):
        if entry.stat().st_mtime < oldest:
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink(missing_ok=True)
