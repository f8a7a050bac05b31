"""An independent oracle of positions: the definition, read aloud over the set of facts."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal


@dataclass(frozen=True)
class Listing:
    """A read at instant `at`: what it lists, what it could not read; full reads observe all else as zero."""

    at: int
    listed: dict[str, int]
    gaps: frozenset[str] = frozenset()
    full: bool = True


@dataclass(frozen=True)
class Move:
    """One version of a movement line."""

    line: str
    key: str
    at: int
    quantity: int
    modified: int | None = None
    voided: bool = False


@dataclass
class Oracle:
    """Facts in the order they were recorded; `known` counts the first so many of them."""

    facts: list[Listing | Move] = field(default_factory=list)

    def value(self, key: str, at: float, known: int | None = None) -> Decimal:
        facts = list(enumerate(self.facts))[: len(self.facts) if known is None else known]
        seen = [
            (f.at, n, f.listed.get(key, 0))
            for n, f in facts
            if isinstance(f, Listing) and f.at <= at and key not in f.gaps and (f.full or key in f.listed)
        ]
        since, _, base = max(seen, default=(float("-inf"), 0, 0))
        lines: dict[str, tuple[tuple[float, int], Move]] = {}
        for n, f in facts:
            if isinstance(f, Move):
                rank = (float("-inf") if f.modified is None else f.modified, n)
                if f.line not in lines or rank > lines[f.line][0]:
                    lines[f.line] = (rank, f)
        moves = [m.quantity for _, m in lines.values() if m.key == key and not m.voided and since < m.at <= at]
        return Decimal(base + sum(moves))
