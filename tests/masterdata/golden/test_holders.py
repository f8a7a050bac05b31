"""Who holds X: by any name of it, live and as it was; what sisters see of each other; search."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import text

from hub.errors import NotFound
from masterdata.golden import service
from masterdata.golden.schemas import Moment
from tests.conftest import GROUP
from tests.masterdata.shop import NOW, Plant, Shop

GTIN = "4006381333931"


def _bearing(shop: Shop) -> tuple[Plant, Plant]:
    a, b = shop.plant("a", rank=1), shop.plant("b", rank=2)
    shop.material(
        a, "04020833", name="深沟球轴承", specification="6310-2RS", gtin=GTIN, brand="Beichen", mpn="BC-6310/2RS"
    )
    shop.material(b, "77", item_code="HB-0830-SS", name="Deep groove ball bearing 6310", gtin="04006381333931")
    shop.observe(a, {"item": "04020833", "quantity": 10, "reserved": 4})
    shop.observe(
        b,
        {"item": "77", "quantity": 6, "place": "W1"},
        {"item": "77", "quantity": 5, "place": "W2", "status": "blocked"},
    )
    return a, b


ASKED = [
    ("04020833", "code"), ("hb-0830-ss", "code"), ("HB0830SS", "code"), ("轴承", "name"), ("深沟", "name"),
    ("ball bearing", "name"), ("bearing 6310", "name"), ("BC-6310/2RS", "mpn"), (GTIN, "gtin"), ("63", "name"),
    ("04006381333931", "gtin"), ("６３１０", "name"), ("0833", "name"),
]  # fmt: skip


@pytest.mark.parametrize(("asked", "matched"), ASKED)
def test_every_name_of_it_finds_both_holders(shop: Shop, asked: str, matched: str) -> None:
    _bearing(shop)
    found = service.find_holders(shop.session, asked)
    assert [hit.matched for hit in found.hits] == [matched]
    (answer,) = found.holders
    assert [(h.organisation, h.stock.on_hand, h.stock.available) for h in answer.holders] == [
        ("a", 10, 6),
        ("b", 11, 6),
    ]
    assert (answer.stock.on_hand, answer.stock.available, answer.stock.blocked) == (21, 12, 5)


@pytest.mark.parametrize("asked", ["", " ", "承", "%", "_", "轴承承", "GM-9999999", "'", "\\", "x" * 200])
def test_what_names_nothing_finds_nothing(shop: Shop, asked: str) -> None:
    _bearing(shop)
    assert service.find_holders(shop.session, asked).hits == []


def test_a_plant_sees_its_own_rows_and_of_sisters_place_and_free_quantity_alone(shop: Shop) -> None:
    a, _ = _bearing(shop)
    number = shop.goldens()["a", "04020833"]
    shop.see(a.id)
    answer = service.get_holders(shop.session, number)
    assert [h.organisation for h in answer.holders] == ["a"]
    assert [(s.organisation, s.place, s.free, s.unit) for s in answer.sisters] == [("b", "W1", 6, "C62")]
    assert answer.stock.on_hand == 10
    assert service.search(shop.session, "HB-0830-SS") == []


def test_what_a_plant_has_none_of_is_not_found(shop: Shop) -> None:
    a, b = _bearing(shop)
    shop.material(b, "SECRET")
    shop.observe(b, {"item": "SECRET", "quantity": 1}, at=NOW + timedelta(seconds=1), sync="incremental")
    number = shop.goldens()["b", "SECRET"]
    shop.see(a.id)
    with pytest.raises(NotFound):
        service.get_holders(shop.session, number)
    rows = shop.connection.execute(
        "select key, place from disclosed_stock((select array_agg(id) from golden_material))"
    ).fetchall()
    assert rows == [("b", "W1")]


def test_a_supplier_sees_no_sister(shop: Shop) -> None:
    _bearing(shop)
    supplier = shop.plant("s", kind="supplier")
    shop.material(supplier, "X", gtin=GTIN)
    number = shop.goldens()["a", "04020833"]
    shop.see(supplier.id)
    assert service.get_holders(shop.session, number).sisters == []


@pytest.mark.parametrize(("since", "sees"), [(timedelta(days=-1), []), (timedelta(days=1), ["b"])])
def test_a_plant_that_left_gives_its_sisters_nothing(shop: Shop, since: timedelta, sees: list[str]) -> None:
    a, b = _bearing(shop)
    number = shop.goldens()["a", "04020833"]
    shop.act(shop.group)
    b.organisation.closed_at = NOW + since
    shop.session.flush()
    shop.see(a.id)
    assert [s.organisation for s in service.get_holders(shop.session, number).sisters] == sees


def test_what_a_plant_held_that_left_is_history_alone(shop: Shop) -> None:
    _, b = _bearing(shop)
    number = shop.goldens()["a", "04020833"]
    shop.act(shop.group)
    b.organisation.closed_at = NOW - timedelta(days=1)
    shop.session.flush()
    held = [h.organisation for h in service.get_holders(shop.session, number).holders]
    past = service.get_holders(shop.session, number, Moment(as_of=NOW + timedelta(seconds=1))).holders
    assert held == ["a"] and {h.organisation for h in past} == {"a", "b"}


def test_a_merged_number_answers_for_what_it_became(shop: Shop) -> None:
    a, b = shop.plant("a"), shop.plant("b")
    for plant in (a, b):
        shop.material(plant, "X")
        shop.observe(plant, {"item": "X", "quantity": 1})
    before = shop.goldens()
    shop.change(a, "X", gtin=GTIN)
    shop.change(b, "X", gtin=GTIN)
    after = set(shop.goldens().values())
    assert len(after) == 1
    assert {service.get_holders(shop.session, n).number for n in before.values()} == after


def test_the_past_answers_on_both_axes(shop: Shop) -> None:
    a, _ = _bearing(shop)
    number = shop.goldens()["a", "04020833"]
    shop.cost(a, "04020833", "2")
    known = shop.observe(a, {"item": "04020833", "quantity": 3}, at=NOW + timedelta(minutes=1))
    shop.observe(a, {"item": "04020833", "quantity": 8}, at=NOW + timedelta(minutes=2))
    late = shop.move(a, "04020833", 100, NOW + timedelta(seconds=90))

    def on_hand(**moment: object) -> Decimal:
        answer = service.get_holders(shop.session, number, Moment(**moment))  # type: ignore[arg-type]
        return sum((h.stock.on_hand for h in answer.holders if h.organisation == "a"), Decimal(0))

    assert on_hand() == 8
    assert on_hand(as_of=NOW) == 10
    assert on_hand(as_of=NOW + timedelta(seconds=95)) == 103
    assert on_hand(as_of=NOW + timedelta(seconds=95), known_at=known) == 3
    assert on_hand(as_of=NOW + timedelta(minutes=3), known_at=late) == 8
    then = service.get_holders(shop.session, number, Moment(as_of=NOW + timedelta(minutes=3)))
    assert then.value.amount == 16
    assert then.stock.on_hand == 19


def _events(shop: Shop, plant: Plant) -> list[tuple[str, str, str]]:
    shop.see(plant.id)
    found = shop.session.execute(
        text("select action, object_kind, object_id from audit_event where organisation_id = :id"), {"id": plant.id}
    )
    return [tuple(row) for row in found]


def test_whose_stock_was_looked_at_learns_of_it(shop: Shop) -> None:
    a, b = _bearing(shop)
    number = shop.goldens()["a", "04020833"]
    service.get_holders(shop.session, number)
    assert _events(shop, b) == []
    shop.see(a.id)
    service.get_holders(shop.session, number)
    _next_request(shop)
    shop.see(a.id)
    service.find_holders(shop.session, "04020833")
    assert _events(shop, b) == [("stock_of_another_viewed", "golden_material", number)] * 2


def test_a_plant_learns_of_the_group_that_looks_at_it_once_a_request(shop: Shop) -> None:
    a, b = _bearing(shop)
    number = shop.goldens()["a", "04020833"]
    shop.see(GROUP, a.id, b.id)
    service.get_overview(shop.session)
    assert _events(shop, b) == []
    for looks in (1, 2):
        _next_request(shop)
        shop.see(GROUP, a.id, b.id)
        service.get_holders(shop.session, number)
        service.list_positions(shop.session, number)
        assert _events(shop, b) == [("stock_of_another_viewed", "golden_material", number)] * looks


def _next_request(shop: Shop) -> None:
    shop.session.info.pop("looks", None)
