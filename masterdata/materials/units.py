"""Exact conversion of quantities: the same rule as convert_quantity in the database, for what is computed here."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction

from sqlalchemy import text
from sqlalchemy.orm import Session

from masterdata.materials.schemas import UnitOut


def convert(quantity: Decimal, numerator: Decimal, denominator: Decimal, decimals: int) -> Decimal:
    """quantity × numerator ÷ denominator, half-even at `decimals`, rounded once; factor 1 leaves it as it is."""
    if numerator == denominator:
        return quantity
    exact = Fraction(quantity) * Fraction(numerator) / Fraction(denominator)
    return Decimal(round(exact * 10**decimals)).scaleb(-decimals)


def list_units(session: Session) -> list[UnitOut]:
    rows = session.execute(
        text("select code, name_zh, name_en, symbol_zh, symbol_en, dimension, decimals from unit order by 6, 1")
    )
    return [UnitOut(**row) for row in rows.mappings()]


def units_by_code(session: Session) -> Mapping[str, UnitOut]:
    return {unit.code: unit for unit in list_units(session)}
