"""How far a table has been read: the greatest value of its cursor column, and the rows that stand at it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from connectors.sources.base import Abort
from connectors.tables import as_text

BOUNDARY_MAX = 5_000

Row = tuple[Any, ...]


@dataclass
class Cursor:
    """Follows one read. `column` is None for tables without a cursor: then nothing moves and nothing is dropped.
    `whole` names the column whose rows belong together (their quantities add up): all of a group pass, or none."""

    column: str | None
    since: str | None
    known: frozenset[str] = frozenset()
    whole: str | None = None
    _top: Any = None
    _at_top: set[str] = field(default_factory=set)

    def fresh(self, columns: Sequence[str], rows: Sequence[Row]) -> Sequence[Row]:
        """The rows not delivered by an earlier read; the cursor moves over all of them."""
        if self.column is None or not rows:
            return rows
        if self.column not in columns:
            raise Abort(f"the cursor column '{self.column}' is not among the columns read: {', '.join(columns)}")
        position = list(columns).index(self.column)
        self._move(rows, position)
        if self.since is None:
            return rows
        fresh = [r for r in rows if as_text(r[position]) != self.since or digest(r) not in self.known]
        if self.whole is None or len(fresh) == len(rows):
            return fresh
        group = list(columns).index(self.whole)
        changed = {r[group] for r in fresh if as_text(r[position]) >= self.since}
        return [r for r in rows if r[group] in changed]

    def _move(self, rows: Sequence[Row], position: int) -> None:
        values = [_order(r[position]) for r in rows if r[position] is not None]
        if not values:
            return
        top = max(values)
        if self._top is not None and top < self._top:
            return
        if top != self._top:
            self._top, self._at_top = top, set()
        self._at_top |= {digest(r) for r in rows if r[position] is not None and _order(r[position]) == top}

    @property
    def value(self) -> str | None:
        """The cursor of the next read."""
        return self.since if self._top is None else as_text(self._top)

    @property
    def boundary(self) -> tuple[str, ...]:
        """Digests of the rows at that value; none if they are too many to remember (they then come twice)."""
        if self._top is None:
            return tuple(sorted(self.known))
        return tuple(sorted(self._at_top)) if len(self._at_top) <= BOUNDARY_MAX else ()


def digest(row: Row) -> str:
    """A row's fingerprint."""
    return hashlib.blake2b(repr(row).encode(), digest_size=12).hexdigest()


def _order(value: Any) -> Any:
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value
