"""Overview figures and changes since a cursor."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import text

from masterdata.golden import overview, service
from tests.masterdata.shop import NOW, Shop

GTIN = "4006381333931"


def test_figures_of_the_overview(shop: Shop) -> None:
    a, b = shop.plant("a", rank=1), shop.plant("b", rank=2, sla=60, read=NOW - timedelta(hours=1))
    for plant in (a, b):
        shop.material(plant, "X", gtin=GTIN)
        shop.cost(plant, "X", "10")
    shop.material(a, "OLD")
    shop.cost(a, "OLD", "5")
    shop.observe(a, {"item": "X", "quantity": 30}, {"item": "OLD", "quantity": 4})
    shop.observe(b, {"item": "X", "quantity": 10}, at=NOW - timedelta(hours=1))
    shop.move(a, "OLD", -1, NOW - timedelta(days=400), booked=False, kind="issue")
    shop.move(a, "X", -91, NOW - timedelta(days=45), booked=False, kind="issue")
    found = service.get_overview(shop.session)
    assert {o.organisation: o.value.amount for o in found.organisations} == {"a": 320, "b": 100}
    figures = {kpi.key: kpi.figure for kpi in found.kpis}
    assert (figures["value"], figures["dormant_value"], figures["days_of_inventory"]) == (420, 20, 42)
    assert [float(figures[key] or 0) for key in ("duplicate_share", "stale_share")] == [round(100 / 420, 4)] * 2
    assert [(d.number, d.organisations, d.duplicate_value) for d in found.duplicates] == [
        (shop.goldens()["a", "X"], ["a", "b"], 100)
    ]
    assert [(d.organisation, d.value) for d in found.dormant] == [("a", 20)]
    assert (found.sla["fresh"], found.sla["stale"]) == (320, 100)
    months = next(o.months for o in found.organisations if o.organisation == "a")
    assert (len(months), months[0][1], months[-1][1] in (320, 1230)) == (12, 1230, True)
    assert [int(m.quantity) for m in found.ticker] == [-91, -1]


def test_an_empty_group_has_an_overview(shop: Shop) -> None:
    found = service.get_overview(shop.session)
    assert (found.organisations, found.movements_today, found.duplicates) == ([], 0, [])
    assert {kpi.key: kpi.figure for kpi in found.kpis}["days_of_inventory"] is None


def test_an_answer_is_kept_per_set_of_readable_organisations(shop: Shop) -> None:
    a, b = shop.plant("a"), shop.plant("b")
    for plant in (a, b):
        shop.material(plant, "X")
        shop.cost(plant, "X", "1")
        shop.observe(plant, {"item": "X", "quantity": 2})
    assert len(service.get_overview(shop.session).organisations) == 2
    shop.see(a.id)
    assert [o.organisation for o in service.get_overview(shop.session).organisations] == ["a"]
    shop.see(b.id)
    assert [o.organisation for o in service.get_overview(shop.session).organisations] == ["b"]
    assert overview._cache.get(shop.session, "x", lambda: 1) == overview._cache.get(shop.session, "x", lambda: 2)


def test_changes_since_a_cursor(shop: Shop) -> None:
    a = shop.plant("a")
    shop.material(a, "X")
    for minute in range(3):
        shop.observe(a, {"item": "X", "quantity": minute + 1}, at=NOW + timedelta(minutes=minute))
    shop.session.execute(text("select outbox_number(100)"))
    first = service.list_changes(shop.session, limit=2)
    second = service.list_changes(shop.session, after=first.next, limit=2)
    quantities = [item.payload["positions"][0]["quantity"] for item in (*first.items, *second.items)]
    assert quantities == ["1", "2", "3"]
    assert service.list_changes(shop.session, after=second.next).next == second.next
