"""Pairs of worlds that whoever looks must not tell apart: the same policies, stocks that these policies make one."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from masterdata.disclosure.schemas import BANDS, LEVELS
from tests.masterdata.disclosure.conftest import SISTERS, Mills

Stock = list[dict[str, Any]]
TOP = 5_000_000
# A unit no factor leads to: it stands apart.
UNITS = ("C62", "PAL")


@dataclass(frozen=True)
class Worlds:
    levels: dict[str, str]
    one: dict[str, Stock]
    other: dict[str, Stock]

    def enter(self, mills: Mills, stocks: dict[str, Stock], kind: str = "subsidiary") -> None:
        for plant, level in self.levels.items():
            mills.rule(plant, level, kind)
            mills.shop.observe(mills.plants[plant], *stocks[plant])

    def names(self, *levels: str) -> set[str]:
        return {f"Mill {plant.upper()}zq" for plant, level in self.levels.items() if level in levels}


def row(plant: str, place: int, quantity: Decimal | int, **more: Any) -> dict[str, Any]:
    return {"item": f"{plant}-1", "place": f"{plant}-W{place}", "quantity": quantity} | more


def total_in(band: tuple[int, int | None]) -> st.SearchStrategy[int]:
    """A whole quantity within a band; none in what lies below one."""
    low, high = band
    return st.integers(low, TOP if high is None else high - 1)


@st.composite
def parts(draw: Any, plant: str, total: int, unit: str, first: int) -> Stock:
    """A quantity spread over up to three places, each with some, and stock beside it that is not free."""
    pieces = []
    for place in range(first, first + 2):
        if total > 1:
            pieces.append(row(plant, place, draw(st.integers(1, total - 1)), unit=unit))
            total -= pieces[-1]["quantity"]
    if total:
        pieces.append(row(plant, first + 2, total, unit=unit))
    blocked = draw(st.integers(0, 999))
    return [*pieces, row(plant, first + 3, blocked, status="blocked", unit=unit)]


@st.composite
def stocks_alike(draw: Any, plant: str, level: str) -> tuple[Stock, Stock]:
    """Two stocks of one holder that its level makes one."""
    bands = [(draw(st.sampled_from(BANDS)), unit) for unit in UNITS]
    if level in ("none", "yes_no"):
        floor = 1 if level == "yes_no" and draw(st.booleans()) else 0
        most = 0 if level == "yes_no" and not floor else TOP
        totals = [[draw(st.integers(floor, most)) for _ in UNITS] for _ in range(2)]
    else:
        totals = [[draw(total_in(band)) for band, _ in bands] for _ in range(2)]
    one, other = (
        [piece for n, (q, unit) in enumerate(zip(each, UNITS, strict=True))
         for piece in draw(parts(plant, q, unit, 1 + 10 * n))]
        for each in totals
    )  # fmt: skip
    return one, one if level == "full" else other


@st.composite
def hidden_alike(draw: Any, plants: list[str]) -> list[dict[str, Stock]]:
    """Two ways in which those who hide hold quantities whose sums are of one band: anybody may hold any part."""
    band = draw(st.sampled_from(BANDS))
    both = []
    for _ in range(2):
        left, stocks = draw(total_in(band)), dict[str, Stock]()
        for plant in plants[:-1]:
            share = draw(st.integers(0, left))
            stocks[plant] = draw(parts(plant, share, "C62", 1))
            left -= share
        both.append(stocks | {plants[-1]: draw(parts(plants[-1], left, "C62", 1))})
    return both


@st.composite
def worlds(draw: Any) -> Worlds:
    levels = {plant: draw(st.sampled_from(LEVELS)) for plant in SISTERS}
    one, other = dict[str, Stock](), dict[str, Stock]()
    for plant, level in levels.items():
        if level != "hidden":
            one[plant], other[plant] = draw(stocks_alike(plant, level))
    if unnamed := [plant for plant, level in levels.items() if level == "hidden"]:
        first, second = draw(hidden_alike(unnamed))
        one, other = one | first, other | second
    return Worlds(levels, one, other)
