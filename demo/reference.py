"""What head office knows beside the legacy systems: exchange rates, a cross-reference file, unit factors of its own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from demo.families import REC20
from demo.world import SEED

_MIDDLE = {"USD": 7.12, "EUR": 7.74, "HKD": 0.913}
_XREF_PERCENT = 12


@dataclass(frozen=True, slots=True)
class Rate:
    """1 `currency` = `rate` `base` from `valid_on` on."""

    currency: str
    base: str
    valid_on: date
    rate: Decimal


@dataclass(frozen=True, slots=True)
class Xref:
    """One line of the cross-reference file: a source record is the group's material `number`."""

    system: str
    item_id: str
    number: str


@dataclass(frozen=True, slots=True)
class UnitFactor:
    """Exact: quantity in `unit` × numerator ÷ denominator = quantity in the material's group unit `base_unit`."""

    system: str
    item_id: str
    unit: str
    base_unit: str
    numerator: int
    denominator: int


def rates(start: datetime, end: datetime) -> list[Rate]:
    """One rate a day and currency against CNY; the same walk for the same days."""
    days = (end.date() - start.date()).days + 1
    found = []
    for n, (currency, middle) in enumerate(_MIDDLE.items()):
        steps = np.random.default_rng((SEED, n)).normal(0, 0.0022, days)
        level, path = 0.0, []
        for step in steps:
            level = level * 0.985 + step
            path.append(round(middle * (1 + level), 4))
        found += [Rate(currency, "CNY", start.date() + timedelta(days=d), Decimal(str(r))) for d, r in enumerate(path)]
    return found


def xref(truth_folder: Path) -> list[Xref]:
    """An eighth of the materials were matched by hand some time ago; WMS codes are known, as one plant keeps both
    systems."""
    table = pq.read_table(truth_folder / "source_materials.parquet", columns=["system", "item_id", "number"])
    rows = [Xref(*values) for values in zip(*(table[c].to_pylist() for c in table.column_names), strict=True)]
    return [r for r in rows if int(r.number[2:]) % 100 < _XREF_PERCENT]


def units(truth_folder: Path) -> list[UnitFactor]:
    """Factors of every record whose plant keeps it in another unit than the group; head office measured or looked
    them up."""
    table = pq.read_table(truth_folder / "source_materials.parquet").to_pylist()
    return [
        UnitFactor(r["system"], r["item_id"], r["unit"], REC20[r["base_unit"]], r["numerator"], r["denominator"])
        for r in table
        if r["numerator"] != r["denominator"]
    ]
