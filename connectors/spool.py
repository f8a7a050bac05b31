"""The durable spool of one system: batch bodies as Parquet files, their headers and the cursors in one SQLite file.
One transaction makes a read's batches known and moves its cursor, so that a kill neither loses nor doubles a row."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal
from uuid import UUID, uuid4

import pyarrow as pa
import pyarrow.parquet as pq

from connectors.contract import ENVELOPE, ROW_GROUP_ROWS, BatchHeader, utc_text

State = Literal["ready", "acknowledged", "refused"]
KEEP = timedelta(days=30)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS batch (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, batch_id TEXT NOT NULL UNIQUE, stream TEXT NOT NULL, header TEXT NOT NULL,
  state TEXT NOT NULL DEFAULT 'ready', problem TEXT, at TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS batch_state ON batch (state, seq);
CREATE TABLE IF NOT EXISTS stream (stream TEXT PRIMARY KEY, state TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS covered (
  stream TEXT NOT NULL, organisation TEXT NOT NULL, coverage TEXT NOT NULL,
  sha256 TEXT NOT NULL, observed_at TEXT NOT NULL, sent_at TEXT NOT NULL,
  PRIMARY KEY (stream, organisation, coverage));
"""


class SpoolError(Exception):
    """The spool cannot be used; says why and what to do."""


class SpoolBusy(SpoolError):
    """Another agent works on this system."""


class SpoolFull(SpoolError):
    """The disk is full: nothing half written is kept, the cursor stays."""


@dataclass(frozen=True)
class StreamState:
    """How far a stream is durably read: its cursor, where the next incremental read begins, the digests of the rows
    delivered from there on, the last reads, and when the cursor last moved."""

    cursor: str | None = None
    delivered: tuple[str, ...] = ()
    read_at: str | None = None
    full_at: str | None = None
    since: str | None = None
    moved_at: str | None = None


@dataclass(frozen=True)
class Covered:
    """The newest batch spooled for an organisation and coverage."""

    sha256: str
    observed_at: str
    sent_at: str


@dataclass(frozen=True)
class Spooled:
    """A batch on disk."""

    seq: int
    header: BatchHeader
    path: Path
    problem: str | None = None


@dataclass
class _Body:
    """A body being written."""

    path: Path
    writer: pq.ParquetWriter
    rows: int = 0


Group = tuple[str, str]
# A group's batch; of pushed balances the batch of one instant.
Part = tuple[Group, datetime | None]
MakeHeader = Callable[[Part, dict[str, Any]], BatchHeader]


class Spool:
    """Folder `bodies/` with one Parquet file per batch and `spool.db`. Safe for the threads of one process;
    `exclusive=False` only looks."""

    def __init__(self, folder: Path, *, exclusive: bool = True) -> None:
        self.folder, self.bodies = folder, folder / "bodies"
        self.refused = folder / "refused"
        self._guard = threading.RLock()
        for path in (self.bodies, self.refused):
            path.mkdir(parents=True, exist_ok=True)
        self._lock = _hold(folder) if exclusive else None
        self._db = sqlite3.connect(folder / "spool.db", check_same_thread=False, isolation_level=None, timeout=10)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.executescript(_SCHEMA)
        if exclusive:
            self._recover()

    def close(self) -> None:
        self._db.close()
        if self._lock:
            self._lock.close()

    def _recover(self) -> None:
        """Drop bodies no transaction has made known, and finish moves a kill cut short."""
        states = dict(self._db.execute("SELECT batch_id, state FROM batch").fetchall())
        for path in [*self.bodies.iterdir(), *self.refused.iterdir()]:
            state = states.get(path.stem) if path.suffix == ".parquet" else None
            if state is None:
                path.unlink()
            elif (state == "refused") != (path.parent == self.refused):
                path.rename((self.refused if state == "refused" else self.bodies) / path.name)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._guard:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                yield self._db
                self._db.execute("COMMIT")
            except BaseException as error:  # an interruption leaves no transaction open either
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                if isinstance(error, sqlite3.OperationalError) and "full" in str(error):
                    raise _full(self.folder) from None
                raise

    def _all(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with self._guard:
            return self._db.execute(query, values).fetchall()

    # What has been read

    def state(self, stream: str) -> StreamState:
        rows = self._all("SELECT state FROM stream WHERE stream = ?", stream)
        if not rows:
            return StreamState()
        values = json.loads(rows[0][0])
        delivered = values.pop("boundary", ())  # as earlier releases call it
        return StreamState(**{**values, "delivered": tuple(values.get("delivered", delivered))})

    def covered(self, stream: str) -> dict[Group, Covered]:
        """Every organisation and coverage a stream has had, with its newest batch."""
        query = "SELECT organisation, coverage, sha256, observed_at, sent_at FROM covered WHERE stream = ?"
        return {(r[0], r[1]): Covered(*r[2:]) for r in self._all(query, stream)}

    def writing(self, stream: str, schema: pa.Schema) -> Writing:
        """Begin the batches of one read."""
        return Writing(self, stream, schema)

    def keep(self, stream: str, headers: list[BatchHeader], state: StreamState) -> None:
        """The one durable step: batches known and cursor moved, or neither."""
        now = utc_text(datetime.now(UTC))
        values = json.dumps({**state.__dict__, "delivered": list(state.delivered)})
        with self._transaction() as db:
            for header in headers:
                db.execute(
                    "INSERT INTO batch (batch_id, stream, header, at) VALUES (?, ?, ?, ?)",
                    (str(header.batch_id), stream, header.model_dump_json(), now),
                )
                db.execute(
                    "INSERT OR REPLACE INTO covered VALUES (?, ?, ?, ?, ?, ?)",
                    (stream, header.organisation, header.coverage, header.sha256, utc_text(header.observed_at), now),
                )
            db.execute("INSERT OR REPLACE INTO stream VALUES (?, ?)", (stream, values))

    # What is to be sent

    def batches(self, state: State, limit: int = 100) -> list[Spooled]:
        """The oldest batches in a state; events, which people wait for, first."""
        query = (
            "SELECT seq, header, problem FROM batch WHERE state = ? "
            "ORDER BY json_extract(header, '$.sync') <> 'event', seq LIMIT ?"
        )
        return [self._spooled(state, *row) for row in self._all(query, state, limit)]

    def _spooled(self, state: State, seq: int, header: str, problem: str | None) -> Spooled:
        parsed = BatchHeader.model_validate_json(header)
        folder = self.refused if state == "refused" else self.bodies
        return Spooled(seq, parsed, folder / f"{parsed.batch_id}.parquet", problem)

    def counts(self) -> dict[str, int]:
        """Batches by state."""
        return dict(self._all("SELECT state, count(*) FROM batch GROUP BY state"))

    def acknowledge(self, batch_id: UUID) -> None:
        self._mark(batch_id, "acknowledged", None)

    def refuse(self, batch_id: UUID, problem: str) -> None:
        """Park a batch the hub does not take; it stays in `refused/` until someone sends it again."""
        self._mark(batch_id, "refused", problem)
        _move(self.bodies / f"{batch_id}.parquet", self.refused)

    def again(self, batch_id: UUID) -> None:
        """Send a kept batch once more."""
        _move(self.refused / f"{batch_id}.parquet", self.bodies)
        self._mark(batch_id, "ready", None)

    def _mark(self, batch_id: UUID, state: State, problem: str | None) -> None:
        with self._transaction() as db:
            db.execute(
                "UPDATE batch SET state = ?, problem = ?, at = ? WHERE batch_id = ?",
                (state, problem, utc_text(datetime.now(UTC)), str(batch_id)),
            )

    def purge(self, now: datetime, keep: timedelta = KEEP) -> int:
        """Forget batches acknowledged longer than `keep` ago; their number."""
        before = utc_text(now - keep)
        with self._transaction() as db:
            rows = db.execute(
                "SELECT batch_id FROM batch WHERE state = 'acknowledged' AND at < ?", (before,)
            ).fetchall()
            db.execute("DELETE FROM batch WHERE state = 'acknowledged' AND at < ?", (before,))
        for (batch_id,) in rows:
            (self.bodies / f"{batch_id}.parquet").unlink(missing_ok=True)
        return len(rows)


@dataclass
class Writing:
    """The bodies of one read, one per organisation, coverage and instant, not yet known to anyone."""

    spool: Spool
    stream: str
    schema: pa.Schema
    _bodies: dict[Part, _Body] = field(default_factory=dict)
    _ids: dict[Part, UUID] = field(default_factory=dict)

    def append(self, group: Group, table: pa.Table, at: datetime | None = None) -> None:
        """Add rows, `at` an instant of their own or that of the read; an empty table only opens the group's batch."""
        with _disk(self.spool.folder, self.discard):
            body = self._bodies.get((group, at)) or self._open((group, at))
            body.writer.write_table(table, row_group_size=ROW_GROUP_ROWS)
            body.rows += table.num_rows

    @property
    def groups(self) -> set[Group]:
        """The groups that have a batch so far."""
        return {group for group, _ in self._bodies}

    @property
    def rows(self) -> int:
        return sum(body.rows for body in self._bodies.values())

    def commit(
        self, make: MakeHeader, state: StreamState, *, unchanged: Callable[[BatchHeader], bool] | None = None
    ) -> list[BatchHeader]:
        """Close and flush the bodies, then make them and the cursor durable in one step. `unchanged` may drop a
        batch that says what the last one said."""
        with _disk(self.spool.folder, self.discard):
            headers = [self._close(part, make) for part in self._bodies]
            kept = [h for h in headers if not (unchanged and unchanged(h))]
            _sync(self.spool.bodies)
            self.spool.keep(self.stream, kept, state)
        for header in headers:
            if header not in kept:
                (self.spool.bodies / f"{header.batch_id}.parquet").unlink(missing_ok=True)
        return kept

    def discard(self) -> None:
        """Forget all that was written."""
        for part, body in self._bodies.items():
            with suppress(OSError):  # the disk may be full; the file goes anyway
                body.writer.close()
            body.path.unlink(missing_ok=True)
            (self.spool.bodies / f"{self._ids[part]}.parquet").unlink(missing_ok=True)
        self._bodies.clear()

    def _open(self, part: Part) -> _Body:
        self._ids[part] = uuid4()
        path = self.spool.bodies / f"{self._ids[part]}.part"
        fields = [name for name in self.schema.names if name not in ENVELOPE]
        body = _Body(path, pq.ParquetWriter(path, self.schema, compression="zstd", use_dictionary=fields))
        self._bodies[part] = body
        return body

    def _close(self, part: Part, make: MakeHeader) -> BatchHeader:
        body = self._bodies[part]
        body.writer.close()
        digest = hashlib.sha256()
        with body.path.open("r+b") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
            os.fsync(file.fileno())
        facts = {
            "batch_id": self._ids[part],
            "rows": body.rows,
            "size": body.path.stat().st_size,
            "sha256": digest.hexdigest(),
        }
        body.path.rename(self.spool.bodies / f"{self._ids[part]}.parquet")
        return make(part, facts)


def _move(path: Path, folder: Path) -> None:
    if path.exists():
        path.rename(folder / path.name)


def _hold(folder: Path) -> sqlite3.Connection:
    """A lock the operating system drops with the process, on every platform Python runs on."""
    try:
        lock = sqlite3.connect(folder / "lock.db", check_same_thread=False, isolation_level=None, timeout=0)
    except sqlite3.OperationalError as error:
        raise _unusable(folder, error) from None
    try:
        lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        lock.close()
        if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
            raise _unusable(folder, error) from None
        raise SpoolBusy(
            f"another agent already works on {folder.name} (state folder {folder}): two agents for one source "
            "would send its stock twice; stop the other one"
        ) from None
    return lock


def _unusable(folder: Path, error: sqlite3.Error) -> SpoolError:
    return SpoolError(
        f"the state folder {folder} cannot be used ({error}): give the agent's user the right to write it"
    )


def _sync(folder: Path) -> None:
    """Make renames in a folder durable, where the platform lets folders be opened."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _full(folder: Path) -> SpoolFull:
    return SpoolFull(
        f"the disk of {folder} is full: nothing was kept of this read and its cursor stays; free some space"
    )


@contextmanager
def _disk(folder: Path, discard: Callable[[], None]) -> Iterator[None]:
    """On any failure nothing half written stays; a full disk is said in words."""
    try:
        yield
    except BaseException as error:  # an interruption leaves no files either
        discard()
        if isinstance(error, OSError) and (error.errno == 28 or "No space left" in str(error)):
            raise _full(folder) from None
        raise
