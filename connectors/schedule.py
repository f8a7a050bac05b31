"""When a stream is read: an interval, local times of the day, or never."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


@dataclass(frozen=True)
class Schedule:
    """`seconds` between reads, or `times` of the day in the mapping's zone; neither: never."""

    seconds: float | None = None
    times: tuple[time, ...] = ()

    def due(self, last: datetime | None, now: datetime, zone: str) -> datetime | None:
        """The instant of the next read after `last` (aware); `now` if there was none yet, or one a wrong clock put
        ahead of now; None for never."""
        if self.seconds is None and not self.times:
            return None
        if last is None or last > now:
            return now
        if self.seconds is not None:
            return last + timedelta(seconds=self.seconds)
        local = last.astimezone(ZoneInfo(zone))
        days = (local.date(), local.date() + timedelta(days=1))
        return min(t for day in days for at in self.times if (t := datetime.combine(day, at, local.tzinfo)) > local)

    @property
    def interval(self) -> float:
        """Seconds between two reads; for times of the day the length of a day."""
        return self.seconds if self.seconds is not None else 86_400


def seconds(text: str) -> float:
    """'5s', '15m', '2h' or '1d' in seconds."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smhd])\s*", text)
    if not found:
        raise ValueError(f"'{text}' is not a length of time; write for example 5s, 15m, 2h or 1d")
    length = float(found[1]) * _SECONDS[found[2]]
    if length <= 0:
        raise ValueError("a length of time must be greater than zero")
    return length


def schedule(value: object) -> Schedule:
    """A schedule as a mapping writes it: '5m', ['02:00', '14:00'] or 'never'."""
    if value == "never":
        return Schedule()
    if isinstance(value, list):
        return Schedule(times=tuple(time.fromisoformat(str(v)) for v in value))
    return Schedule(seconds=seconds(str(value)))
