"""Pushed balances as observations: the instant each was true at, and of one key at one instant the last one said."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa

from connectors.contract import streams

STREAM = "stock_positions"
# Each instant becomes a batch, and so an open file, of its own.
LINES_MAX = 128
# A clock further ahead than this is wrong: the hub takes no batch of such an instant.
AHEAD = timedelta(minutes=5)


def by_instant(table: pa.Table, received: Sequence[datetime]) -> Iterator[tuple[datetime, pa.Table]]:
    """The records by their own instant (`modified_at`), or where they have none that can be so, by the one at which
    they were received; `received` is indexed by `_row`."""
    table = table.sort_by("_row")
    chosen: dict[datetime, dict[tuple[Any, ...], int]] = {}
    for position, record in enumerate(table.to_pylist()):
        arrived, own = received[record["_row"]], record["modified_at"]
        instant = arrived if own is None or own > arrived + AHEAD else own
        chosen.setdefault(instant, {})[_key(record)] = position
    for instant in sorted(chosen):
        yield instant, table.take(sorted(chosen[instant].values()))


def _key(record: dict[str, Any]) -> tuple[Any, ...]:
    """What a record speaks of; one that could not be read may speak of anything, and stays beside the others."""
    if record["_problem"]:
        return (record["_row"],)
    return tuple(record[name] for name in streams()[STREAM].key)
