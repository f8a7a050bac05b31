"""Exact conversion, half to even; the seed of units; factors out of units, dimensions and materials' own facts."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, text

from masterdata.golden import service
from masterdata.golden.schemas import InventoryQuery
from masterdata.materials.units import convert
from tests.masterdata.shop import Shop

QUANTITIES = st.decimals(min_value=-(10**9), max_value=10**9, places=9)
WHOLE = st.integers(1, 10**6).map(Decimal)
SLOW = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])


@SLOW
@given(QUANTITIES, WHOLE, WHOLE, st.integers(0, 9))
def test_database_and_program_convert_alike_and_exactly(
    connection: Connection, quantity: Decimal, numerator: Decimal, denominator: Decimal, decimals: int
) -> None:
    found = connection.execute(
        text("select convert_quantity(:q, :n, :d, :k)"),
        {"q": quantity, "n": numerator, "d": denominator, "k": decimals},
    ).scalar_one()
    exact = Fraction(quantity) * Fraction(numerator) / Fraction(denominator)
    assert found == convert(quantity, numerator, denominator, decimals)
    error = abs(Fraction(found) - exact) * 10**decimals
    assert numerator == denominator or error <= Fraction(1, 2)
    assert numerator == denominator or error < Fraction(1, 2) or int(found * 10**decimals) % 2 == 0


@SLOW
@given(QUANTITIES, st.integers(0, 9))
def test_rounding_goes_half_to_even(connection: Connection, amount: Decimal, decimals: int) -> None:
    found = connection.execute(text("select round_half_even(:a, :k)"), {"a": amount, "k": decimals}).scalar_one()
    with localcontext(prec=60):
        assert found == amount.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_EVEN)


TIES = [("2.5", "2"), ("3.5", "4"), ("-2.5", "-2"), ("-3.5", "-4"), ("0.5", "0"), ("1.5", "2"), ("2.5000000001", "3")]


@pytest.mark.parametrize(("amount", "rounded"), TIES)
def test_ties(connection: Connection, amount: str, rounded: str) -> None:
    found = connection.execute(text("select round_half_even(:a, 0)"), {"a": Decimal(amount)}).scalar_one()
    assert found == Decimal(rounded)


# 1 of the unit in its dimension's base unit (NIST SP 811, UN/ECE Recommendation 20).
SEEDED = [
    ("LBR", "0.45359237"), ("ONZ", "0.028349523125"), ("STN", "907.18474"), ("INH", "0.0254"), ("FOT", "0.3048"),
    ("FTK", "0.09290304"), ("GLL", "0.003785411784"), ("GLI", "0.00454609"), ("BLL", "0.158987294928"),
    ("FTQ", "0.028316846592"), ("INQ", "0.000016387064"), ("OZA", "0.0000295735295625"), ("TNE", "1000"), ("DZN", "12"),
]  # fmt: skip


@pytest.mark.parametrize(("code", "factor"), SEEDED)
def test_seeded_factors(connection: Connection, code: str, factor: str) -> None:
    row = connection.execute(text("select numerator, denominator from unit where code = :c"), {"c": code}).one()
    assert Fraction(row.numerator) / Fraction(row.denominator) == Fraction(factor)


FACTORS = [
    ("C62", "C62", (), ("5", False)),
    ("DZN", "C62", (), ("60", False)),
    ("GRM", "KGM", (), ("0.005", False)),
    ("XBX", "C62", (("XBX", "200", "1"),), ("1000", False)),
    ("KGM", "C62", (("KGM", "1", "0.0162"),), ("309", False)),
    ("GRM", "C62", (("KGM", "1", "0.0162"),), ("0", False)),
    ("XBX", "C62", (), ("5", True)),
    ("MTR", "KGM", (), ("5", True)),
]


@pytest.mark.parametrize(("unit", "base", "facts", "expected"), FACTORS)
def test_factors_of_a_material(
    shop: Shop, unit: str, base: str, facts: tuple[tuple[str, str, str], ...], expected: tuple[str, bool]
) -> None:
    a = shop.plant("a")
    shop.material(a, "X", base_unit=base)
    for fact in facts:
        shop.unit(a, "X", *fact)
    shop.observe(a, {"item": "X", "quantity": 5, "unit": unit})
    (row,) = service.list_inventory(shop.session, InventoryQuery()).items
    shown = row.apart[0].on_hand if row.apart else row.stock.on_hand
    assert (shown, bool(row.apart), row.stock.unit) == (Decimal(expected[0]), expected[1], base)


def test_a_factor_learned_later_joins_what_stood_apart(shop: Shop) -> None:
    a = shop.plant("a")
    shop.material(a, "X")
    shop.observe(a, {"item": "X", "quantity": 3, "unit": "XRL"}, {"item": "X", "quantity": 1})
    shop.unit(a, "X", "XRL", 50)
    (row,) = service.list_inventory(shop.session, InventoryQuery()).items
    assert (row.stock.on_hand, row.apart) == (151, [])
