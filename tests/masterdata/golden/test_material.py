"""A material's sources, attributes, positions, trail, movements, history."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.errors import NotFound
from masterdata.golden import service
from masterdata.golden.history import steps_of
from masterdata.golden.records import MovementQuery
from masterdata.golden.schemas import Moment
from masterdata.materials.survivorship import RULES, survive
from tests.masterdata.shop import NOW, Shop

GTIN = "4006381333931"
DAY = timedelta(days=1)


def test_sources_side_by_side_with_what_survives_and_why(shop: Shop) -> None:
    a, b = shop.plant("a", rank=1), shop.plant("b", rank=2)
    shop.material(a, "1", name="六角头螺栓", specification="M8×30 A2-70", gtin=GTIN, class_code="02")
    shop.material(b, "2", name="Bolt", name_en="Hexagon bolt", gtin=GTIN, class_code="02")
    shop.unit(b, "2", "XBX", 200)
    found = service.get_material(shop.session, shop.goldens()["a", "1"])
    assert (found.name_zh, found.name_en, found.class_code) == ("六角头螺栓 M8×30 A2-70", "Hexagon bolt", "02")
    chosen = {a.name: (a.value, a.rule, a.agree) for a in found.attributes}
    assert chosen["gtin"] == (f"0{GTIN}", "commonest", 2)
    assert chosen["name_zh"] == ("六角头螺栓 M8×30 A2-70", "fullest", 1)
    assert [s.identity.rule for s in found.sources] == ["gtin", "gtin"]
    assert found.sources[0].evidence["identity"] == f"gtin:0{GTIN}"
    assert [(u.unit, u.numerator) for u in found.sources[1].unit_facts] == [("XBX", 200)]


def test_kept_attributes_follow_the_same_rules_as_those_read(shop: Shop) -> None:
    a, b, c = (shop.plant(key) for key in "abc")
    names = ["垫圈", "平垫圈 8", "Washer flat"]
    for plant, name, klass in zip((a, b, c), names, ("2", "1", "1"), strict=True):
        shop.material(plant, "W", name=name, specification="A2", class_code=klass, gtin=GTIN)
    found = service.get_material(shop.session, shop.goldens()["a", "W"])
    said = {a.name: a.value for a in found.attributes}
    assert (found.name_zh, found.name_en, found.class_code, found.gtin) == tuple(
        said[name] for name in ("name_zh", "name_en", "class_code", "gtin")
    )


@given(st.lists(st.one_of(st.none(), st.sampled_from(["", "a", "b", "ab", "ba", "轴承"])), max_size=6), st.randoms())
def test_survival_does_not_depend_on_the_order_of_sources(values: list[str | None], random: object) -> None:
    shuffled = list(values)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    for rule in RULES:
        chosen = survive(rule, values)
        assert chosen == survive(rule, shuffled)
        assert (chosen is None) == all(value is None for value in values)


def test_positions_lead_back_to_batch_row_and_trace(shop: Shop) -> None:
    a = shop.plant("a")
    shop.material(a, "X", base_unit="C62")
    shop.unit(a, "X", "XBX", 12)
    shop.observe(a, {"item": "X", "quantity": 2, "unit": "XBX"}, {"item": "X", "quantity": 5, "lot": "L1"})
    number = shop.goldens()["a", "X"]
    first = service.list_positions(shop.session, number, limit=1)
    second = service.list_positions(shop.session, number, after=first.next, limit=1)
    found = sorted([*first.items, *second.items], key=lambda p: p.lot)
    assert [(p.quantity, p.unit, p.golden_quantity, p.row_no) for p in found] == [(2, "XBX", 24, 0), (5, "C62", 5, 1)]
    assert (second.next, found[0].trace_id) == (None, "a" * 32)
    trail = service.get_trail(shop.session, a.id, found[0].id)
    assert (trail.conversion.numerator, trail.stream, trail.rows) == (12, "stock_positions", [0])  # type: ignore[union-attr]
    past = service.list_positions(shop.session, number, moment=Moment(as_of=NOW - DAY))
    assert past.items == []


def test_a_position_of_somebody_else_is_not_found(shop: Shop) -> None:
    a, b = shop.plant("a"), shop.plant("b")
    shop.material(a, "X")
    shop.observe(a, {"item": "X", "quantity": 1})
    position = service.list_positions(shop.session, shop.goldens()["a", "X"]).items[0]
    shop.see(b.id)
    with pytest.raises(NotFound):
        service.get_trail(shop.session, a.id, position.id)


def test_movements_newest_first_page_by_page(shop: Shop) -> None:
    a, b = shop.plant("a"), shop.plant("b")
    for plant in (a, b):
        shop.material(plant, "X", gtin=GTIN)
    for hours, plant in enumerate((a, b, a, b, a)):
        shop.move(plant, "X", hours + 1, NOW - timedelta(hours=hours), kind="issue" if plant is b else "receipt")
    seen, after = [], None
    while True:
        page = service.list_movements(shop.session, MovementQuery(after=after, limit=2))
        seen += [int(m.quantity) for m in page.items]
        after = page.next
        if after is None:
            break
    assert seen == [1, 2, 3, 4, 5]
    narrowed = MovementQuery(
        organisations=("b",), kinds=("issue",), since=NOW - timedelta(hours=2), number=shop.goldens()["a", "X"]
    )
    assert [int(m.quantity) for m in service.list_movements(shop.session, narrowed).items] == [2]


def test_history_steps_through_facts_and_estimates_before_the_first(shop: Shop) -> None:
    a = shop.plant("a")
    shop.material(a, "X")
    shop.move(a, "X", -4, NOW - 20 * DAY, booked=False)
    shop.observe(a, {"item": "X", "quantity": 10}, at=NOW - 10 * DAY)
    shop.move(a, "X", 5, NOW - 5 * DAY)
    found = service.get_history(shop.session, shop.goldens()["a", "X"], days=30)
    assert [(int(p.quantity), p.is_estimated) for p in found.points] == [
        (10, True),
        (10, False),
        (15, False),
        (15, False),
    ]


def test_history_up_to_a_past_day_holds_what_arrived_later(shop: Shop) -> None:
    a = shop.plant("a")
    shop.material(a, "X")
    known = shop.observe(a, {"item": "X", "quantity": 10}, at=NOW - 10 * DAY)
    number, then = shop.goldens()["a", "X"], NOW - 5 * DAY
    found = service.get_history(shop.session, number, moment=Moment(as_of=then))
    assert [int(p.quantity) for p in found.points] == [10, 10]
    unknown = Moment(as_of=then, known_at=known - DAY)
    assert service.get_history(shop.session, number, moment=unknown).points == []


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9), st.integers(-5, 5)), max_size=12))
def test_the_last_step_is_what_the_ledger_holds(given_facts: list[tuple[bool, int, int]]) -> None:
    facts = sorted(
        (SimpleNamespace(kind=int(seen), at=NOW + at * DAY, quantity=q, counts=True) for seen, at, q in given_facts),
        key=lambda f: (f.at, f.kind),
    )
    newest = max((f.at for f in facts if f.kind == 1), default=None)
    observed = [f.quantity for f in facts if f.kind == 1][-1:] or [0]
    moved = sum(f.quantity for f in facts if f.kind == 0 and (newest is None or f.at > newest))
    steps = steps_of(facts)
    assert (steps[-1][1] if steps else 0) == observed[0] + moved
