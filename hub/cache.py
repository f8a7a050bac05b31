"""Answers kept for seconds in this process."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Cache(Generic[T]):
    """The newest `entries` answers, each for `seconds`. Safe between threads."""

    def __init__(self, seconds: float, entries: int = 256) -> None:
        self._seconds, self._entries = seconds, entries
        self._kept: OrderedDict[Hashable, tuple[float, T]] = OrderedDict()
        self._guard = threading.Lock()

    def find(self, key: Hashable) -> T | None:
        """What `put` left under `key`, if it is still fresh."""
        found = self._kept.get(key)
        return found[1] if found is not None and time.monotonic() - found[0] < self._seconds else None

    def put(self, key: Hashable, answer: T) -> None:
        with self._guard:
            self._kept[key] = (time.monotonic(), answer)
            self._kept.move_to_end(key)
            while len(self._kept) > self._entries:
                self._kept.popitem(last=False)

    def clear(self) -> None:
        with self._guard:
            self._kept.clear()


class Asked(Cache[T]):
    """A cache that asks once, however many of an event loop wait for the same answer."""

    def __init__(self, seconds: float, entries: int = 256) -> None:
        super().__init__(seconds, entries)
        self._asking: dict[Hashable, asyncio.Future[T]] = {}

    async def get(self, key: Hashable, ask: Callable[[], Awaitable[T]]) -> T:
        """The fresh answer under `key`; an error of `ask` reaches all who wait and is not kept."""
        known = self.find(key)
        if known is not None:
            return known
        own = (asyncio.get_running_loop(), key)
        asking = self._asking.get(own)
        if asking is None:
            asking = self._asking[own] = asyncio.ensure_future(self._ask(key, ask))
            asking.add_done_callback(lambda _: self._asking.pop(own, None))
        return await asyncio.shield(asking)

    async def _ask(self, key: Hashable, ask: Callable[[], Awaitable[T]]) -> T:
        answer = await ask()
        self.put(key, answer)
        return answer
