"""The planted truth agrees with the systems it was planted in."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from demo import truth
from demo.group import DemoGroup, build
from demo.plants import GROUP, SYSTEMS
from tests.demo.conftest import NOW


@pytest.fixture(scope="session")
def planted(plants: DemoGroup) -> dict[str, list[dict[str, object]]]:
    return {name: table.to_pylist() for name, table in truth.read_truth(plants.truth_folder).items()}


def test_every_source_record_is_one_known_material(planted: dict[str, list[dict[str, object]]]) -> None:
    numbers = {m["number"] for m in planted["materials"]}
    records = planted["source_materials"]
    assert {r["number"] for r in records} <= numbers
    assert len({(r["system"], r["item_id"]) for r in records}) == len(records)
    assert len({r["number"] for r in records}) < len(records) * 0.7


@pytest.mark.parametrize("system", [s.key for s in SYSTEMS])
def test_opening_stock_has_the_keys_of_the_system(
    planted: dict[str, list[dict[str, object]]], plants: DemoGroup, system: str
) -> None:
    keys = {(k.item_id, k.place_id, k.lot, k.owner, k.status, k.unit) for k in plants.true_stock(system)}
    names = ("item_id", "place_id", "lot", "owner", "status", "unit")
    opening = {tuple(r[n] for n in names) for r in planted["opening_stock"] if r["system"] == system}
    assert opening <= keys
    assert len(opening) > 15


def test_avoidable_purchases_name_a_sister_with_enough(
    planted: dict[str, list[dict[str, object]]], plants: DemoGroup
) -> None:
    found = planted["avoidable_purchases"]
    assert found
    for row in found:
        assert row["organisation"] != row["sister"]
        assert float(str(row["free"])) >= float(str(row["quantity"])) > 0
    taken = [row["n"] for row in found if row["taken"]]
    assert len(set(taken)) == len(taken) > 0
    assert truth.avoidable_value(plants.truth_folder) > 0


def test_group_is_found_again_and_a_part_of_one_is_not(plants: DemoGroup) -> None:
    again = build(plants.admin_dsn, plants.folder, 1.0, lambda what, part: pytest.fail(what))
    assert (again.scale, again.built_at) == (plants.scale, plants.built_at)
    mark = plants.folder / "group.json"
    kept = mark.read_text()
    mark.unlink()
    try:
        from demo.group import find

        assert find(plants.admin_dsn, plants.folder) is None
    finally:
        mark.write_text(kept)


def test_reference_data(plants: DemoGroup) -> None:
    rates, people = plants.rates(), plants.people()
    days = (NOW - plants.start).days
    assert {r.currency for r in rates} == {"USD", "EUR", "HKD"}
    assert len({r.valid_on for r in rates}) >= days
    assert all(Decimal("0.8") < r.rate < Decimal("9") for r in rates)
    assert plants.start + timedelta(days=730) == NOW
    assert {p.organisation for p in people} <= {o.key for o in plants.organisations() + plants.partners()}
    assert [o.parent for o in plants.organisations()] == [None] + [GROUP] * 7
    records = truth.read_truth(plants.truth_folder)["source_materials"].to_pylist()
    known = {(r["system"], r["item_id"]): r["number"] for r in records}
    assert plants.xref()
    assert all(known[x.system, x.item_id] == x.number for x in plants.xref())
