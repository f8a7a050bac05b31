"""Answers kept for seconds, per set of readable organisations: what many callers ask at once is computed once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from sqlalchemy.orm import Session

from hub import cache

T = TypeVar("T")
LOCKS = 64


def _full(session: Session, key: Hashable) -> Hashable:
    return str(session.get_bind().engine.url), frozenset(session.info["tenancy"].readable), key


class Cache:
    """Keeps answers for `seconds`; while one caller computes, others of the same key wait for it."""

    def __init__(self, seconds: float, entries: int = 256) -> None:
        self._kept: cache.Cache[Any] = cache.Cache(seconds, entries)
        self._locks = [threading.Lock() for _ in range(LOCKS)]

    def get(self, session: Session, key: Hashable, compute: Callable[[], T]) -> T:
        """The answer under `key` for whoever reads what this session reads, on this session's database."""
        full = _full(session, key)
        with self._locks[hash(full) % LOCKS]:
            found = self._kept.find(full)
            if found is None:
                found = compute()
                self._kept.put(full, found)
            answer: T = found
            return answer

    def find(self, session: Session, key: Hashable) -> Any:
        """What `put` left under `key`, if it is still fresh; else None."""
        return self._kept.find(_full(session, key))

    def put(self, session: Session, key: Hashable, answer: Any) -> None:
        self._kept.put(_full(session, key), answer)

    def clear(self) -> None:
        self._kept.clear()
