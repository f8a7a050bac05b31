"""Which plant keeps which material, in which unit, under which words, from which suppliers: the source records of the
group."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pyarrow as pa

from demo import spelling
from demo.catalogue import Material
from demo.families import UNIT_CHOICE, UNIT_WORDS
from demo.plants import SYSTEMS, System

CNY_RATE = {"CNY": Decimal(1), "USD": Decimal("7.1"), "EUR": Decimal("7.8"), "HKD": Decimal("0.91")}
_DUPLICATE_SHARE = 0.03


def source_items(materials: list[Material], count: int, rng: np.random.Generator) -> pa.Table:
    """About `count` rows: system, item_no (from 1 in each system), material (index), words, unit, exact factor, cost.
    base quantity = quantity × num ÷ den."""
    rows: list[dict[str, object]] = []
    popularity = rng.gumbel(size=len(materials))
    chosen: dict[str, np.ndarray] = {}
    for system in SYSTEMS:
        wanted = max(6, round(count * system.share_items))
        pool = chosen["wugang-odoo"] if system.key == "wugang-wms" else np.arange(len(materials))
        likes = np.array([system.organisation in materials[i].family.affinity for i in pool]) * 1.5
        score = popularity[pool] * 0.8 + rng.gumbel(size=len(pool)) + likes
        picked = pool[np.argsort(-score)[:wanted]]
        chosen[system.key] = picked
        twice = rng.choice(picked, size=max(1, round(wanted * _DUPLICATE_SHARE)), replace=False)
        members = rng.permutation(np.concatenate([picked, twice]))
        rows += (_row(system, n, int(m), materials[m], rng) for n, m in enumerate(members, start=1))
    return pa.Table.from_pylist(_odd_codes(rows))


def _row(system: System, number: int, index: int, m: Material, rng: np.random.Generator) -> dict[str, object]:
    words = spelling.write_down(system.key, m, number, rng)
    unit, factor = _unit(system.key, m, rng.random())
    brand, mpn = spelling.brand_as_kept(m, system.language, rng.random())
    currency = "HKD" if system.key == "luyu-xlsx" and rng.random() < 0.12 else system.currency
    cost = (
        m.price * factor.numerator / factor.denominator * Decimal(repr(0.85 + 0.3 * rng.random())) / CNY_RATE[currency]
    )
    return {
        "system": system.key,
        "item_no": number,
        "material": index,
        "code": words.code,
        "name": words.name,
        "name_zh": words.name_zh,
        "name_en": words.name_en,
        "spec": words.spec,
        "class_code": m.family.class_code,
        "unit": unit,
        "unit_word": unit_word(system, unit),
        "base_word": unit_word(system, m.family.units[0][0]),
        "num": factor.numerator,
        "den": factor.denominator,
        "brand": brand,
        "mpn": mpn,
        "gtin": spelling.gtin_as_kept(m, rng.random()),
        "active": bool(rng.random() > 0.03),
        "cost": float(round(max(cost, Decimal("0.0001")), 4)),
        "currency": currency,
        "weight": float(m.weight),
        "price_cny": float(m.price),
        "has_lots": system.has_lots and m.family.shelf_days > 0,
        "shelf_days": m.family.shelf_days,
    }


def _unit(system: str, m: Material, roll: float) -> tuple[str, Fraction]:
    choice = UNIT_CHOICE.get(system, 0)
    unit, factor = m.family.units[choice] if choice < len(m.family.units) and roll < 0.7 else m.family.units[0]
    if factor == "w":
        # K3 converts within unit groups, so it cannot weigh single items: they stay in pieces there.
        return (m.family.units[0][0], Fraction(1)) if system == "songjian-k3" else (unit, 1 / Fraction(str(m.weight)))
    return unit, Fraction(factor)


def unit_word(system: System, unit: str) -> str:
    return UNIT_WORDS.get(system.key, {}).get(unit) or UNIT_WORDS[system.language][unit]


def _odd_codes(rows: Iterable[dict[str, object]]) -> list[dict[str, object]]:
    """Odoo's codes are free text: one code stands on two items, one has blanks around it, one item has none."""
    kept = list(rows)
    odoo = [r for r in kept if r["system"] == "wugang-odoo"]
    odoo[1]["code"] = odoo[0]["code"]
    odoo[2]["code"] = f"  {odoo[2]['code']} "
    odoo[3]["code"] = ""
    return kept


_SUPPLIER_STEMS = (
    "恒通|Hengtong",
    "瑞丰|Ruifeng",
    "金桥|Jinqiao",
    "东岳|Dongyue",
    "华信|Huaxin",
    "远帆|Yuanfan",
    "立新|Lixin",
    "凯达|Kaida",
    "顺合|Shunhe",
    "博联|Bolian",
)
_SUPPLIER_TRADES = ("轴承|Bearings", "标准件|Fasteners", "密封|Seals", "机电|Electric", "金属材料|Metals", "流体|Fluid")


def suppliers(rng: np.random.Generator) -> pa.Table:
    """60 true suppliers; each system knows 24 of them, or more, under its own number and in its own words."""
    rows = []
    for system in SYSTEMS:
        for number, true in enumerate(rng.permutation(60)[: 24 + int(rng.integers(12))], start=1):
            rows.append(_supplier(system, number, int(true), rng.random()))
    return pa.Table.from_pylist(rows)


def _supplier(system: System, number: int, true: int, roll: float) -> dict[str, object]:
    stem_zh, stem_en = _SUPPLIER_STEMS[true % 10].split("|")
    trade_zh, trade_en = _SUPPLIER_TRADES[true // 10].split("|")
    full, short = f"{stem_zh}{trade_zh}有限公司", f"{stem_zh}{trade_zh}"
    english = f"{stem_en} {trade_en} " + ("Co., Ltd." if roll < 0.5 else "Co Ltd")
    name = english if system.language == "en" else (full if roll < 0.7 else short)
    tax = f"91{310000 + true * 37:06d}MA{true:08d}X"[:18] if roll < 0.8 else ""
    return {
        "system": system.key,
        "supplier_no": number,
        "supplier": true,
        "code": f"V{number:04d}",
        "name": name,
        "tax_id": tax,
    }
