"""True materials of the group, drawn from the families with a fixed seed: what a thing is, before any plant writes it
down."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from demo.families import EQUIVALENT_EN, FAMILIES, Family


@dataclass(frozen=True, slots=True)
class Material:
    """`price` is CNY per base unit, `weight` kg per base unit, `number` the group's own material number."""

    number: str
    family: Family
    axes: dict[str, str]
    brand: str
    mpn: str
    gtin: str
    price: Decimal
    weight: Decimal
    revision: int

    @property
    def spec(self) -> str:
        suffix = f" R{self.revision}" if self.revision else ""
        return self.family.spec.format(**self.axes) + suffix

    @property
    def spec_en(self) -> str:
        return self.family.spec.format(**{k: EQUIVALENT_EN.get(v, v) for k, v in self.axes.items()}) + (
            f" R{self.revision}" if self.revision else ""
        )


def gtin13(serial: int) -> str:
    """A GTIN-13 under GS1 prefix 952, which GS1 keeps for demonstrations, with its check digit."""
    body = f"952{serial:09d}"
    return body + check_digit(body)


def check_digit(body: str) -> str:
    """GS1 General Specifications, 7.9: weights 3 and 1 from the right."""
    total = sum(int(d) * (3 if i % 2 == 0 else 1) for i, d in enumerate(reversed(body)))
    return str(-total % 10)


def draw_materials(count: int, rng: np.random.Generator) -> list[Material]:
    """`count` different materials, spread over the families; past the end of a family's grid come revisions."""
    sizes = np.array([_grid_size(f) for f in FAMILIES], dtype=float)
    weights = np.sqrt(sizes) / np.sqrt(sizes).sum()
    per_family = rng.multinomial(count, weights)
    materials: list[Material] = []
    for family, wanted in zip(FAMILIES, per_family, strict=True):
        points = _points(family)
        for i in range(int(wanted)):
            if i % len(points) == 0:
                order = rng.permutation(len(points))
            point = points[order[i % len(points)]]
            materials.append(_material(len(materials), family, point, i // len(points)))
    return materials


def _grid_size(family: Family) -> int:
    return math.prod(len(v) for v in family.axes.values()) * max(1, len(family.brands))


def _points(family: Family) -> list[tuple[tuple[int, ...], str]]:
    indices = itertools.product(*(range(len(v)) for v in family.axes.values()))
    return list(itertools.product(indices, family.brands or ("",)))


def _material(serial: int, family: Family, point: tuple[tuple[int, ...], str], revision: int) -> Material:
    indices, brand = point
    axes = {name: values[i] for (name, values), i in zip(family.axes.items(), indices, strict=True)}
    places = [i / (len(v) - 1) for i, v in zip(indices, family.axes.values(), strict=True) if len(v) > 1]
    rank = sum(places) / max(1, len(places))
    designation = family.spec.format(**axes).replace(" ", "").replace("×", "-") + (f"R{revision}" if revision else "")
    return Material(
        number=f"CC{serial + 1:07d}",
        family=family,
        axes=axes,
        brand=brand,
        mpn=f"{brand.rsplit('|', 1)[1]}-{designation}" if brand else "",
        gtin=gtin13(10_000 + serial * 7),
        price=_between(family.price, rank, "0.01"),
        weight=_between(family.weight, rank, "0.0001"),
        revision=revision,
    )


def _between(ends: tuple[float, float], rank: float, step: str) -> Decimal:
    low, high = ends
    value = Decimal(repr(low * (high / low) ** rank)).quantize(Decimal(step))
    return max(value, Decimal(step))
