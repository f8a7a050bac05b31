"""When a stream is read and how: full or incremental, its retries, and what its health is."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from connectors.contract import Sync, utc_text
from connectors.mapping import Mapping
from connectors.spool import StreamState
from connectors.uplink import backoff

ABORT_PAUSE = timedelta(seconds=60)


@dataclass
class StreamHealth:
    """What a person wants to know of a feed."""

    last_read_at: datetime | None = None
    last_error: str | None = None
    last_rows: int | None = None
    failures: int = 0
    note: str | None = None

    def report(self, stream: str) -> dict[str, Any]:
        read_at = utc_text(self.last_read_at) if self.last_read_at else None
        said = {"stream": stream, "last_read_at": read_at, "last_error": self.last_error, "last_rows": self.last_rows}
        return said | ({"note": self.note} if self.note else {})


@dataclass
class Plan:
    """The timetable of one stream. Full reads win over incremental ones due at the same time."""

    mapping: Mapping
    stream: str
    last_read: datetime | None = None
    last_full: datetime | None = None
    not_before: datetime | None = None
    health: StreamHealth = field(default_factory=StreamHealth)

    @classmethod
    def resume(cls, mapping: Mapping, stream: str, state: StreamState) -> Plan:
        """Go on where the spool says we stopped."""
        read, full = (datetime.fromisoformat(t) if t else None for t in (state.read_at, state.full_at))
        return cls(mapping, stream, read, full, health=StreamHealth(read))

    def next_read(self, now: datetime) -> tuple[datetime, Sync] | None:
        """The next read and its kind; None if the stream is never read by the clock."""
        zone, every = self.mapping.spec.zone, self.mapping.spec.streams[self.stream].every
        if self.mapping.spec.source == "push":
            return None
        fulls = self.mapping.full(self.stream) if self.mapping.cursor(self.stream) else every
        full = fulls.due(self.last_full, now, zone)
        choices: list[tuple[datetime, Sync]] = [(full, "full")] if full else []
        part = every.due(self.last_read, now, zone)
        if part and self.mapping.cursor(self.stream):
            choices.append((part, "incremental"))
        if not choices:
            return None
        at, sync = min(choices, key=lambda c: (max(c[0], now), c[1] != "full"))
        self._mind_the_clock(now)
        return (max(at, self.not_before) if self.not_before else at), sync

    def _mind_the_clock(self, now: datetime) -> None:
        """Instants a wrong clock left behind hold nothing up, and are said."""
        if self.not_before and self.not_before > now + ABORT_PAUSE:
            self.not_before = None
        ahead = max((t for t in (self.last_read, self.last_full) if t and t > now), default=None)
        if ahead:
            self.health.note = (
                f"This machine's clock was once ahead, at {utc_text(ahead)}: what was read then may be late."
            )

    def succeeded(self, began: datetime, sync: Sync, rows: int) -> None:
        self.last_read, self.not_before = began, None
        if sync == "full":
            self.last_full = began
        self.health = StreamHealth(datetime.now(UTC), None, rows, note=self.health.note)

    def failed(self, words: str, *, retry: bool) -> None:
        """Try again soon (Retry) or after a minute (what a person must mend)."""
        failures = self.health.failures + 1
        pause = timedelta(seconds=backoff(failures)) if retry else ABORT_PAUSE
        self.not_before = datetime.now(UTC) + pause
        self.health.last_error, self.health.failures = words, failures
