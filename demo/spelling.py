"""How each plant writes a material down: its code, name, specification, brand and GTIN, in its own habits and with
its slips."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from demo.catalogue import Material
from demo.families import EQUIVALENTS

_FULL_WIDTH = str.maketrans("0123456789", "０１２３４５６７８９")


@dataclass(frozen=True, slots=True)
class Words:
    code: str
    name: str
    name_zh: str
    name_en: str
    spec: str


def _equivalent(text: str, m: Material, roll: float) -> str:
    for value in m.axes.values():
        others = EQUIVALENTS.get(value)
        if others and roll < 0.5:
            text = text.replace(value, others[int(roll * 2 * len(others))])
    return text


def _pick(options: tuple[str, ...], roll: float) -> str:
    return options[min(int(roll * len(options)), len(options) - 1)]


def _u8(m: Material, n: int, *_: float) -> Words:
    name = m.family.zh[0]
    return Words(f"{m.family.class_code}{n:04d}", name, name, "", f"{m.spec} {m.family.standard}".replace("×", "*"))


def _k3(m: Material, n: int, a: float, b: float) -> Words:
    c, name = m.family.class_code, _pick(m.family.zh, a)
    code = f"{int(c[0]) + 1}.{c[:2]}.{c[2:]}.{n:04d}"
    return Words(code, name, name, "", _equivalent(m.spec, m, b).replace("×", "X"))


def _odoo(m: Material, n: int, a: float, b: float) -> Words:
    initials = "".join(w[0] for w in m.family.en[0].upper().split()[:3])
    spec = _equivalent(m.spec_en, m, b).replace("×", "x")
    name = f"{_pick(m.family.en, a)} {spec}"
    chinese = f"{m.family.zh[0]} {m.spec}" if b < 0.7 else ""
    return Words(f"{initials}-{n:04d}", name, chinese, name, spec)


def _wms(m: Material, n: int, *_: float) -> Words:
    name = f"{m.family.en[-1]} {m.spec_en}".upper().replace("×", "X")[:40]
    return Words(f"FH{n:06d}", name, "", name, "")


def _jsh(m: Material, n: int, a: float, b: float) -> Words:
    spec = _equivalent(m.spec, m, b).replace("×", "x" if a < 0.5 else "×")
    name = _pick(m.family.zh, a) + (f" {spec}" if b < 0.4 else "")
    return Words(f"{6_900_000 + n}", name, name, "", spec)


def _erpnext(m: Material, n: int, a: float, b: float) -> Words:
    name = f"{_pick(m.family.en, a)} {m.spec_en}".replace("×", "x")
    chinese = m.family.zh[0] if b < 0.2 else ""
    return Words(f"STD-{n:04d}", name, chinese, name, m.family.standard)


def _csv(m: Material, n: int, a: float, b: float) -> Words:
    spec = m.spec.translate(_FULL_WIDTH) if b > 0.96 else m.spec.replace("×", "×" if a < 0.6 else "*")
    return Words(f"{n:08d}", _pick(m.family.zh, a), _pick(m.family.zh, a), "", spec)


def _xlsx(m: Material, n: int, a: float, b: float) -> Words:
    spec = _equivalent(m.spec, m, b / 2).replace("×", "*")
    spec = spec[1:] if spec.startswith("M") and a < 0.3 else spec
    name = f"{m.family.zh[-1]} {spec}"
    return Words(f"LJ-{m.family.class_code}-{n:03d}", name, name, "", spec)


WRITERS: dict[str, Callable[[Material, int, float, float], Words]] = {
    "qingyu-u8": _u8, "songjian-k3": _k3, "wugang-odoo": _odoo, "wugang-wms": _wms,
    "baishi-jsh": _jsh, "kongxi-erpnext": _erpnext, "duoyan-csv": _csv, "luyu-xlsx": _xlsx,
}  # fmt: skip


def write_down(system: str, material: Material, number: int, rng: np.random.Generator) -> Words:
    """The words of one system for a material; `number` is the running number of its own code."""
    first, second = rng.random(2)
    return WRITERS[system](material, number, first, second)


def gtin_as_kept(material: Material, roll: float) -> str:
    """What stands in the GTIN field: a third right, a few mistyped (the check digit tells), the rest empty."""
    if roll < 0.34:
        return material.gtin
    if roll < 0.36:
        return material.gtin[:-1] + str((int(material.gtin[-1]) + 3) % 10)
    return ""


def brand_as_kept(material: Material, language: str, roll: float) -> tuple[str, str]:
    """Brand and part number where the plant keeps them, the brand in its own language."""
    if not material.brand or roll > 0.62:
        return "", ""
    chinese, english, _ = material.brand.split("|")
    return (chinese if language == "zh" else english), material.mpn
