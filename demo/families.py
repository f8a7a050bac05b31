"""The families of industrial materials and the words for them, read from `families.yaml`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

_DATA: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("families.yaml").read_text("utf-8"))


@dataclass(frozen=True, slots=True)
class Family:
    """`spec` is a format string over the axes; `units` are the units plants keep it in, base first: (unit key, base
    units in one, or w for by weight). `shelf_days` > 0 makes it a lot material; `affinity` names plants that hold
    more of it."""

    key: str
    class_code: str
    zh: tuple[str, ...]
    en: tuple[str, ...]
    spec: str
    standard: str
    axes: dict[str, tuple[str, ...]]
    price: tuple[float, float]
    weight: tuple[float, float]
    units: tuple[tuple[str, str], ...]
    brands: tuple[str, ...] = ()
    shelf_days: int = 0
    affinity: tuple[str, ...] = ()


def _frozen(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _frozen(v) for k, v in value.items()}
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


FAMILIES = tuple(Family(**_frozen(entry)) for entry in _DATA["families"])
EQUIVALENTS: dict[str, tuple[str, ...]] = _frozen(_DATA["equivalents"])
EQUIVALENT_EN: dict[str, str] = _DATA["english"]
UNIT_WORDS: dict[str, dict[str, str]] = _DATA["unit_words"]
UNIT_CHOICE: dict[str, int] = _DATA["unit_choice"]
REC20: dict[str, str] = _DATA["rec20"]
