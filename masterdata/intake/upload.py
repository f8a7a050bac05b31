"""First durable step: an agent announces a batch, sends its body in resumable chunks, and it lands with its job."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from io import BytesIO
from typing import BinaryIO, ClassVar
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from connectors.contract import BatchHeader, streams
from hub.errors import Conflict, HubError, NotFound, Unprocessable
from identity.principal import Principal, act_for
from masterdata.intake import jobs, landing
from masterdata.intake.models import Batch
from masterdata.intake.schemas import UploadState

PAGE = 1_000
# A source whose clock runs ahead would make every later honest read look old.
SKEW = timedelta(minutes=5)

_GRANT = text("""
    select o.id as organisation_id, s.id as system_id
    from agent_grant g
    join organisation o on o.id = g.organisation_id
    join source_system s on s.key = g.system and o.id = any (s.organisations)
    where g.agent_id = :agent and g.system = :system and o.key = :organisation""")


class WrongOffset(Conflict):
    title = "Upload continues elsewhere"

    def __init__(self, asked: int, offset: int) -> None:
        super().__init__(f"The body continues at {offset}, not at {asked}.", upload_offset=offset)
        self.headers = {"Upload-Offset": str(offset)}


class DigestMismatch(HubError):
    status, title = 422, "Body does not match its digest"
    headers: ClassVar = {"Upload-Offset": "0"}


@dataclass(frozen=True)
class Chunk:
    """A piece of a body: where it starts, its bytes, whether it is the last."""

    body: BinaryIO
    size: int
    offset: int
    is_last: bool


@dataclass(frozen=True)
class Delivery:
    """Whose stock an agent delivers, checked against its grant."""

    organisation_id: UUID
    system_id: UUID


def delivery(session: Session, agent: Principal, system: str, organisation: str) -> Delivery:
    """Bind the transaction to the organisation delivered for; raises NotFound outside the agent's grant."""
    values = {"agent": agent.id, "system": system, "organisation": organisation}
    row = session.execute(_GRANT, values).one_or_none()
    if row is None:
        raise NotFound(
            f"Agent {agent.name} may not deliver for organisation {organisation} of system {system}. Register the "
            "system with that organisation and grant it to the agent."
        )
    act_for(session, agent, row.organisation_id)
    return Delivery(row.organisation_id, row.system_id)


def check_clock(observed_at: datetime, system: str) -> None:
    ahead = observed_at - datetime.now(UTC)
    if ahead > SKEW:
        raise Unprocessable(
            f"System {system} says it was read {round(ahead.total_seconds())} s in the future. Set the clock of the "
            "source or of the agent's machine right, or the mapping's zone.",
            ahead_seconds=round(ahead.total_seconds()),
        )


def announce(session: Session, agent: Principal, header: BatchHeader) -> UploadState:
    """Make the batch known; the same header again is the same batch, another one under its id a Conflict."""
    if header.stream not in streams():
        raise Unprocessable(f"There is no stream {header.stream}. Streams: {', '.join(streams())}.")
    to = delivery(session, agent, header.system, header.organisation)
    check_clock(header.observed_at, header.system)
    session.execute(insert(Batch).values(_values(header, agent, to)).on_conflict_do_nothing())
    batch = _locked(session, header.batch_id)
    if batch is None or batch.header != header.model_dump(mode="json"):
        raise Conflict(f"Batch {header.batch_id} is known with another header. Every batch needs an id of its own.")
    return UploadState(batch.state, _offset(batch))  # type: ignore[arg-type]


def _values(header: BatchHeader, agent: Principal, to: Delivery) -> dict[str, object]:
    return {
        "id": header.batch_id,
        "organisation_id": to.organisation_id,
        "system_id": to.system_id,
        "agent_id": agent.id,
        "header": header.model_dump(mode="json"),
        "state": "announced",
        "rows_in": header.rows,
        "pending": header.rows,
        **header.model_dump(include=set(_SAME)),
    }


_SAME = ("stream", "coverage", "sync", "counts", "observed_at", "clock", "traceparent", "sha256", "size")


def offset(session: Session, agent: Principal, batch_id: UUID) -> UploadState:
    """How far the body has come; raises NotFound for a batch outside the agent's grant."""
    batch = _own(session, agent, batch_id)
    return UploadState(batch.state, _offset(batch))  # type: ignore[arg-type]


def append(session: Session, agent: Principal, batch_id: UUID, chunk: Chunk) -> UploadState:
    """Add a chunk at its offset; with the last one the batch lands. Raises WrongOffset, DigestMismatch, DiskFull."""
    batch = _own(session, agent, batch_id)
    if batch.state != "announced":
        return UploadState(batch.state, batch.size)  # type: ignore[arg-type]
    reached = _offset(batch)
    if chunk.offset != reached:
        raise WrongOffset(chunk.offset, reached)
    end = reached + chunk.size
    if end > batch.size or (chunk.is_last and end < batch.size):
        raise Unprocessable(f"The header announces {batch.size} bytes, the body ends at {end}.", upload_offset=reached)
    if chunk.is_last and reached == 0 and chunk.size < landing.SMALL:
        return _land_bytes(session, batch, chunk.body.read())
    if chunk.size:
        landing.copy_durably(chunk.body, landing.upload_path(batch.id), reached)
    return _land_file(session, batch) if chunk.is_last else UploadState("announced", end)


def _land_bytes(session: Session, batch: Batch, body: bytes) -> UploadState:
    if sha256(body).hexdigest() != batch.sha256:
        raise _mismatch(batch)
    landing.check_parquet(BytesIO(body), streams()[batch.stream], batch.rows_in)
    landing.keep_bytes(session, batch.organisation_id, {batch.sha256: body})
    return _landed(session, batch)


def _land_file(session: Session, batch: Batch) -> UploadState:
    part = landing.upload_path(batch.id)
    landing.hold_files(session, batch.organisation_id)
    # An earlier call may have moved the file and died before its commit: then it lies whole at its place.
    whole = part if part.exists() else landing.landed_path(batch.organisation_id, batch.sha256)
    if landing.digest(whole) != batch.sha256:
        part.unlink(missing_ok=True)
        raise _mismatch(batch)
    with whole.open("rb") as body:
        landing.check_parquet(body, streams()[batch.stream], batch.rows_in)
    landing.keep_file(session, batch.organisation_id, batch.sha256, part)
    return _landed(session, batch)


def _landed(session: Session, batch: Batch) -> UploadState:
    batch.state = "landed"
    batch.landed_at = datetime.now(UTC)
    session.flush()
    jobs.defer_apply(session, batch)
    return UploadState("landed", batch.size)


def _mismatch(batch: Batch) -> DigestMismatch:
    return DigestMismatch(
        f"The body of batch {batch.id} does not have the announced SHA-256 {batch.sha256}. Send it again from 0.",
        upload_offset=0,
    )


def _offset(batch: Batch) -> int:
    if batch.state != "announced":
        return batch.size
    part = landing.upload_path(batch.id)
    if part.exists():
        return part.stat().st_size
    return batch.size if landing.landed_path(batch.organisation_id, batch.sha256).exists() else 0


def _own(session: Session, agent: Principal, batch_id: UUID) -> Batch:
    batch = _seen(session, batch_id)
    if batch is None:
        raise NotFound(f"There is no batch {batch_id}. Announce it first with PUT.")
    header = batch.header
    delivery(session, agent, header["system"], header["organisation"])
    locked = _locked(session, batch_id)
    if locked is None:
        raise NotFound(f"There is no batch {batch_id}. Announce it first with PUT.")
    return locked


def _seen(session: Session, batch_id: UUID) -> Batch | None:
    return session.scalars(select(Batch).where(Batch.id == batch_id)).one_or_none()


def _locked(session: Session, batch_id: UUID) -> Batch | None:
    query = select(Batch).where(Batch.id == batch_id).with_for_update().execution_options(populate_existing=True)
    return session.scalars(query).one_or_none()


def known(session: Session, agent: Principal, system: str, after: UUID | None) -> list[UUID]:
    """Ids of the batches the hub has of a system for this agent, 1,000 at a time in order of id."""
    rows = session.execute(_KNOWN, {"agent": agent.id, "system": system, "after": after, "page": PAGE})
    return [row.id for row in rows]


_KNOWN = text("""
    select b.id from batch b
    join source_system s on s.id = b.system_id
    where s.key = :system and b.state <> 'announced' and b.origin_id is null
      and exists (select from agent_grant g where g.agent_id = :agent and g.system = s.key
                  and g.organisation_id = b.organisation_id)
      and (cast(:after as uuid) is null or b.id > :after)
    order by b.id limit :page""")
