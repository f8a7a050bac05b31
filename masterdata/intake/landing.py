"""The landing zone: bodies stored unchanged by their digest, small ones as bytes in the database, larger ones as files.
A file is whole and durable before any row names it."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from connectors.contract import Stream
from hub.errors import HubError, NotFound, Unprocessable
from hub.settings import settings
from masterdata.intake.models import Landing

SMALL = 64 * 1024
_BLOCK = 1024 * 1024
_HOLD = text("select pg_advisory_xact_lock_shared(hashtextextended('landing' || cast(:org as text), 0))")
_REMOVE = text("select pg_advisory_xact_lock(hashtextextended('landing' || cast(:org as text), 0))")
_NAMED = text("select path from landing where organisation_id = :org and path = any (:paths)")
_FULL = (errno.ENOSPC, errno.EDQUOT)


class DiskFull(HubError):
    status, title = 507, "No space left"


class Missing(NotFound):
    title = "Body is gone"


@contextmanager
def disk() -> Iterator[None]:
    """Turns a full disk into an answer that says so; nothing half written may be named by a row afterwards."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise DiskFull(
            f"The hub has no space left under {settings().home}. Nothing of this call was kept; send it again once "
            "there is space."
        ) from error


def upload_path(batch_id: UUID) -> Path:
    """Where the body of an announced batch grows."""
    return settings().home / "uploads" / str(batch_id)


def landed_path(organisation_id: UUID, sha256: str) -> Path:
    return settings().home / "landing" / organisation_id.hex / sha256[:2] / sha256


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def copy_durably(source: BinaryIO, path: Path, offset: int) -> int:
    """Append `source` to the file at `offset`, synced; a failure leaves the file as it was. Returns its new size."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with disk(), path.open("ab") as file:
        try:
            while block := source.read(_BLOCK):
                file.write(block)
            file.flush()
            os.fsync(file.fileno())
            return file.tell()
        except OSError:
            with contextlib.suppress(OSError):
                file.close()
            os.truncate(path, offset)
            raise


def move_durably(source: Path, target: Path) -> None:
    """Put a synced file at its place for good; does nothing where the same content already lies there."""
    with disk():
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():
            source.unlink(missing_ok=True)
            return
        source.replace(target)
        sync_folder(target.parent)


def write_durably(body: bytes, target: Path) -> None:
    """Write a new file whole; a failure leaves none."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        copy_durably(io.BytesIO(body), target, 0)
    except DiskFull:
        target.unlink(missing_ok=True)
        raise
    sync_folder(target.parent)


def sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def hold_files(session: Session, organisation_id: UUID) -> None:
    """Until the commit no file of the organisation is removed: one that lies there may be named."""
    session.execute(_HOLD, {"org": organisation_id})


def remove_files(session: Session, organisation_id: UUID, paths: Sequence[str]) -> None:
    """Remove those that no row names. Rolled files may hold younger bodies, a file may have been named anew."""
    session.execute(_REMOVE, {"org": organisation_id})
    named = set(session.scalars(_NAMED, {"org": organisation_id, "paths": list(paths)}))
    for path in set(paths) - named:
        (settings().home / path).unlink(missing_ok=True)


def keep_bytes(session: Session, organisation_id: UUID, bodies: Mapping[str, bytes]) -> None:
    """Keep small bodies by their digests."""
    _name(
        session, *(Landing(organisation_id=organisation_id, sha256=d, size=len(b), body=b) for d, b in bodies.items())
    )


def keep_file(session: Session, organisation_id: UUID, sha256: str, part: Path) -> None:
    """Take over an uploaded file: small ones become bytes of the row, larger ones move to the landing folder."""
    target = landed_path(organisation_id, sha256)
    if part.exists() and part.stat().st_size < SMALL:
        keep_bytes(session, organisation_id, {sha256: part.read_bytes()})
        part.unlink()
        return
    if part.exists():
        move_durably(part, target)
    path = str(target.relative_to(settings().home))
    size = target.stat().st_size
    _name(session, Landing(organisation_id=organisation_id, sha256=sha256, size=size, path=path))


def keep_new(session: Session, organisation_id: UUID, bodies: Mapping[str, bytes]) -> None:
    """Keep bodies made here, by their digests: bytes of a row while small, else a file."""
    keep_bytes(session, organisation_id, {digest: body for digest, body in bodies.items() if len(body) < SMALL})
    if any(len(body) >= SMALL for body in bodies.values()):
        hold_files(session, organisation_id)
    for sha256, body in bodies.items():
        if len(body) >= SMALL:
            part = settings().home / "uploads" / sha256
            part.unlink(missing_ok=True)
            copy_durably(io.BytesIO(body), part, 0)
            keep_file(session, organisation_id, sha256, part)


def _name(session: Session, *landings: Landing) -> None:
    """A body that came before is kept as it is, from now on as long as a new one."""
    values = [
        {
            "organisation_id": landing.organisation_id,
            "sha256": landing.sha256,
            "size": landing.size,
            "body": landing.body,
            "path": landing.path,
            "offset": 0,
        }
        for landing in sorted(landings, key=lambda landing: landing.sha256)
    ]
    if values:
        kept = insert(Landing).on_conflict_do_update(
            index_elements=["organisation_id", "sha256"], set_={"created_at": func.clock_timestamp()}
        )
        session.connection().execute(kept, values)


def find(session: Session, organisation_id: UUID, sha256: str) -> Landing:
    """The landed body of a digest; raises Missing where retention has taken it."""
    query = select(Landing).where(Landing.organisation_id == organisation_id, Landing.sha256 == sha256)
    landing = session.scalars(query).one_or_none()
    if landing is None:
        raise Missing("The landed body is no longer kept (HUB_LANDING_DAYS). The agent can send the batch again.")
    return landing


def open_body(landing: Landing) -> BinaryIO:
    """The body as a readable, seekable file."""
    if landing.body is not None:
        return io.BytesIO(landing.body)
    path = settings().home / str(landing.path)
    try:
        if path.stat().st_size == landing.size:
            return path.open("rb")
        with path.open("rb") as rolled:
            rolled.seek(landing.offset)
            return io.BytesIO(rolled.read(landing.size))
    except FileNotFoundError:
        raise Missing(
            f"The landing file {landing.path} is missing under {settings().home}. Restore it from the backup."
        ) from None


def check_parquet(body: BinaryIO, stream: Stream, rows: int) -> None:
    """The body is Parquet of the stream's schema with the announced number of rows; raises Unprocessable in words."""
    try:
        file = pq.ParquetFile(body)
        found, count = file.schema_arrow, file.metadata.num_rows
    except (pa.ArrowException, OSError, ValueError) as error:
        raise Unprocessable(f"The body is no readable Parquet file: {error}") from error
    if count != rows:
        raise Unprocessable(f"The header announces {rows} rows, the body holds {count}.")
    expected = stream.arrow_schema
    wrong = [f.name for f in expected if f.name not in found.names or found.field(f.name).type != f.type]
    unknown = [name for name in found.names if name not in expected.names]
    if wrong or unknown:
        raise Unprocessable(
            f"The body does not follow the contract {stream.name} {stream.version}: missing or of another type: "
            f"{', '.join(wrong) or 'none'}; unknown: {', '.join(unknown) or 'none'}. Update the agent.",
            missing=wrong,
            unknown=unknown,
        )
