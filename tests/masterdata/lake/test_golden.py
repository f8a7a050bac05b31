"""The lake's golden inventory is the live one: factors over all roads, halves to even, money, goods of others."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import duckdb
from hypothesis import given
from hypothesis import strategies as st

from hub.columns import new_id
from hub.database import NOBODY, unit_of_work
from hub.settings import settings as hub_settings
from masterdata.intake import replay
from masterdata.intake.schemas import UnitIn
from masterdata.lake.reconcile import reconcile
from masterdata.materials import links, rates
from masterdata.materials.schemas import RateIn, XrefIn
from tests.masterdata.lake.rig import Rig, tries
from tests.masterdata.plant import stock

MEANINGS = {"公斤": "KGM", "打": "DZN", "桶": "LBR"}
LIVE = """
select material_id, unit, golden_id, is_apart, on_hand, available, reserved, in_transit, quality, blocked, consigned,
       value, currency from live.holdings order by all"""
LAKE = LIVE.replace("available", "unrestricted - reserved").replace("live.holdings", "gold.golden_inventory")

units = st.sampled_from(["C62", "KGM", "GRM", "LBR", "DZN", *MEANINGS])
whole = st.integers(1, 10**6)
halves = st.integers(-99, 99).map(lambda n: n * Decimal("0.5"))
quantities = st.one_of(st.decimals(-(10**6), 10**6, places=9), halves)
materials = st.fixed_dictionaries(
    {
        "base_unit": st.none() | units,
        "cost": st.none() | st.decimals("0.000001", 10**5, places=6),
        "currency": st.sampled_from(["CNY", "EUR", "XAU"]),
        "group": st.booleans(),
        "factors": st.dictionaries(units, st.tuples(whole, whole), max_size=2),
    }
)
positions = st.fixed_dictionaries(
    {
        "item": st.integers(0, 2),
        "unit": units,
        "quantity": quantities,
        "reserved": st.none() | st.integers(1, 9).map(Decimal),
        "status": st.sampled_from(["unrestricted", "unrestricted", "quality", "blocked", "in_transit"]),
        "owner": st.sampled_from([None, None, "V1"]),
    }
)


def prepare(rig: Rig, given: list[dict[str, Any]]) -> None:
    """What codes mean, then materials with cost and factors; some of them one golden material."""
    plant = rig.plant
    means(rig, MEANINGS)
    rows = [
        {"item_id": f"M{n}", "name": f"Item {n}", "base_unit": m["base_unit"]}
        | ({"unit_cost": m["cost"], "currency": m["currency"]} if m["cost"] else {})
        for n, m in enumerate(given)
        if m["base_unit"]
    ]
    delivered = plant.deliver("materials", rows, sync="incremental")
    assert delivered["quarantined"] == 0, plant.all("select * from quarantine")
    said = [
        {"item_id": f"M{n}", "unit": unit, "numerator": Decimal(a), "denominator": Decimal(b)}
        for n, m in enumerate(given)
        for unit, (a, b) in m["factors"].items()
    ]
    plant.deliver("material_units", said, sync="incremental")
    known = {row["item_id"] for row in plant.all("select item_id from source_material")}
    with plant.session() as session:
        grouped = known & {f"M{n}" for n, m in enumerate(given) if m["group"]}
        links.add_xrefs(session, [XrefIn(system="u8", item_id=item, group_number="G1") for item in sorted(grouped)])


def means(rig: Rig, codes: dict[str, str]) -> None:
    with rig.plant.session() as session:
        for code, unit in codes.items():
            replay.add_unit(session, "u8", UnitIn(code=code, unit=unit), new_id())


def rated(rig: Rig) -> None:
    with unit_of_work(rig.plant.engine, NOBODY) as session:
        rates.add_rates(session, [RateIn(currency="EUR", rate_on=hub_settings().today(), rate=Decimal("7.8125"))])


def count(rig: Rig, rows: list[dict[str, Any]]) -> None:
    given = [
        stock(f"M{r['item']}", r["quantity"], f"W{n}", r["unit"])
        | {"status": r["status"], "owner": r["owner"], "reserved": r["reserved"]}
        for n, r in enumerate(rows)
    ]
    rig.plant.snapshot(given)


def told(db: duckdb.DuckDBPyConnection, query: str) -> list[tuple[Any, ...]]:
    return db.execute(query).fetchall()


def figures(db: duckdb.DuckDBPyConnection, query: str) -> list[tuple[Any, ...]]:
    """Rows that hold anything."""
    return [row for row in told(db, query) if any(row[4:11])]


@tries(6)
@given(given=st.lists(materials, min_size=3, max_size=3), rows=st.lists(positions, min_size=4, max_size=12))
def test_golden_inventory_is_the_holding(rig: Rig, given: list[Any], rows: list[Any]) -> None:
    rig.clear()
    rated(rig)
    prepare(rig, given)
    count(rig, rows)
    with rig.lake() as db:
        assert figures(db, LAKE) == figures(db, LIVE)
        assert reconcile(db).differences == 0
        for value, currency, worth in told(db, "select value, currency, group_value from gold.golden_inventory"):
            rate = {"CNY": Fraction(1), "EUR": Fraction("7.8125")}.get(currency)
            assert worth == (None if value is None or rate is None else round(Fraction(value) * rate, 2))


def test_what_holds_nothing_is_no_difference(rig: Rig) -> None:
    """A cost of what was never in stock: the live view has no row of it, the lake one of zeros."""
    rig.plant.deliver("materials", [{"item_id": "A", "name": "A", "base_unit": "C62", "unit_cost": Decimal(3)}])
    rig.plant.snapshot([stock("A", 0)])
    with rig.lake() as db:
        assert told(db, "select currency, value from gold.golden_inventory") == [("CNY", 0)]
        assert reconcile(db).differences == 0


HUGE = {"A": ("10000000", "10000"), "B": ("1000000000000", "1000000"), "C": ("9" * 29, "1"), "D": ("1", "1")}


def test_a_row_of_absurd_size_is_a_difference_and_no_more(rig: Rig) -> None:
    rows = [{"item_id": i, "name": i, "base_unit": "KGM", "unit_cost": Decimal(c)} for i, (_, c) in HUGE.items()]
    rig.plant.deliver("materials", rows)
    rig.plant.snapshot([stock(item, quantity, unit="LBR") for item, (quantity, _) in HUGE.items()])
    with rig.lake() as db:
        lake, live = figures(db, LAKE), figures(db, LIVE)
        assert [len(lake), len(live)] == [3, 4]
        assert {row[0] for row in set(live) - set(lake)} == {row[0] for row in live[1:3]}
        told_apart = {(one.item, one.field) for one in reconcile(db).shown}
        assert told_apart == {("B", "value"), ("C", "on_hand")}


# Quantity in a unit, the material's base unit and its own factors; the figure in the golden unit (None: apart).
ROADS: dict[str, tuple[str, str, dict[str, tuple[str, str]], str | None]] = {
    "the same unit stays as it is": ("1.2345 KGM", "KGM", {}, "1.2345"),
    "a fact of the material's own code": ("3 箱", "C62", {"箱": ("12", "1")}, "36"),
    "Rec 20 within a dimension": ("1500 GRM", "KGM", {}, "1.5"),
    "Rec 20 goes before a fact": ("2 DZN", "C62", {"DZN": ("10", "1")}, "24"),
    "a fact by what its code means": ("2 打", "KGM", {"DZN": ("0.5", "1")}, "1"),
    "a fact through its unit's dimension": ("6 C62", "KGM", {"DZN": ("0.5", "1")}, "0.25"),
    "no road": ("6 C62", "KGM", {}, None),
    "half goes down to even": ("0.0625 箱", "KGM", {"箱": ("0.008", "1")}, "0"),
    "half goes up to even": ("0.1875 箱", "KGM", {"箱": ("0.008", "1")}, "0.002"),
    "half below zero": ("-0.3125 箱", "KGM", {"箱": ("0.008", "1")}, "-0.002"),
    "a third": ("1 箱", "KGM", {"箱": ("1", "3")}, "0.333"),
    "a trillion": ("1000000000000 箱", "KGM", {"箱": ("999983", "7")}, "142854714285714285.714"),
}


def test_every_road_of_a_factor(rig: Rig) -> None:
    plant = rig.plant
    means(rig, {"打": "DZN", "箱": "C62"})
    bases = [{"item_id": name, "name": name, "base_unit": base} for name, (_, base, _, _) in ROADS.items()]
    facts = [
        {"item_id": name, "unit": unit, "numerator": Decimal(a), "denominator": Decimal(b)}
        for name, (_, _, own, _) in ROADS.items()
        for unit, (a, b) in own.items()
    ]
    plant.deliver("materials", bases)
    plant.deliver("material_units", facts)
    said = [(name, *held.split()) for name, (held, _, _, _) in ROADS.items()]
    plant.snapshot([stock(name, quantity, unit=unit) for name, quantity, unit in said])
    with rig.lake() as db:
        assert figures(db, LAKE) == figures(db, LIVE)
        found = told(
            db,
            "select m.item_id, case when not g.is_apart then g.on_hand end from gold.golden_inventory g"
            " join pinned.source_materials m on m.material_id = g.material_id",
        )
    assert dict(found) == {name: answer and Decimal(answer) for name, (*_, answer) in ROADS.items()}
