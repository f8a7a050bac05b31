"""The generated group by itself: sizes, seed, sums, and the habits that make it a fair trial."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo.catalogue import check_digit, gtin13
from demo.plants import PLACES, SYSTEMS
from demo.world import World
from tests.demo.conftest import NOW, SCALE


def one(world: World, query: str) -> Any:
    row = world.con.execute(query).fetchone()
    assert row is not None
    return row[0]


@pytest.mark.parametrize(
    ("table", "least", "most"),
    [("items", 90, 130), ("positions", 300, 600), ("moves", 8_000, 12_000), ("orders", 250, 900), ("places", 55, 55)],
)
def test_sizes_follow_the_scale(world: World, table: str, least: int, most: int) -> None:
    assert least <= one(world, f"select count(*) from {table}") <= most


def test_same_seed_same_world(world: World) -> None:
    again = World(SCALE, NOW)
    for table in ("items", "positions", "moves", "orders", "suppliers"):
        query = f"select md5(string_agg(t::varchar, '|' order by t::varchar)) from {table} t"
        assert one(world, query) == one(again, query), table


def test_other_seed_other_world(world: World) -> None:
    query = "select sum(quantity) from moves"
    assert one(world, query) != one(World(SCALE, NOW, seed=1), query)


def test_balance_is_opening_and_movements(world: World) -> None:
    query = """select count(*) from positions p left join (
        select pos, sum(q) as q from (select src as pos, -quantity as q from moves union all select dst, quantity from
        moves) where pos >= 0 group by pos
    ) m using (pos) where p.quantity <> coalesce(m.q, 0)"""
    assert one(world, query) == 0


@pytest.mark.parametrize(
    "habit",
    [
        "select count(*) > 0 from positions where quantity < 0",
        "select count(*) > 0 from positions where quantity = 0",
        "select count(*) > 0 from positions where reserved > 0",
        "select count(*) > 0 from positions where lot <> '' and expires_on < current_date",
        "select count(distinct kind) = 6 from moves",
        "select count(*) > 0 from (select system, material from items group by 1, 2 having count(*) > 1)",
        "select count(*) > 0 from items where num <> den",
        "select count(distinct currency) >= 3 from items",
        "select count(*) = 1 from items where system = 'wugang-odoo' and code = ''",
        "select max(at_utc) <= timestamp '2026-11-20 06:00:00' from moves",
        "select count(*) = 0 from moves where quantity <= 0",
        "select count(*) = 0 from positions where reserved > greatest(quantity, 0)",
        "select count(*) > 0 from orders where state = 'open' and received = 0",
    ],
)
def test_habits(world: World, habit: str) -> None:
    assert one(world, habit)


def test_only_systems_that_allow_it_are_overdrawn(world: World) -> None:
    strict = {s.key for s in SYSTEMS if not s.allows_negative}
    found = {row[0] for row in world.con.execute("select distinct system from positions where quantity < 0").fetchall()}
    assert not found & strict


@given(st.integers(min_value=0, max_value=10**9 - 1))
def test_gtin_has_its_check_digit(serial: int) -> None:
    gtin = gtin13(serial)
    weighted = sum(int(d) * (3 if i % 2 else 1) for i, d in enumerate(gtin))
    assert len(gtin) == 13
    assert weighted % 10 == 0


@pytest.mark.parametrize(("body", "digit"), [("400638133393", "1"), ("629104150021", "3"), ("978030640615", "7")])
def test_check_digit_of_known_numbers(body: str, digit: str) -> None:
    assert check_digit(body) == digit


def test_every_system_has_places_of_its_own() -> None:
    assert {s.key for s in SYSTEMS} == set(PLACES)
    assert all(any(p.status == "unrestricted" for p in places) for places in PLACES.values())
    assert sum(s.share_items for s in SYSTEMS) == pytest.approx(1)
    assert sum(s.share_moves for s in SYSTEMS) == pytest.approx(1)
