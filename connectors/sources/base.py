"""What every source has in common: pages of rows as the legacy system gave them, and the three errors that tell
the runner what to do. No base class: a source is any class with this one generator method."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol


class SourceError(Exception):
    """Says in words what happened and what to do; never carries a secret."""


class Retry(SourceError):
    """The source cannot answer now (network, lock, restart): try this run again later."""


class Abort(SourceError):
    """This run cannot succeed until a person acts (password, rights, changed columns, unreadable file)."""


class Skip(SourceError):
    """One record cannot be read: it is counted, kept with its reason, and shown."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A record the source could not read: where it stands, what it holds, why."""

    where: str
    raw: Mapping[str, Any]
    reason: str


@dataclass(frozen=True, slots=True)
class Page:
    """Rows of one table in the order of the source. `rows` are tuples in the order of `columns`, with values as the
    driver gave them (str, int, Decimal, datetime, bytes, None, list, dict), or one Arrow table of the same rows
    (`connectors.tables.Columnar`), which makes tuples only where somebody looks. `observed_at` is the source's clock at
    the start of the read (aware; same on every page of one read), None where the source has no clock."""

    columns: Sequence[str]
    rows: Sequence[tuple[Any, ...]]
    observed_at: datetime | None = None
    skipped: Sequence[Skipped] = field(default=())


class Source(Protocol):
    """One legacy system. `read` streams one table of the mapping, all rows whose cursor is not less than `since` (None:
    everything). `since` lies a margin behind the newest durable row; the reader drops what comes again. It must raise
    Retry or Abort rather than end early: a read that ends is a complete read."""

    def read(self, table: Mapping[str, Any], since: str | None) -> Iterator[Page]: ...
