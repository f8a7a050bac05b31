"""Answers kept for seconds: asked once, however many wait; what failed is asked again."""

from __future__ import annotations

import asyncio

import pytest

from hub.cache import Asked


def test_many_who_wait_ask_once() -> None:
    asked: list[str] = []

    async def ask() -> str:
        asked.append("once")
        await asyncio.sleep(0)
        return "answer"

    async def many() -> list[str]:
        return await asyncio.gather(*(cache.get("key", ask) for _ in range(5)), cache.get("key", ask))

    cache: Asked[str] = Asked(60)
    assert asyncio.run(many()) == ["answer"] * 6
    assert (asked, cache.find("key"), cache.find("other")) == (["once"], "answer", None)


def test_an_error_reaches_all_who_wait_and_is_not_kept() -> None:
    async def fail() -> str:
        raise LookupError("gone")

    async def find() -> str:
        return "found"

    async def both() -> list[str | BaseException]:
        waiting = await asyncio.gather(cache.get("key", fail), cache.get("key", fail), return_exceptions=True)
        return [*waiting, await cache.get("key", find)]

    cache: Asked[str] = Asked(60)
    first, second, after = asyncio.run(both())
    assert (type(first), type(second), after) == (LookupError, LookupError, "found")


@pytest.mark.parametrize(("seconds", "times"), [(60, 1), (0, 2)])
def test_what_is_no_longer_fresh_is_asked_again(seconds: int, times: int) -> None:
    asked: list[int] = []

    async def ask() -> int:
        asked.append(1)
        return len(asked)

    async def twice() -> None:
        await cache.get("key", ask)
        await cache.get("key", ask)

    cache: Asked[int] = Asked(seconds)
    asyncio.run(twice())
    assert len(asked) == times
