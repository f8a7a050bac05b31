"""How far a feed can be believed, out of what a build measured: every finding costs one grade, a grave one two."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from masterdata.lake.schemas import Grade, Reason

GRADES: tuple[Grade, ...] = ("A", "B", "C", "D")
COMPLETE, COMPLETE_GRAVE = 0.99, 0.95
# Breaks per read from which they are grave; reads below which nothing is known well.
BREAKS_GRAVE, READS = 0.05, 5
# Times the promise from which a delay or a silence is grave.
GRAVE = 2


def graded(feed: Mapping[str, Any]) -> tuple[Grade, list[Reason]]:
    """Grade and reasons of a row of `mart_feed` with `silent_seconds`, the time from its last read to the build."""
    reasons = [reason for reason in _reasons(feed) if reason.points]
    return GRADES[min(sum(reason.points for reason in reasons), len(GRADES) - 1)], reasons


def _reasons(feed: Mapping[str, Any]) -> Iterator[Reason]:
    whole, sla, reads = feed["completeness"], float(feed["sla_seconds"]), feed["batches"]
    if whole is not None:
        yield Reason("completeness", whole, COMPLETE, (whole < COMPLETE) + (whole < COMPLETE_GRAVE))
    for rule, name in (("delay", "delay_p95_seconds"), ("silent", "silent_seconds")):
        if (measured := feed[name]) is not None:
            yield Reason(rule, measured, sla, (measured > sla) + (measured > GRAVE * sla))
    yield Reason("breaks", feed["breaks"], 0, (feed["breaks"] > 0) + (feed["breaks"] > BREAKS_GRAVE * reads))
    yield Reason("reads", reads, READS, int(reads < READS))
