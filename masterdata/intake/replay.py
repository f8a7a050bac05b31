"""Repair of quarantined rows: once their cause is gone, the open rows of each origin batch come again as one new
batch at the origin's instant. A row still faulty is quarantined anew under the new batch."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import Engine, Row, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from connectors.contract import ROW_GROUP_ROWS, Stream, streams
from hub.columns import new_id
from hub.database import Tenancy, unit_of_work
from hub.errors import Conflict, NotFound, Unprocessable
from hub.jobs import defer
from masterdata.intake import jobs, landing
from masterdata.intake.models import Batch, Quarantine
from masterdata.intake.schemas import UnitIn
from masterdata.intake.writing import driver
from masterdata.landscape.models import SourceSystem
from masterdata.landscape.service import write_for
from masterdata.materials import matching
from masterdata.materials.models import SourceUnit, Unit

REPLAY = "masterdata.intake.replay"
# Rows of one replay batch, beyond which only the last key's own are added; the others are taken by the next.
MOST = 100_000

_ORIGINS = text("""
    select distinct batch_id from quarantine
    where organisation_id = :org and system_id = :system and state = 'open' and reason = :reason
      and value is not distinct from cast(:value as text)""")

_COUNT = text("""
    select count(*) from quarantine
    where organisation_id = :org and system_id = :system and state = 'open' and reason = :reason
      and value is not distinct from cast(:value as text)""")

# Rows of the same stock key must come together, or their sum would be wrong.
_ROWS = text("""
    select id, row_no, reason, value, record, raw from quarantine q
    where organisation_id = :org and batch_id = :batch and state = 'open'
      and (reason = :reason and value is not distinct from cast(:value as text)
           or position_hash in (select position_hash from quarantine c
                                where c.organisation_id = :org and c.batch_id = :batch and c.state = 'open'
                                  and c.reason = :reason
                                  and c.value is not distinct from cast(:value as text)
                                  and c.position_hash is not null))
    order by coalesce(position_hash, md5(id::text)::uuid) fetch first :most rows with ties for update""")

_USERS = text("""
    select m.id from source_material m
    where m.organisation_id = :org and m.system_id = :system and (
        m.base_unit = :code
        or exists (select from material_unit f
                   where f.organisation_id = :org and f.material_id = m.id and f.unit = :code)
        or exists (select from material_stock t
                   where t.organisation_id = :org and t.material_id = m.id and t.unit = :code))""")

_TAKEN = text("""
    update quarantine set state = 'replayed', replay_batch_id = :replay, resolved_at = clock_timestamp()
    where organisation_id = :org and id = any (:ids)""")


def add_unit(session: Session, key: str, given: UnitIn, by: UUID) -> int:
    """Say what a system's unit code means, and queue the rows that waited for it; how many are open. For one
    organisation, or for all of the system that the caller may read."""
    system = session.scalars(select(SourceSystem).where(SourceSystem.key == key)).one_or_none()
    if system is None:
        raise NotFound(f"There is no system {key}.")
    if session.get(Unit, given.unit) is None:
        raise Unprocessable(f"{given.unit} is no UN/ECE Rec 20 code known here. GET /v1/units lists them.")
    readable = session.info["tenancy"].readable
    wanted = [given.organisation_id] if given.organisation_id else [o for o in system.organisations if o in readable]
    return sum(_add_unit(session, system, given, organisation_id, by) for organisation_id in wanted)


def _add_unit(session: Session, system: SourceSystem, given: UnitIn, organisation_id: UUID, by: UUID) -> int:
    if organisation_id not in system.organisations:
        raise NotFound(f"System {system.key} holds nothing of organisation {organisation_id}.")
    write_for(session, organisation_id)
    values = {"organisation_id": organisation_id, "system_id": system.id, "code": given.code}
    added = insert(SourceUnit).values(**values, unit=given.unit, decided_by=by)
    session.execute(
        added.on_conflict_do_update(index_elements=list(values), set_={"unit": given.unit, "decided_by": by})
    )
    cause = {"org": organisation_id, "system": system.id, "reason": "unknown_unit", "value": given.code}
    waiting = int(session.scalar(_COUNT, cause) or 0)
    if waiting:
        queue(session, organisation_id, system.id, "unknown_unit", given.code)
    users = session.scalars(_USERS, {"org": organisation_id, "system": system.id, "code": given.code}).all()
    matching.refresh(driver(session), organisation_id, users)
    return waiting


def queue(session: Session, organisation_id: UUID, system_id: UUID, reason: str, value: str | None) -> None:
    """Replay the open rows of a cause in the worker."""
    cause = {"organisation_id": str(organisation_id), "system_id": str(system_id), "reason": reason, "value": value}
    defer(session, REPLAY, lock=f"{organisation_id}/{system_id}/replay", priority=jobs.QUICK, **cause)  # type: ignore[arg-type]


def replay(engine: Engine, organisation_id: UUID, system_id: UUID, reason: str, value: str | None) -> list[UUID]:
    """Make a replay batch of a cause for each origin and queue them; their ids. What is left is replayed next; called
    with nothing left, it makes none."""
    with unit_of_work(engine, Tenancy((organisation_id,), organisation_id)) as session:
        values = {"org": organisation_id, "system": system_id, "reason": reason, "value": value}
        origins = session.scalars(_ORIGINS, values).all()
        made = [_replay_batch(session, origin, values).id for origin in origins]
        if session.scalar(_COUNT, values):
            queue(session, organisation_id, system_id, reason, value)
    return made


def replay_row(session: Session, row_id: int) -> int:
    """Queue the cause of one row, all its siblings included; how many wait. Raises NotFound, Conflict."""
    row = open_row(session, row_id)
    if row.reason == "unreadable":
        raise Conflict(
            f"The hub has not what the agent could not read of row {row_id}. Correct the mapping, and the agent sends"
            " the row again; or dismiss it."
        )
    cause = {"org": row.organisation_id, "system": row.system_id, "reason": row.reason, "value": row.value}
    queue(session, row.organisation_id, row.system_id, row.reason, row.value)
    return int(session.scalar(_COUNT, cause) or 0)


def dismiss(session: Session, row_id: int, by: UUID, reason: str) -> None:
    """Set a row aside for good; the batch's account keeps it as quarantined."""
    row = open_row(session, row_id)
    row.state, row.resolved_at, row.resolved_by, row.note = "dismissed", datetime.now(UTC), by, reason
    session.flush()


def open_row(session: Session, row_id: int) -> Quarantine:
    found = session.scalars(select(Quarantine).where(Quarantine.id == row_id)).one_or_none()
    if found is None:
        raise NotFound(f"There is no quarantined row {row_id}.")
    write_for(session, found.organisation_id)
    query = select(Quarantine).where(Quarantine.id == row_id).with_for_update()
    row = session.scalars(query.execution_options(populate_existing=True)).one()
    if row.state != "open":
        raise Conflict(f"Row {row_id} is {row.state} already.")
    return row


def _replay_batch(session: Session, origin_id: UUID, cause: dict[str, Any]) -> Batch:
    origin = session.scalars(select(Batch).where(Batch.id == origin_id)).one()
    rows = session.execute(_ROWS, cause | {"batch": origin_id, "most": MOST}).all()
    rows = sorted(rows, key=lambda row: row.row_no)
    body = _body(streams()[origin.stream], rows)
    batch = _like(origin, body, len(rows))
    session.add(batch)
    session.flush()
    landing.keep_new(session, batch.organisation_id, {batch.sha256: body})
    session.execute(_TAKEN, {"replay": batch.id, "org": batch.organisation_id, "ids": [r.id for r in rows]})
    jobs.defer_apply(session, batch)
    return batch


def _like(origin: Batch, body: bytes, rows: int) -> Batch:
    """A landed batch of the origin's feed and instant. It lists rows, so it observes nothing it does not list."""
    sync = "event" if origin.sync == "event" else "incremental"
    header = origin.header | {"batch_id": str(new_id()), "sync": sync, "rows": rows, "size": len(body)}
    header["sha256"] = sha256(body).hexdigest()
    same = (
        "organisation_id",
        "system_id",
        "agent_id",
        "stream",
        "coverage",
        "counts",
        "observed_at",
        "clock",
        "traceparent",
    )
    return Batch(
        **{name: getattr(origin, name) for name in same},
        id=UUID(header["batch_id"]),
        origin_id=origin.id,
        sync=sync,
        header=header,
        sha256=header["sha256"],
        size=len(body),
        state="landed",
        landed_at=datetime.now(UTC),
        rows_in=rows,
        pending=rows,
    )


def _body(stream: Stream, rows: Sequence[Row[Any]]) -> bytes:
    """The rows as a batch file; what could not be read of a row is still said of it."""
    read = {f.name: _READ.get(f.type, str) for f in stream.fields}
    records = [_record(read, row) for row in rows]
    out = io.BytesIO()
    table = pa.Table.from_pylist(records, stream.arrow_schema)
    pq.write_table(table, out, row_group_size=ROW_GROUP_ROWS, compression="zstd")
    return out.getvalue()


def _record(read: Mapping[str, Callable[[str], Any]], row: Row[Any]) -> dict[str, Any]:
    made: dict[str, Any] = {"_row": row.row_no, "_raw": row.raw}
    problem = (row.value or "unreadable") if row.reason == "unreadable" else None
    for name, given in row.record.items():
        if name in read and given is not None:
            try:
                made[name] = read[name](given)
            except (ValueError, ArithmeticError):
                problem = problem or f"{name}: {given}"
    return made | {"_problem": problem}


_READ: dict[str, Any] = {
    "DECIMAL(38,9)": Decimal,
    "TIMESTAMPTZ": datetime.fromisoformat,
    "DATE": date.fromisoformat,
    "BOOLEAN": lambda v: v == "true",
}
