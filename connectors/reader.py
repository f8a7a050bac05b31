"""One read of one stream: pages of the source → transform → spool. A read that fails leaves nothing behind."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from connectors import observations
from connectors.contract import EVENT_LINES_MAX, BatchHeader, Sync, utc_text
from connectors.cursor import Cursor
from connectors.mapping import Mapping
from connectors.sources.base import Page, Source
from connectors.spool import Group, Part, Spool, StreamState, Writing
from connectors.tables import to_arrow
from connectors.transform import Transform

HEARTBEAT_SECONDS = 15.0
UNASSIGNED_SHOWN = 100

# Mapping a page is local work: two at a time keep memory bounded, however many streams are due.
_mapping_slots = threading.BoundedSemaphore(2)


@dataclass(frozen=True)
class SystemParts:
    """What reading a system takes."""

    system: str
    mapping: Mapping
    source: Source
    spool: Spool
    kept: dict[str, Transform] = field(default_factory=dict)

    def event_transform(self, stream: str) -> Transform:
        """One for each pushed stream, kept open: making it takes longer than an event may take on its way."""
        if stream not in self.kept:
            self.kept[stream] = Transform(self.mapping, stream)
        self.kept[stream].restart()
        return self.kept[stream]


@dataclass(frozen=True)
class Outcome:
    """What a read brought."""

    rows: int
    batches: tuple[BatchHeader, ...]


@dataclass
class _Read:
    """A read under way."""

    parts: SystemParts
    stream: str
    sync: Sync
    began: datetime
    cursor: Cursor
    traceparent: str
    observed_at: datetime | None = None
    unassigned: list[pa.Table] = field(default_factory=list)
    held: set[Group] = field(default_factory=set)

    def header(self, part: Part, facts: dict[str, Any]) -> BatchHeader:
        (organisation, coverage), at = part
        mapping, spec = self.parts.mapping, self.parts.mapping.spec.streams[self.stream]
        return BatchHeader(
            system=self.parts.system,
            organisation=organisation,
            coverage=coverage,
            stream=self.stream,
            sync=self.sync,
            counts=spec.counts,
            observed_at=at or self.observed_at or self.began,
            clock="source" if at or self.observed_at else "agent",
            read_seconds=max(0, round((datetime.now(UTC) - self.began).total_seconds())),
            cursor=self.cursor.value,
            mapping=mapping.name,
            mapping_sha256=mapping.sha256,
            traceparent=self.traceparent,
            sla_seconds=spec.sla,
            **facts,
        )

    def state(self) -> StreamState:
        old, now = self.parts.spool.state(self.stream), utc_text(self.began)
        full_at = now if self.sync == "full" else old.full_at
        value, (since, delivered) = self.cursor.value, self.cursor.window()
        moved_at = old.moved_at if old.moved_at and old.cursor == value else now
        # A read of the window so long after the cursor's last move has seen whatever was late.
        if self.sync != "full" and _age(moved_at, self.began) > self.cursor.rest:
            since = value
        return StreamState(value, delivered, now, full_at, since, moved_at)


def read_stream(parts: SystemParts, stream: str, sync: Sync) -> Outcome:
    """Read a stream once, durably. Raises what the source raises (Retry, Abort), DocumentError for a mapping that
    does not fit, SpoolError."""
    read = _begin(parts, stream, sync)
    table = parts.mapping.spec.tables[parts.mapping.spec.streams[stream].driving]
    pages = parts.source.read(table, read.cursor.since)
    if sync == "event":
        return _read_events(read, pages)
    return _read_set(read, pages)


def _begin(parts: SystemParts, stream: str, sync: Sync) -> _Read:
    state, column = parts.spool.state(stream), parts.mapping.cursor(stream)
    since = (state.since or state.cursor) if sync != "full" else None
    delivered = frozenset(state.delivered) if since is not None else frozenset()
    trace = f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"
    whole = parts.mapping.spec.tables[parts.mapping.spec.streams[stream].driving].get("whole")
    reached = state.cursor if since is not None else None
    cursor = Cursor(column, since, delivered, whole, reached, parts.mapping.margin(stream))
    return _Read(parts, stream, sync, datetime.now(UTC), cursor, trace)


def _read_set(read: _Read, pages: Iterator[Page]) -> Outcome:
    """A full or incremental read: all its batches and its cursor become durable in one step."""
    with Transform(read.parts.mapping, read.stream) as transform:
        writing = read.parts.spool.writing(read.stream, transform.schema)
        try:
            _pour(read, pages, transform, writing)
            _complete(read, transform, writing)
        except BaseException:  # an interruption leaves nothing half written either
            writing.discard()
            raise
        rows = writing.rows
        if not writing.groups:
            return Outcome(0, ())
        return Outcome(rows, tuple(writing.commit(read.header, read.state(), unchanged=lambda h: _unchanged(read, h))))


def _pour(read: _Read, pages: Iterator[Page], transform: Transform, writing: Writing) -> None:
    joined = False
    for page in pages:
        read.observed_at = read.observed_at or page.observed_at
        rows = read.cursor.fresh(page.columns, page.rows)
        if rows and not joined:
            _look_up(read.parts, read.stream, transform)
            joined = True
        _map_page(read, transform, writing, page, rows)


def _map_page(read: _Read, transform: Transform, writing: Writing, page: Page, rows: Sequence[tuple[Any, ...]]) -> None:
    with _mapping_slots:
        if rows:
            for group, table in transform.page(to_arrow(page.columns, rows)):
                if group is None:
                    _keep_unassigned(read, transform, writing, table)
                    continue
                for at, part in _instants(read, page.columns, rows, table):
                    writing.append(group, part, at)
        if page.skipped:
            _keep_unassigned(read, transform, writing, transform.skipped(list(page.skipped)))


def _keep_unassigned(read: _Read, transform: Transform, writing: Writing, table: pa.Table) -> None:
    """Rows of which nobody knows whose they are travel in one batch; a few of them are kept for the others."""
    group = transform.fallback_group()
    read.held.add(group)
    writing.append(group, table)
    if sum(t.num_rows for t in read.unassigned) < UNASSIGNED_SHOWN:
        read.unassigned.append(table.slice(0, UNASSIGNED_SHOWN))


def _instants(
    read: _Read, columns: Sequence[str], rows: Sequence[tuple[Any, ...]], table: pa.Table
) -> Iterable[tuple[datetime | None, pa.Table]]:
    """What goes into one batch: all of it, but pushed balances by the instants they were true at."""
    if not _observes(read):
        return [(None, table)]
    position = list(columns).index("_received_at")
    return observations.by_instant(table, [datetime.fromisoformat(row[position]) for row in rows])


def _observes(read: _Read) -> bool:
    return read.sync == "event" and read.stream == observations.STREAM


def _look_up(parts: SystemParts, stream: str, transform: Transform) -> None:
    """Read whole what the driving table is joined with."""
    for name in parts.mapping.lookups(stream):
        tables = [
            to_arrow(page.columns, page.rows) for page in parts.source.read(parts.mapping.spec.tables[name], None)
        ]
        transform.lookup(name, tables)


def _complete(read: _Read, transform: Transform, writing: Writing) -> None:
    """Empty batches: a full read speaks for every coverage seen before, an incremental one shows that it is alive.
    A row of unknown coverage is missing in any of them: each full batch holds it, so that the hub zeroes nothing."""
    known = read.parts.spool.covered(read.stream)
    if read.sync == "full":
        for group in (writing.groups | known.keys()) - read.held if read.unassigned else ():
            rows, keepers = pa.concat_tables(read.unassigned), sorted({organisation for organisation, _ in read.held})
            writing.append(group, rows if group[0] in keepers else _silenced(rows, keepers[0]))
        silent = [g for g in known if g not in writing.groups]
        if not known and not writing.groups:
            silent = [transform.fallback_group()]
    else:
        wait = max(HEARTBEAT_SECONDS, read.parts.mapping.spec.streams[read.stream].every.interval)
        silent = [
            g for g, last in known.items() if g not in writing.groups and _age(last.sent_at, read.began) >= wait - 1
        ]
    for group in silent:
        writing.append(group, transform.schema.empty_table())


def _silenced(rows: pa.Table, keeper: str) -> pa.Table:
    """As many rows that say nothing: whose they are is unknown, so a sister organisation must not read them."""
    said = f"A row of this read belongs to nobody known; it may be this organisation's. {keeper} has its text."
    kept = {"_row": rows["_row"], "_problem": pa.array([said] * rows.num_rows, pa.string())}
    columns = [kept.get(field.name, pa.nulls(rows.num_rows, field.type)) for field in rows.schema]
    return pa.table(columns, schema=rows.schema)


def _unchanged(read: _Read, header: BatchHeader) -> bool:
    """A source without a clock of its own running on (a file) says the same until it changes."""
    last = read.parts.spool.covered(read.stream).get((header.organisation, header.coverage))
    same = last is not None and (last.sha256, last.observed_at) == (header.sha256, utc_text(header.observed_at))
    return same and read.sync == "full"


def _read_events(read: _Read, pages: Iterator[Page]) -> Outcome:
    """Pushed rows: small batches, each durable by itself, so that the hub takes each in one call."""
    outcome: list[BatchHeader] = []
    rows, most = 0, observations.LINES_MAX if _observes(read) else EVENT_LINES_MAX
    for page in pages:
        for first in range(0, max(len(page.rows), 1), most):
            lines = page.rows[first : first + most]
            skipped = page.skipped if first == 0 else ()
            if lines or skipped:
                batches = _keep_events(read, Page(page.columns, lines, page.observed_at, skipped))
                outcome.extend(batches)
                rows += sum(b.rows for b in batches)
    return Outcome(rows, tuple(outcome))


def _keep_events(read: _Read, page: Page) -> list[BatchHeader]:
    transform = read.parts.event_transform(read.stream)
    writing = read.parts.spool.writing(read.stream, transform.schema)
    try:
        _pour(read, iter([page]), transform, writing)
        return writing.commit(read.header, read.state()) if writing.groups else []
    except BaseException:  # an interruption leaves nothing half written either
        writing.discard()
        raise


def _age(instant: str, now: datetime) -> float:
    """Seconds; an instant ahead of now, left by a wrong clock, is old too."""
    return abs((now - datetime.fromisoformat(instant)).total_seconds())
