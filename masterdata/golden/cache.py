"""Answers kept for seconds, per set of readable organisations: what many callers ask at once is computed once."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from sqlalchemy.orm import Session

T = TypeVar("T")
ENTRIES_MAX = 256


def _full(session: Session, key: Hashable) -> Hashable:
    return str(session.get_bind().engine.url), frozenset(session.info["tenancy"].readable), key


class Cache:
    """Keeps answers for `seconds`; while one caller computes, others of the same key wait for it."""

    def __init__(self, seconds: float, entries: int = ENTRIES_MAX) -> None:
        self._seconds, self._entries = seconds, entries
        self._kept: OrderedDict[Hashable, tuple[float, Any]] = OrderedDict()
        self._locks: dict[Hashable, threading.Lock] = {}
        self._guard = threading.Lock()

    def get(self, session: Session, key: Hashable, compute: Callable[[], T]) -> T:
        """The answer under `key` for whoever reads what this session reads, on this session's database."""
        full = _full(session, key)
        with self._guard:
            lock = self._locks.setdefault(full, threading.Lock())
        with lock:
            found = self._fresh(full)
            if found is None:
                found = (0.0, compute())
                self._keep(full, found[1])
            answer: T = found[1]
            return answer

    def find(self, session: Session, key: Hashable) -> Any:
        """What `put` left under `key`, if it is still fresh; else None."""
        found = self._fresh(_full(session, key))
        return None if found is None else found[1]

    def put(self, session: Session, key: Hashable, answer: Any) -> None:
        self._keep(_full(session, key), answer)

    def _fresh(self, full: Hashable) -> tuple[float, Any] | None:
        found = self._kept.get(full)
        return found if found is not None and time.monotonic() - found[0] < self._seconds else None

    def _keep(self, full: Hashable, answer: Any) -> None:
        with self._guard:
            self._kept[full] = (time.monotonic(), answer)
            self._kept.move_to_end(full)
            while len(self._kept) > self._entries:
                oldest, _ = self._kept.popitem(last=False)
                self._locks.pop(oldest, None)

    def clear(self) -> None:
        with self._guard:
            self._kept.clear()
            self._locks.clear()
