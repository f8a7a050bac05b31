"""Keyset paging: a page is the rows after a key, so it costs the same however deep one is. Cursors are opaque."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

from fastapi import Depends, Query
from pydantic import BaseModel, Field
from sqlalchemy import ColumnElement, tuple_

from hub.errors import Unprocessable

DEFAULT, MOST = 50, 10_000

T = TypeVar("T")

_READ: dict[str, Callable[[str], Any]] = {
    "u": UUID,
    "t": datetime.fromisoformat,
    "d": date.fromisoformat,
    "n": Decimal,
}
_MARKS: tuple[tuple[type, str], ...] = ((UUID, "u"), (datetime, "t"), (date, "d"), (Decimal, "n"))


class Page(BaseModel, Generic[T]):
    """`next` is the cursor of the following page; null on the last."""

    items: list[T]
    next: str | None = Field(default=None, description="cursor of the next page; null: this is the last")


@dataclass(frozen=True, slots=True)
class Paging:
    limit: int = DEFAULT
    after: str | None = None

    def key(self, kinds: Sequence[type]) -> tuple[Any, ...] | None:
        """The key that the page starts after, a part of each kind; None: from the start."""
        return None if self.after is None else decode(self.after, kinds)


async def paging(
    limit: Annotated[int, Query(ge=1, le=MOST, description="rows of a page")] = DEFAULT,
    after: Annotated[str | None, Query(max_length=2_000, description="`next` of the page before")] = None,
) -> Paging:
    return Paging(limit, after)


PagingDep = Annotated[Paging, Depends(paging)]


def encode(key: Sequence[Any]) -> str:
    """A cursor out of a key: text, whole numbers, UUID, Decimal, dates and instants."""
    raw = json.dumps([_mark(part) for part in key], ensure_ascii=False, separators=(",", ":"))
    return base64.urlsafe_b64encode(raw.encode()).decode().rstrip("=")


def decode(cursor: str, kinds: Sequence[type]) -> tuple[Any, ...]:
    """The key in a cursor; raises Unprocessable for anything that `encode` did not make for a key of these kinds."""
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        parts = json.loads(raw)
        key = tuple(_unmark(part) for part in parts)
    except (binascii.Error, ValueError, ArithmeticError, TypeError, KeyError, RecursionError) as error:
        raise _foreign() from error
    if not isinstance(parts, list) or [type(part) for part in key] != list(kinds) or not all(map(_fits, key)):
        raise _foreign()
    return key


def _fits(part: Any) -> bool:
    """What the database can compare with: text without NUL, 64-bit numbers, instants with their zone."""
    if isinstance(part, str):
        return "\0" not in part
    if isinstance(part, int):
        return -(2**63) <= part < 2**63
    return part.tzinfo is not None if isinstance(part, datetime) else True


def cut(rows: Sequence[T], limit: int, key: Callable[[T], Sequence[Any]]) -> tuple[Sequence[T], str | None]:
    """Of `limit` + 1 rows asked for: the page and the cursor after it (None when there is no more)."""
    page = rows[:limit]
    return page, encode(key(page[-1])) if len(rows) > limit and page else None


def after(columns: Sequence[ColumnElement[Any]], key: tuple[Any, ...]) -> ColumnElement[bool]:
    """The condition "beyond `key`" in ascending order of non-null columns."""
    return tuple_(*columns) > tuple_(*key)


def _foreign() -> Unprocessable:
    return Unprocessable("`after` is no cursor of this list. Take `next` of the page before, or leave it out.")


def _mark(part: Any) -> Any:
    for kind, mark in _MARKS:
        if isinstance(part, kind):
            return {mark: part.isoformat() if isinstance(part, date) else str(part)}
    return part


def _unmark(part: Any) -> Any:
    if isinstance(part, dict):
        ((mark, value),) = part.items()
        return _READ[mark](value)
    if isinstance(part, list | float):
        raise ValueError("no part of a key")
    return part
