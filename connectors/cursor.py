"""How far a table has been read: the greatest value of its cursor column, and the window of rows behind it. A row may
be stamped early and committed late, so an incremental read begins a margin behind the cursor; what of that window was
delivered is known by its digests."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from connectors.sources.base import Abort
from connectors.tables import Columnar, as_text, to_text

# A window of more rows shrinks to its newest: it is read and held in the agent's state again and again.
WINDOW_MAX = 5_000
MARGIN_SECONDS, MARGIN_NUMBERS = 300.0, 1_000.0
_NUMERAL = re.compile(r"-?\d+(\.\d+)?", re.ASCII)
# How texts write numbers that are not finite.
_ENDLESS = {"nan", "snan", "inf", "-inf", "infinity", "-infinity"}

Row = tuple[Any, ...]
# What the values of a cursor column are compared by: texts below numbers below instants.
Place = tuple[int, Any]


@dataclass
class Cursor:
    """Follows one read. `column` is None for tables without a cursor: then nothing moves and nothing is dropped.
    `since` is where the read begins, `reached` how far the last one came, `delivered` holds the digests of what it left
    between. `whole` names the column whose rows belong together (their quantities add up): all of a group pass, or
    none. `margin` is in seconds for a cursor of instants, in numbers for one of numbers; None: the usual."""

    column: str | None
    since: str | None
    delivered: frozenset[str] = frozenset()
    whole: str | None = None
    reached: str | None = None
    margin: float | None = None
    value: str | None = field(init=False)
    _top: Place | None = None
    _cut: Place | None = None
    _window: list[tuple[Place, Any, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.value = self.reached = self.reached or self.since
        self._top = place(self.reached) if self.since is not None else None

    def fresh(self, columns: Sequence[str], rows: Sequence[Row]) -> Sequence[Row]:
        """The rows not delivered by an earlier read; the cursor moves over all of them."""
        if self.column is None or not rows:
            return rows
        if self.column not in columns:
            raise Abort(f"the cursor column '{self.column}' is not among the columns read: {', '.join(columns)}")
        position = list(columns).index(self.column)
        if self.since is None:
            newest = _newest(rows, position)
            self._follow(newest, [place(row[position]) for row in newest], position)
            return rows
        places = [place(row[position]) for row in rows]
        delivered = self._follow(rows, places, position)
        fresh = [row for row, old in zip(rows, delivered, strict=True) if not old]
        if self.whole is None or len(fresh) == len(rows):
            return fresh
        group, start = list(columns).index(self.whole), place(self.since)
        changed = {
            row[group]
            for row, at, old in zip(rows, places, delivered, strict=True)
            if not old and (at is None or start is None or at >= start)
        }
        return [row for row in rows if row[group] in changed]

    def _follow(self, rows: Sequence[Row], places: Sequence[Place | None], position: int) -> list[bool]:
        """Move over these rows and remember those of the window; which of them an earlier read delivered."""
        reached, start = (None, None) if self.since is None else (place(self.reached), place(self.since))
        for row, at in zip(rows, places, strict=True):
            if at is not None and (self._top is None or at > self._top):
                self._top, self.value = at, as_text(row[position])
        floor, delivered = place(self._begin), []
        for row, at in zip(rows, places, strict=True):
            # What stands before the window came along with a row of it (a query that keeps groups together).
            along = start is not None and (at is None or at < start)
            kept = along or (at is not None and floor is not None and at >= floor)
            new = at is not None and reached is not None and at > reached
            said = digest(row) if kept or (self.delivered and not new) else ""
            if kept and (self._cut is None or (at or _NOWHERE) > self._cut):
                self._window.append((at or _NOWHERE, row[position], said))
            delivered.append(not new and said in self.delivered)
        if len(self._window) > 4 * WINDOW_MAX:
            self._shrink()
        return delivered

    @property
    def rest(self) -> float:
        """Seconds a cursor stands still before reads begin at the cursor itself: a margin of numbers tells no time."""
        instants = (place(self.value) or _NOWHERE)[0] == _INSTANTS
        return self.margin if instants and self.margin is not None else MARGIN_SECONDS

    @property
    def _begin(self) -> str | None:
        """Where the next read begins, if the window is not too full."""
        begin = behind(self.value, self.margin)
        if (
            begin is not None
            and self.since is not None
            and (place(begin) or _NOWHERE) < (place(self.since) or _NOWHERE)
        ):
            return self.since  # what stands before this read's own beginning is not known
        return begin

    def _shrink(self) -> None:
        if len(self._window) > WINDOW_MAX:
            self._window.sort(key=lambda row: row[0], reverse=True)
            self._cut = self._window[WINDOW_MAX][0]
            self._window = [row for row in self._window if row[0] > self._cut]

    def window(self) -> tuple[str | None, tuple[str, ...]]:
        """Where the next read begins, and the digests of the rows delivered from there on. Of more rows at one value
        than a window holds none is remembered: they come again."""
        self._shrink()
        begin = self._begin
        floor, start = place(begin) or _NOWHERE, place(self.since) or _NOWHERE
        if self._cut is not None and self._cut >= floor:
            least = min((row for row in self._window if row[0] > floor), key=lambda row: row[0], default=None)
            begin = self.value if least is None else as_text(least[1])
            floor = place(begin) or _NOWHERE
        return begin, tuple(sorted({said for at, _, said in self._window if at >= floor or at < start}))


_TEXTS, _NUMBERS, _INSTANTS = range(3)
_NOWHERE: Place = (-1, 0)


def place(value: Any) -> Place | None:
    """What a cursor value is compared by, be it a row's or one `as_text` wrote; naive instants among themselves.
    None for what is nowhere: NULL, and numbers that are not finite."""
    if isinstance(value, str):
        if _NUMERAL.fullmatch(value):
            return (_NUMBERS, Decimal(value))
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None if value.lower() in _ENDLESS else (_TEXTS, value)
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    if isinstance(value, datetime):
        return (_INSTANTS, value if value.tzinfo else value.replace(tzinfo=UTC))
    if isinstance(value, int | float | Decimal):
        return (_NUMBERS, value) if isinstance(value, int) or Decimal(value).is_finite() else None
    return None if value is None else (_TEXTS, as_text(value))


def behind(value: str | None, margin: float | None) -> str | None:
    """The cursor value `margin` before this one, written alike; the value itself where that has no meaning."""
    if value is None or margin == 0:
        return value
    if _NUMERAL.fullmatch(value):
        return _less(value, MARGIN_NUMBERS if margin is None else margin)
    try:
        instant = datetime.fromisoformat(value) - timedelta(seconds=MARGIN_SECONDS if margin is None else margin)
    except (ValueError, OverflowError):
        return value
    return instant.date().isoformat() if len(value) == 10 else instant.isoformat(sep="T" if "T" in value else " ")


def _less(numeral: str, step: float) -> str:
    """With as many decimals and, by zeros, as many places; what was not negative does not become so."""
    decimals = len(numeral.partition(".")[2])
    least = int(numeral.replace(".", "")) - int(Decimal(str(step)).scaleb(decimals))
    digits = str(least if numeral.startswith("-") else max(least, 0)).zfill(len(numeral) - bool(decimals))
    return f"{digits[:-decimals]}.{digits[-decimals:]}" if decimals else digits


def digest(row: Row) -> str:
    """A row's fingerprint: the same for the driver's values and for those that came through Arrow, except numbers that
    only text can hold there."""
    return hashlib.blake2b(repr([_plain(value) for value in row]).encode(), digest_size=12).hexdigest()


def _plain(value: Any) -> str | None:
    if isinstance(value, float):
        value = Decimal(repr(value))
    if isinstance(value, Decimal) and value.is_finite():
        text = format(value + 0 if value.is_zero() else value, "f")
        return text.rstrip("0").rstrip(".") if "." in text else text
    return to_text(value.astimezone(UTC) if isinstance(value, datetime) and value.tzinfo else value)


def _newest(rows: Sequence[Row], position: int) -> Sequence[Row]:
    """The rows of a page that a window could hold, and one more, where Arrow can tell."""
    if not isinstance(rows, Columnar) or len(rows) <= WINDOW_MAX:
        return rows
    column = rows.table.column(position)
    kinds = (pa.types.is_integer, pa.types.is_decimal, pa.types.is_timestamp, pa.types.is_date)
    if not any(is_kind(column.type) for is_kind in kinds):
        return rows
    chosen = pc.select_k_unstable(pa.table({"at": column}), WINDOW_MAX + 1, [("at", "descending")])
    return list(Columnar(rows.table.take(chosen)))
