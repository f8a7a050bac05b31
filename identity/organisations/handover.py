"""What belongs to an organisation, written by a job into one ZIP of CSV files, kept for 30 days. What other packages
hold of it is given by the worker's door as further contents."""

from __future__ import annotations

import json
import time
import zipfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import structlog
from psycopg import Cursor, sql
from sqlalchemy import Engine, delete, select, text
from sqlalchemy.orm import Session

from hub.columns import new_id
from hub.database import Tenancy, unit_of_work
from hub.errors import Conflict, NotFound
from hub.housekeeping import organisations
from hub.jobs import defer
from hub.models import Organisation
from hub.settings import settings
from identity.audit.service import note, record
from identity.organisations.models import OrganisationExport
from identity.principal import Principal, act_for

EXPORT, FORGET = "identity.organisations.export", "identity.organisations.forget_exports"
KEPT_DAYS = 30
# File → query; {org} is the organisation. Secrets, even hashed ones, stay here.
CONTENTS: dict[str, str] = {
    "organisation": """select id, parent_id, key, kind, name_zh, name_en, currency, zone, closed_at, created_at
        from organisation where id = {org}""",
    "people": """select id, email, name, locale, zone, disabled_at, erased_at, created_at from person
        where organisation_id = {org}""",
    "memberships": """select person_id, scopes, via_id, disabled_at, created_at from membership
        where organisation_id = {org}""",
    "invitations": """select id, roles, email, name, invited_by, expires_at, used_at, used_by, revoked_at, created_at
        from invitation where organisation_id = {org}""",
    "partner_grants": "select * from partner_grant where organisation_id = {org}",
    "agents": """select id, name, public_jwk, enrolled_at, disabled_at, last_seen_at, created_at from agent
        where organisation_id = {org}""",
    "agent_grants": "select agent_id, system from agent_grant where organisation_id = {org}",
}
_OLD = f"asked_at < clock_timestamp() - interval '{KEPT_DAYS} days'"

log = structlog.get_logger(__name__)


def folder() -> Path:
    return settings().home / "exports"


def list_exports(session: Session, organisation_id: UUID) -> Sequence[OrganisationExport]:
    """The newest first. Raises NotFound for an organisation the caller cannot read."""
    if session.get(Organisation, organisation_id) is None:
        raise NotFound(f"There is no organisation {organisation_id}.")
    found = select(OrganisationExport).where(OrganisationExport.organisation_id == organisation_id)
    return session.scalars(found.order_by(OrganisationExport.asked_at.desc()).limit(50)).all()


def ask(session: Session, caller: Principal, organisation_id: UUID) -> OrganisationExport:
    """A worker makes the file; one at a time for an organisation."""
    act_for(session, caller, organisation_id)
    made = OrganisationExport(id=new_id(), organisation_id=organisation_id, asked_by=caller.id)
    session.add(made)
    session.flush()
    place = str(organisation_id)
    defer(session, EXPORT, lock=f"{EXPORT}.{place}", organisation_id=place, export_id=str(made.id))
    record(session, "organisation_export_asked", **_told(organisation_id, made.id))
    return made


def file_of(session: Session, caller: Principal, organisation_id: UUID, export_id: UUID) -> tuple[Path, str]:
    """The file and what to call it. Raises Conflict until it is ready."""
    found = session.get(OrganisationExport, export_id)
    if found is None or found.organisation_id != organisation_id:
        raise NotFound(f"There is no export {export_id} of this organisation; one is kept for {KEPT_DAYS} days.")
    if found.state != "ready":
        raise Conflict(found.error or "The file is still being made. Ask again in a moment.")
    note(session, "organisation_export_fetched", actor=caller, **_told(organisation_id, export_id))
    path = folder() / f"{export_id}.zip"
    if not path.exists():
        raise NotFound("The file is gone. Ask for it again.")
    return path, f"{session.get_one(Organisation, organisation_id).key}-{found.asked_at:%Y%m%d}.zip"


def _told(organisation_id: UUID, export_id: UUID) -> dict[str, Any]:
    concerned = {"organisations": [organisation_id], "object_kind": "organisation", "object_id": organisation_id}
    return concerned | {"export": export_id}


def export(engine: Engine, contents: Mapping[str, str], organisation_id: str, export_id: str) -> None:
    """Writes the file as the database was at one instant, row by row; it appears whole or not at all."""
    acting = UUID(organisation_id)
    folder().mkdir(parents=True, exist_ok=True)
    path = folder() / f"{export_id}.zip"
    with unit_of_work(engine, Tenancy((acting,), acting)) as session:
        session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        part = path.with_suffix(".part")
        rows = _write(session, part, contents, acting)
        part.replace(path)
        made = session.get_one(OrganisationExport, UUID(export_id))
        made.state, made.error, made.rows = "ready", None, rows
        made.bytes, made.ended_at = path.stat().st_size, datetime.now(UTC)
    log.info("organisation_exported", organisation=organisation_id, export=export_id, rows=sum(rows.values()))


def _write(session: Session, path: Path, contents: Mapping[str, str], organisation_id: UUID) -> dict[str, int]:
    rows: dict[str, int] = {}
    cursor = session.connection().connection.cursor()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, query in contents.items():
            rows[name] = _copy(cursor, archive, name, sql.SQL(query).format(org=sql.Literal(organisation_id)))  # type: ignore[arg-type]
        told = {"organisation": str(organisation_id), "written_at": datetime.now(UTC).isoformat(), "rows": rows}
        archive.writestr("manifest.json", json.dumps(told, indent=1))
    return rows


def _copy(cursor: Cursor[object], archive: zipfile.ZipFile, name: str, query: sql.Composed) -> int:
    statement = sql.SQL("copy ({}) to stdout with (format csv, header)").format(query)
    with archive.open(f"{name}.csv", "w", force_zip64=True) as file, cursor.copy(statement) as rows:
        for chunk in rows:
            file.write(chunk)
    return cursor.rowcount


def mark_failed(engine: Engine, error: str, organisation_id: str, export_id: str) -> None:
    acting = UUID(organisation_id)
    with unit_of_work(engine, Tenancy((acting,), acting)) as session:
        made = session.get(OrganisationExport, UUID(export_id))
        if made is not None:
            made.state, made.ended_at = "failed", datetime.now(UTC)
            made.error = f"The file could not be written ({error.split(':', maxsplit=1)[0]}). Ask for it again."


def forget(engine: Engine) -> None:
    """Remove what is older than 30 days: rows, then files that no row names."""
    kept: set[str] = set()
    for organisation_id in organisations(engine):
        with unit_of_work(engine, Tenancy((organisation_id,), organisation_id)) as session:
            session.execute(delete(OrganisationExport).where(text(_OLD)))
            kept |= {str(one) for one in session.scalars(select(OrganisationExport.id))}
    for path in folder().glob("*"):
        if path.stem not in kept and path.stat().st_mtime < time.time() - 86_400:
            path.unlink(missing_ok=True)
