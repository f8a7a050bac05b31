"""The agent's reading half for tests: real source, mapping and spool; a fold over its batches stands in for the hub."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from connectors.contract import BatchHeader, streams
from connectors.mapping import load
from connectors.reader import SystemParts, read_stream
from connectors.sources import open_source
from connectors.spool import Spool

Row = dict[str, Any]
Key = tuple[Any, ...]


@dataclass
class Folded:
    """What the hub would hold of one stream: rows by key, those of one key in a list; and every problem seen."""

    rows: dict[tuple[str, Key], list[Row]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    batches: list[BatchHeader] = field(default_factory=list)

    def all(self) -> list[Row]:
        return [row for group in self.rows.values() for row in group]

    def sums(self, *keys: str, value: str = "quantity") -> dict[Key, Decimal]:
        """`value` added up by `keys` (`organisation` is one of them), zeroes left out."""
        totals: dict[Key, Decimal] = defaultdict(Decimal)
        for row in self.all():
            totals[tuple(row[k] for k in keys)] += row[value] or Decimal(0)
        return {k: v for k, v in totals.items() if v}


class LegacyAgent:
    def __init__(self, mapping: str, connection: dict[str, Any], parameters: dict[str, Any], folder: Path) -> None:
        own = {"organisation": "own", "system": "legacy", **parameters}
        self.mapping = load(mapping, own)
        spec = self.mapping.spec
        self.spool = Spool(folder)
        self.source = open_source(spec.source, connection, zone=spec.zone, state=folder)
        self.parts = SystemParts("legacy", self.mapping, self.source, self.spool)
        self.held: dict[str, Folded] = defaultdict(Folded)

    def close(self) -> None:
        self.spool.close()
        closing = getattr(self.source, "close", None)
        if closing:
            closing()

    def read(self, stream: str, sync: Any = "full") -> Folded:
        """Read once; what is held of the stream afterwards."""
        before = {b.seq for b in self.spool.batches("ready", 10_000)}
        read_stream(self.parts, stream, sync)
        held = self.held[stream]
        for batch in self.spool.batches("ready", 10_000):
            if batch.seq not in before:
                self._fold(held, batch.header, pq.read_table(batch.path).to_pylist())
        return held

    def _fold(self, held: Folded, header: BatchHeader, rows: Iterable[Row]) -> None:
        held.batches.append(header)
        by_key: dict[tuple[str, Key], list[Row]] = defaultdict(list)
        for row in rows:
            if row["_problem"]:
                held.problems.append(row["_problem"])
            row["organisation"] = header.organisation
            by_key[header.organisation, tuple(row[k] for k in streams()[header.stream].key)].append(row)
        if header.sync == "full":
            held.rows = {k: v for k, v in held.rows.items() if k[0] != header.organisation}
        held.rows |= by_key
