"""Sure keys alone make records one, whatever the order of arrival; doubt is listed, people's word goes first."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, text

from hub.errors import NotFound, Unprocessable
from masterdata.materials import links, matching
from masterdata.materials.schemas import XrefIn
from tests.masterdata.shop import Plant, Shop

G1, G2 = "4006381333931", "5901234123457"

KEYS = [
    ("4006381333931", "04006381333931"),
    ("4006 3813-33931", "04006381333931"),
    ("036000291452", "00036000291452"),
    ("96385074", "00000096385074"),
    ("9520000100008", None),
    ("4006381333932", None),
    ("2000040208334", None),
    ("0400638133393", None),
    ("0000000000000", None),
    ("9800000000002", None),
    ("123", None),
    ("", None),
    ("轴承", None),
]


@pytest.mark.parametrize(("code", "key"), KEYS)
def test_gtin_keys(connection: Connection, code: str, key: str | None) -> None:
    found = connection.execute(text("select gtin_key(:code)"), {"code": code}).scalar_one()
    assert found == key


def test_the_demonstration_prefix_is_a_good_gtin(connection: Connection) -> None:
    assert connection.execute(text("select gtin_key('9520000100001')")).scalar_one() == "09520000100001"


PARTS = [
    ("SKF", "6310-2RS", "SKF|63102RS"),
    ("s.k.f.", "6310 2rs", "SKF|63102RS"),
    ("北辰", "BC-10", "北辰|BC10"),
    ("SKF", "N/A", None),
    ("n/a", "6310", None),
    ("", "6310", None),
    (None, "6310", None),
    ("SKF", "000", None),
    ("SKF", "12", None),
    ("SKF", "BOLT", None),
]


@pytest.mark.parametrize(("brand", "mpn", "key"), PARTS)
def test_part_number_keys(connection: Connection, brand: str | None, mpn: str, key: str | None) -> None:
    found = connection.execute(text("select mpn_key(:brand, :mpn)"), {"brand": brand, "mpn": mpn}).scalar_one()
    assert found == key


def _m(plant: int, item: str, gtin: str | None = None, mpn: str | None = None) -> tuple[int, str, dict[str, Any]]:
    return plant, item, {"gtin": gtin, "brand": "SKF" if mpn else None, "mpn": mpn}


# Records → the groups of several, and the conflicts listed.
CASES: list[tuple[str, list[tuple[int, str, dict[str, Any]]], list[set[str]], set[tuple[str, str]]]] = [
    ("same gtin", [_m(0, "A", G1), _m(1, "B", G1)], [{"A", "B"}], set()),
    ("same code alone", [_m(0, "A"), _m(1, "A")], [], set()),
    ("same part", [_m(0, "A", None, "6310"), _m(1, "B", None, "63-10")], [{"A", "B"}], set()),
    ("part leads to gtin", [_m(0, "A", G1, "6310"), _m(1, "B", G1), _m(2, "C", None, "6310")], [{"A", "B", "C"}],
     set()),
    ("twice in one system", [_m(0, "A", G1), _m(0, "B", G1), _m(1, "C", G1), _m(2, "D", G1)], [{"C", "D"}],
     {("A", "duplicate_in_system"), ("B", "duplicate_in_system")}),
    ("keys disagree", [_m(0, "A", G1, "6310"), _m(1, "B", G2, "6310"), _m(2, "C", G1), _m(1, "D", G1)], [{"C", "D"}],
     {("A", "keys_disagree"), ("B", "keys_disagree")}),
    ("disputed part links nobody", [_m(0, "A", G1, "6310"), _m(1, "B", G2, "6310"), _m(2, "C", None, "6310"),
     _m(3, "D", None, "6310")], [], {(x, "keys_disagree") for x in "ABCD"}),
    ("parts differ", [_m(0, "A", G1, "6310"), _m(1, "B", G1, "7204"), _m(2, "C", G1), _m(3, "D", G1)], [{"C", "D"}],
     {("A", "part_numbers_differ"), ("B", "part_numbers_differ")}),
    ("part with a suffix", [_m(0, "A", G1, "6310"), _m(1, "B", G1, "6310-2RS")], [{"A", "B"}], set()),
]  # fmt: skip


def _arrive(shop: Shop, records: list[tuple[int, str, dict[str, Any]]]) -> list[Plant]:
    plants = [shop.plant(f"p{n}") for n in range(4)]
    for n, item, fields in records:
        shop.material(plants[n], item, **fields)
    return plants


def _groups(shop: Shop) -> list[set[str]]:
    return sorted(({item for _, item in group} for group in shop.partition() if len(group) > 1), key=min)


@pytest.mark.parametrize(
    ("records", "groups", "conflicts"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_what_becomes_one_and_what_is_listed(shop: Shop, records: Any, groups: Any, conflicts: Any) -> None:
    _arrive(shop, records)
    assert _groups(shop) == groups
    listed = shop.session.execute(
        text("select m.item_id, c.kind from identity_conflict c join source_material m on m.id = c.material_id")
    )
    assert {tuple(row) for row in listed} == conflicts


RECORDS = st.lists(
    st.tuples(
        st.integers(0, 2), st.sampled_from([None, G1, G2]), st.sampled_from([None, "6310", "7204"]),
        st.sampled_from([None, None, "X1", "X2"]),
    ),
    min_size=2, max_size=7,
)  # fmt: skip


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(RECORDS, st.data())
def test_identity_does_not_depend_on_the_order_of_arrival(shop: Shop, records: list[Any], data: Any) -> None:
    orders = [range(len(records)), data.draw(st.permutations(range(len(records))))]
    partitions = []
    for order in orders:
        with shop.session.begin_nested() as savepoint:
            plants = [shop.plant(f"p{n}") for n in range(3)]
            for n in order:
                plant, gtin, mpn, group = records[n]
                shop.material(plants[plant], f"I{n}", refresh=False, gtin=gtin, brand="SKF" if mpn else None, mpn=mpn)
                if group:
                    _say(shop, plants[plant], f"I{n}", group)
                shop.refresh(plants[plant], f"I{n}")
            partitions.append(shop.partition())
            savepoint.rollback()
        shop.act(shop.group)
    assert partitions[0] == partitions[1]


def _say(shop: Shop, plant: Plant, item: str, group: str) -> None:
    shop.session.execute(
        text(
            "insert into cross_reference (organisation_id, system_id, item_id, group_number, reason)"
            " values (:org, :system, :item, :group, '')"
        ),
        {"org": plant.id, "system": plant.system.id, "item": item, "group": group},
    )


def test_a_cross_reference_file_goes_before_keys_and_can_be_taken_back(shop: Shop) -> None:
    plants = _arrive(shop, [_m(0, "A", G1), _m(1, "B", G2), _m(2, "C", G2)])
    shop.act(shop.group)
    rows = [XrefIn(system=plants[n].system.key, item_id=item, group_number="X1") for n, item in ((0, "A"), (1, "B"))]
    assert links.add_xrefs(shop.session, rows).added == 2
    assert _groups(shop) == [{"A", "B", "C"}]
    assert links.add_xrefs(shop.session, rows).added == 0
    links.split(shop.session, plants[2].system.key, "C", "another thread")
    assert _groups(shop) == [{"A", "B"}]
    for plant, item in ((plants[2], "C"), (plants[0], "A"), (plants[1], "B")):
        links.restore(shop.session, plant.system.key, item)
    assert _groups(shop) == [{"B", "C"}]


def test_a_golden_number_in_a_cross_reference_joins_that_material(shop: Shop) -> None:
    plants = _arrive(shop, [_m(0, "A"), _m(1, "B")])
    number = shop.goldens()["p0", "A"]
    shop.act(shop.group)
    rows = [XrefIn(system=plants[n].system.key, item_id=item, group_number=number) for n, item in ((0, "A"), (1, "B"))]
    links.add_xrefs(shop.session, rows)
    assert set(shop.goldens().values()) == {number}


def _join(shop: Shop, plant: Plant, item: str, number: str) -> None:
    shop.act(shop.group)
    links.add_xrefs(shop.session, [XrefIn(system=plant.system.key, item_id=item, group_number=number)])


def test_naming_a_golden_number_for_one_item_alone_expels_nobody(shop: Shop) -> None:
    plants = _arrive(shop, [_m(0, "Z"), _m(0, "A"), _m(1, "B"), _m(1, "C")])
    before = shop.goldens()
    _join(shop, plants[1], "B", before["p0", "A"])
    # An older golden material joins a younger one: the number named is the one that stays.
    _join(shop, plants[0], "Z", before["p0", "A"])
    for _ in range(2):
        after = shop.goldens()
        assert {after["p0", "A"], after["p1", "B"], after["p0", "Z"]} == {before["p0", "A"]}
        assert after["p1", "C"] == before["p1", "C"]
        for plant, item in ((plants[0], "A"), (plants[1], "C"), (plants[1], "B")):
            shop.change(plant, item, name="called otherwise")
    assert _rules(shop) == {"A": "xref", "B": "xref", "Z": "xref", "C": "own"}
    links.restore(shop.session, plants[1].system.key, "B")
    assert _groups(shop) == [{"A", "Z"}]


def test_naming_a_golden_number_joins_all_its_keys_join(shop: Shop) -> None:
    plants = _arrive(shop, [_m(0, "A", G1), _m(1, "B", G1), _m(1, "C")])
    number = shop.goldens()["p0", "A"]
    _join(shop, plants[1], "C", number)
    shop.material(plants[2], "D", gtin=G1)
    assert set(shop.goldens().values()) == {number}
    assert _rules(shop) == {"A": "gtin", "B": "gtin", "C": "xref", "D": "gtin"}
    shop.act(shop.group)
    links.split(shop.session, plants[2].system.key, "D", "another thread")
    assert _groups(shop) == [{"A", "B", "C"}]


def test_what_is_kept_apart_is_not_meant_by_its_number(shop: Shop) -> None:
    plants = _arrive(shop, [_m(0, "A"), _m(1, "B")])
    number = shop.goldens()["p0", "A"]
    shop.act(shop.group)
    links.split(shop.session, plants[0].system.key, "A", "never with others")
    _join(shop, plants[1], "B", number)
    assert _groups(shop) == []


def test_a_number_like_the_hubs_must_be_one(shop: Shop) -> None:
    plants = _arrive(shop, [_m(0, "A")])
    with pytest.raises(Unprocessable, match="no golden material 'GM-9999999'"):
        _join(shop, plants[0], "A", "GM-9999999")


def _rules(shop: Shop) -> dict[str, str]:
    shop.act(shop.group)
    return {row.item_id: row.rule for row in shop.session.execute(text("select item_id, rule from source_material"))}


BAD = [("nowhere", "A"), ("p0-sys", "Z")]


@pytest.mark.parametrize(("system", "item"), BAD)
def test_a_bad_row_is_named_and_nothing_is_said(shop: Shop, system: str, item: str) -> None:
    _arrive(shop, [_m(0, "A")])
    rows = [
        XrefIn(system="p0-sys", item_id="A", group_number="X"),
        XrefIn(system=system, item_id=item, group_number="X"),
    ]
    with pytest.raises(Unprocessable, match="Row 2"):
        links.add_xrefs(shop.session, rows)
    with pytest.raises(NotFound):
        links.split(shop.session, system, item, "why")


def test_every_decision_stays_as_a_dated_link(shop: Shop) -> None:
    plants = _arrive(shop, [_m(0, "A", G1), _m(1, "B", G1)])
    shop.change(plants[1], "B", gtin=None)
    rows = shop.session.execute(
        text(
            "select l.rule from link l join source_material m on m.id = l.material_id"
            " where m.item_id = 'B' order by l.id"
        )
    )
    assert [row.rule for row in rows] == ["gtin", "own"]
    assert _groups(shop) == []


def test_matching_for_somebody_else_is_refused(shop: Shop) -> None:
    plants = _arrive(shop, [_m(0, "A")])
    shop.act(plants[1].id)
    with pytest.raises(Exception, match="does not act for"):
        matching.refresh(shop.connection, plants[0].id, list(plants[0].materials.values()))


def test_ids_of_somebody_else_are_ignored(shop: Shop) -> None:
    plants = _arrive(shop, [_m(0, "A", G1), _m(1, "B", G1)])
    shop.act(plants[0].id)
    shop.session.execute(text("update source_material set gtin = null where item_id = 'A'"))
    shop.act(plants[1].id)
    assert matching.refresh(shop.connection, plants[1].id, [plants[0].materials["A"]]) == 0
    assert _groups(shop) == [{"A", "B"}]


@pytest.mark.parametrize(("carriers", "groups"), [(200, 1), (201, 201)])
def test_a_key_that_a_crowd_carries_names_nobody(shop: Shop, carriers: int, groups: int) -> None:
    """Deleted records, as living ones of one system would be duplicates anyhow."""
    a = shop.plant("a")
    for n in range(carriers):
        shop.material(a, f"I{n}", refresh=False, gtin=G1, is_deleted=True)
    shop.refresh(a, *list(a.materials)[: carriers - 1])
    shop.refresh(a, *list(a.materials)[carriers - 1 :])
    assert len(shop.partition()) == groups
