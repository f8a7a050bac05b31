"""A source out of literal pages: what each table gives, or the error it raises."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from connectors.mapping import Mapping as AgentMapping
from connectors.mapping import loads
from connectors.reader import SystemParts
from connectors.sources.base import Page, SourceError
from connectors.spool import Spool

AT = datetime(2026, 1, 31, 2, tzinfo=UTC)

TEXT = """\
source: sql
zone: Asia/Shanghai
units: {个: C62}
status: {待检: quality}
tables:
  stock: {query: s, CURSOR}
  items: {query: i}
streams:
  stock_positions:
    FULL
    organisation: s.org
    coverage: s.area
    from: stock s JOIN items i using (code)
    where: s.qty <> '0'
    fields:
      item_id: s.code
      place_id: s.wh
      unit: unit(i.unit)
      status: status(s.state)
      quantity: number(s.qty)
      expires_on: s.expires
      modified_at: s.at
"""
COLUMNS = ("code", "wh", "qty", "state", "at", "org", "area", "expires")
ITEMS = Page(("code", "unit"), [("A", "个"), ("B", "kg")])


def mapping(*, join: str = "left join", cursor: str = "cursor: at") -> AgentMapping:
    text = TEXT.replace("JOIN", join).replace("CURSOR", cursor).replace(", }", "}")
    return loads("plant.yaml", text.replace("    FULL\n", ""), {"organisation": "qingyu", "system": "u8"})


def stock(code: str, qty: Any, **other: Any) -> tuple[Any, ...]:
    """One row of the driving table."""
    values = {"code": code, "wh": "W1", "qty": qty, "state": "待检", "at": None, "org": "qingyu", "area": "all"}
    return tuple(({**values, "expires": None} | other)[c] for c in COLUMNS)


@dataclass
class LiteralSource:
    """`rows` of the driving table; `fails_after` pages it raises `error`."""

    rows: list[tuple[Any, ...]] = field(default_factory=list)
    lookup: Page = ITEMS
    page_rows: int = 2
    error: SourceError | None = None
    reads: list[tuple[str, str | None]] = field(default_factory=list)
    observed_at: datetime | None = AT

    def read(self, table: Mapping[str, Any], since: str | None) -> Iterator[Page]:
        self.reads.append((str(table["query"]), since))
        if table["query"] == "i":
            yield self.lookup
            return
        at = COLUMNS.index("at")
        rows = [r for r in self.rows if since is None or str(r[at]) >= since]
        for first in range(0, len(rows), self.page_rows):
            page = [(*row, AT.isoformat()) for row in rows[first : first + self.page_rows]]
            yield Page((*COLUMNS, "_received_at"), page, self.observed_at)
        if self.error:
            raise self.error


def parts(folder: Path, source: LiteralSource, made: AgentMapping | None = None) -> SystemParts:
    return SystemParts("u8", made or mapping(), source, Spool(folder / "spool"))
