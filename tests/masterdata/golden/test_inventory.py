"""The golden list: sums, units apart, currencies apart, filters, order, pages."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from hub.errors import Unprocessable
from masterdata.golden import inventory, service
from masterdata.golden.schemas import InventoryQuery
from masterdata.landscape.models import Coverage
from tests.masterdata.shop import NOW, Shop

GTIN = "4006381333931"


def test_one_material_of_two_plants_is_summed_in_the_golden_unit_and_the_groups_currency(shop: Shop) -> None:
    a, b = shop.plant("a", rank=1), shop.plant("b", rank=2, read=NOW - timedelta(hours=3))
    shop.material(a, "A1", gtin=GTIN, name="六角头螺栓", specification="M8×30", class_code="0201")
    shop.material(b, "B1", gtin=GTIN, name="Hex bolt", base_unit="C62")
    shop.unit(b, "B1", "KGM", "1", "0.0162")
    shop.cost(a, "A1", "0.32")
    shop.cost(b, "B1", "0.05", "EUR")
    shop.rate("EUR", "7.71")
    shop.observe(a, {"item": "A1", "quantity": 100, "reserved": 30}, {"item": "A1", "quantity": 5, "status": "quality"})
    shop.observe(b, {"item": "B1", "quantity": "312.66", "unit": "KGM"}, at=NOW - timedelta(hours=3))
    (row,) = service.list_inventory(shop.session, InventoryQuery()).items
    assert (row.name_zh, row.name_en, row.class_code) == ("六角头螺栓 M8×30", "Hex bolt", "0201")
    assert (row.stock.on_hand, row.stock.available, row.stock.reserved, row.stock.quality) == (19405, 19370, 30, 5)
    assert row.value.amount == Decimal("33.60") + Decimal("965.00") * Decimal("7.71")
    assert [(cell.organisation, cell.on_hand, cell.state) for cell in row.holders] == [
        ("a", 105, "fresh"),
        ("b", 19300, "stale"),
    ]
    assert (row.identity.rule, row.codes, row.age.state, row.age.main_ratio == row.age.ratio) == (
        "gtin",
        2,
        "stale",
        True,
    )


def test_units_without_factor_and_currencies_without_rate_stand_apart(shop: Shop) -> None:
    a = shop.plant("a")
    shop.material(a, "A1", base_unit="MTR")
    shop.cost(a, "A1", "2", "USD")
    shop.observe(a, {"item": "A1", "quantity": 10, "unit": "MTR"}, {"item": "A1", "quantity": 2, "unit": "XRL"})
    (row,) = service.list_inventory(shop.session, InventoryQuery()).items
    assert (row.stock.unit, row.stock.on_hand) == ("MTR", 10)
    assert [(apart.unit, apart.on_hand) for apart in row.apart] == [("XRL", 2)]
    assert (row.value.amount, [(x.currency, x.amount) for x in row.value.apart]) == (0, [("USD", 20)])
    assert row.value.unpriced == 1


def test_units_are_shown_as_their_source_spells_them(shop: Shop) -> None:
    a = shop.plant("a")
    shop.material(a, "A1")
    shop.observe(a, {"item": "A1", "quantity": 2, "unit": '3/4" \\'})
    (row,) = service.list_inventory(shop.session, InventoryQuery()).items
    assert [apart.unit for apart in row.apart] == ['3/4" \\']


def _filled(shop: Shop) -> Any:
    a, b = shop.plant("a", rank=1), shop.plant("b", rank=2, read=NOW - timedelta(minutes=90))
    for plant, item, cost, klass in (
        (a, "A1", "5", "x"), (a, "A2", "1", "y"), (b, "B1", "9", "x"), (b, "B2", "9", "z"),
    ):  # fmt: skip
        shop.material(plant, item, class_code=klass)
        shop.cost(plant, item, cost)
    shop.observe(a, {"item": "A1", "quantity": 10, "reserved": 10}, {"item": "A2", "quantity": -4})
    shop.observe(b, {"item": "B1", "quantity": 7}, {"item": "B2", "quantity": 7}, at=NOW - timedelta(minutes=90))
    return a, b


FILTERS = [
    ({}, ["B2", "B1", "A1", "A2"]),
    ({"descending": False}, ["A2", "A1", "B1", "B2"]),
    ({"sort": "quantity"}, ["A1", "B2", "B1", "A2"]),
    ({"sort": "name", "descending": False}, ["A1", "A2", "B1", "B2"]),
    ({"sort": "number", "descending": False}, ["A1", "A2", "B1", "B2"]),
    ({"sort": "age", "descending": False}, ["B1", "B2", "A1", "A2"]),
    ({"organisations": ("b",)}, ["B2", "B1"]),
    ({"classes": ("x",)}, ["B1", "A1"]),
    ({"states": ("late",)}, ["B2", "B1"]),
    ({"states": ("fresh", "held")}, ["A1", "A2"]),
    ({"status": "available"}, ["B2", "B1"]),
    ({"status": "negative"}, ["A2"]),
    ({"text": "B2"}, ["B2"]),
    ({"text": "nothing like it"}, []),
]


@pytest.mark.parametrize(("given", "expected"), FILTERS)
def test_filters_and_order(shop: Shop, given: dict[str, Any], expected: list[str]) -> None:
    _filled(shop)
    page = service.list_inventory(shop.session, InventoryQuery(**given))
    assert [row.name_en for row in page.items] == expected
    totals = service.get_totals(shop.session, InventoryQuery(**given))
    assert (totals.materials, totals.value.amount) == (len(expected), sum(row.value.amount for row in page.items))


@pytest.mark.parametrize("sort", ["value", "quantity", "holders", "name", "age", "number"])
@pytest.mark.parametrize("descending", [True, False])
def test_pages_meet_every_row_once(shop: Shop, sort: Any, descending: bool) -> None:
    _filled(shop)
    seen, after = [], None
    while True:
        page = service.list_inventory(
            shop.session, InventoryQuery(sort=sort, descending=descending, after=after, limit=1)
        )
        seen += [row.number for row in page.items]
        after = page.next
        if after is None:
            break
    assert sorted(seen) == sorted(shop.goldens().values())


MOVES = st.lists(st.tuples(st.integers(0, 5), st.integers(-20, 20)), max_size=4)


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(quantities=st.lists(st.integers(-9, 9), min_size=6, max_size=6), moves=st.lists(MOVES, min_size=6, max_size=6))
def test_rows_that_stay_are_met_once_while_others_move(shop: Shop, quantities: list[int], moves: list[Any]) -> None:
    with shop.session.begin_nested() as savepoint:
        shop.act(shop.group)
        a = shop.plant("a")
        for n, quantity in enumerate(quantities):
            shop.material(a, f"I{n}")
            shop.observe(a, {"item": f"I{n}", "quantity": quantity}, sync="incremental")
        seen, after, moved, second = [], None, set(), 0
        while not seen or after is not None:
            page = service.list_inventory(shop.session, InventoryQuery(sort="quantity", after=after, limit=1))
            seen += [row.name_en for row in page.items]
            after, second = page.next, second + 1
            for n, quantity in moves.pop() if moves else ():
                at = NOW + timedelta(seconds=second)
                shop.observe(a, {"item": f"I{n}", "quantity": quantity}, at=at, sync="incremental")
                moved.add(f"I{n}")
        savepoint.rollback()
    stayed = {f"I{n}" for n in range(6)} - moved
    assert sorted(name for name in seen if name in stayed) == sorted(stayed)


def test_long_pages_are_ranked_ahead_and_meet_every_row_once(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inventory, "AHEAD_FROM", 1)
    a = shop.plant("a")
    for n in range(12):
        shop.material(a, f"I{n:02}")
    shop.observe(a, *({"item": f"I{n:02}", "quantity": n % 5 + 1} for n in range(12)))
    for limit in (1, 2, 3, 5, 12, 13):
        seen, after = [], None
        while not seen or after is not None:
            page = service.list_inventory(shop.session, InventoryQuery(sort="quantity", after=after, limit=limit))
            seen += [row.name_en for row in page.items]
            after = page.next
        assert (limit, len(seen), len(set(seen))) == (limit, 12, 12), seen


def test_a_cursor_of_another_order_is_refused(shop: Shop) -> None:
    _filled(shop)
    after = service.list_inventory(shop.session, InventoryQuery(limit=1)).next
    with pytest.raises(Unprocessable):
        service.list_inventory(shop.session, InventoryQuery(sort="name", after=after))


def test_a_key_that_moves_to_another_coverage_is_counted_once(shop: Shop) -> None:
    a = shop.plant("a")
    shop.material(a, "X")
    shop.observe(a, {"item": "X", "quantity": 7, "place": "W2"})
    a.coverage = Coverage(
        organisation_id=a.id, system_id=a.system.id, name="W2", sla_seconds=3600, read_through=NOW, read_clock="source"
    )
    shop.session.add(a.coverage)
    shop.session.flush()
    shop.observe(a, {"item": "X", "quantity": 7, "place": "W2"}, at=NOW + timedelta(minutes=5))
    (row,) = service.list_inventory(shop.session, InventoryQuery()).items
    assert row.stock.on_hand == 7


def test_holders_filter_narrows_the_figures_too(shop: Shop) -> None:
    a, b = shop.plant("a"), shop.plant("b")
    for plant in (a, b):
        shop.material(plant, "X", gtin=GTIN)
        shop.observe(plant, {"item": "X", "quantity": 3})
    (row,) = service.list_inventory(shop.session, InventoryQuery(organisations=("a",))).items
    assert (row.stock.on_hand, [cell.organisation for cell in row.holders]) == (3, ["a"])


def test_a_subsidiary_sees_its_own_figures_alone(shop: Shop) -> None:
    a, b = shop.plant("a"), shop.plant("b")
    for plant, quantity in ((a, 3), (b, 5)):
        shop.material(plant, "X", gtin=GTIN)
        shop.observe(plant, {"item": "X", "quantity": quantity})
    shop.material(b, "ONLY-B")
    shop.observe(b, {"item": "X", "quantity": 5}, {"item": "ONLY-B", "quantity": 1}, at=NOW + timedelta(seconds=1))
    shop.see(a.id)
    (row,) = service.list_inventory(shop.session, InventoryQuery()).items
    assert (row.stock.on_hand, [cell.organisation for cell in row.holders], row.codes) == (3, ["a"], 1)


def test_held_coverage_marks_its_figures(shop: Shop) -> None:
    a = shop.plant("a")
    shop.material(a, "X")
    shop.observe(a, {"item": "X", "quantity": 3})
    shop.session.execute(text("update coverage set held_batch_id = id_ from (select id as id_ from batch limit 1) b"))
    (row,) = service.list_inventory(shop.session, InventoryQuery()).items
    assert (row.age.state, row.holders[0].state) == ("held", "held")
