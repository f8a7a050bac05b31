"""Which value of a golden material survives of what its sources say: a literal list, read at every question. The four
attributes that lists show are also kept in golden_material by golden_refresh, after the same rules."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

HAN = re.compile(r"[\u4e00-\u9fff]")
NAME_MAX = 300


@dataclass(frozen=True, slots=True)
class Rule:
    """`fullest`: the longest text, then the first in order; `commonest`: the most frequent value, then the first."""

    name: str
    choice: Literal["fullest", "commonest"]
    read: Callable[[Any], str | None]


def _name(given: str, is_han: bool) -> Callable[[Any], str | None]:
    """The source's name in one language, with its specification if the name does not hold it yet."""

    def read(source: Any) -> str | None:
        words = getattr(source, given)
        if words is None and source.name is not None and bool(HAN.search(source.name)) == is_han:
            words = source.name
        if words is None or source.specification is None or source.specification.lower() in words.lower():
            return None if words is None else words[:NAME_MAX]
        return f"{words} {source.specification}"[:NAME_MAX]

    return read


def _field(name: str) -> Callable[[Any], str | None]:
    return lambda source: getattr(source, name)


RULES = (
    Rule("name_zh", "fullest", _name("name_zh", True)),
    Rule("name_en", "fullest", _name("name_en", False)),
    Rule("specification", "fullest", _field("specification")),
    Rule("class_code", "commonest", _field("class_code")),
    Rule("gtin", "commonest", _field("gtin_key")),
    Rule("brand", "commonest", _field("brand")),
    Rule("mpn", "commonest", _field("mpn")),
    Rule("base_unit", "commonest", _field("base_unit")),
)


def survive(rule: Rule, values: Sequence[str | None]) -> str | None:
    said = sorted(value for value in values if value is not None)
    if not said:
        return None
    if rule.choice == "fullest":
        return min(said, key=lambda value: (-len(value), value))
    counts = Counter(said)
    return min(counts, key=lambda value: (-counts[value], value))
