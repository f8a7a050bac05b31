"""The instant in an event's id (RFC 9562, version 7 as hub.columns makes it), so that ids narrow the log by time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def instant_of(event_id: UUID) -> datetime:
    """To the microsecond: the 12 bits below the millisecond count 1/4096 of one."""
    milliseconds, fraction = event_id.int >> 80, (event_id.int >> 64) & 0xFFF
    return _EPOCH + timedelta(milliseconds=milliseconds, microseconds=(fraction * 1_000) >> 12)


def first_id(at: datetime) -> UUID:
    """No event of `at` or later has a smaller id."""
    milliseconds, microseconds = divmod(max((at - _EPOCH) // timedelta(microseconds=1), 0), 1_000)
    fraction = -(-(microseconds << 12) // 1_000)
    return UUID(int=(milliseconds << 80) | (0x7 << 76) | (fraction << 64))
