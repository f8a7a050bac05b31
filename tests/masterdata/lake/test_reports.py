"""Reports out of a published lake: what PostgreSQL answers from the facts, the same bytes whatever arrives later, each
reader's rows alone."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text

from hub.columns import new_id
from hub.database import Tenancy, unit_of_work
from hub.housekeeping import organisations
from identity.principal import Principal
from masterdata.golden import service as golden
from masterdata.golden.schemas import Moment
from masterdata.lake import build, transform
from masterdata.lake.transform import questions
from masterdata.materials import links, rates
from masterdata.materials.schemas import RateIn, XrefIn
from masterdata.reports import answers, making, service
from masterdata.reports.answers import Narrow
from masterdata.reports.schemas import GOLDEN, Report, ReportIn
from tests.masterdata.lake.test_build import neighbour
from tests.masterdata.lake_models.conftest import quietly
from tests.masterdata.plant import GROUP, T0, Plant, move, stock

QUANTITIES = ("on_hand", "unrestricted", "quality", "blocked", "in_transit", "consigned")
INSTANTS = [timedelta(minutes=m) for m in (1, 30, 61, 90, 119, 121)]
# A number that was merged answers for the one it was merged into.
NUMBERS = text("select number from golden_material where merged_into_id is null order by number")
Figures = dict[tuple[str, str, str], list[Decimal]]


class Group:
    """Two plants, and head office that asks."""

    def __init__(self, plants: list[Plant]) -> None:
        self.plants, self.engine = plants, plants[0].engine
        everyone = tuple(organisations(self.engine))
        self.office = Principal("person", new_id(), "Office", GROUP, everyone, frozenset({"inventory:read"}))

    def session(self, *readable: Plant) -> Any:
        tenancy = Tenancy(tuple(plant.id for plant in readable), readable[0].id) if readable else self.office.tenancy
        return unit_of_work(self.engine, tenancy)

    def ask(self, kind: Any = GOLDEN, as_of: datetime | None = None, known_at: datetime | None = None) -> Report:
        with self.session() as session:
            return service.ask(session, self.office, ReportIn(kind=kind, as_of=as_of, known_at=known_at))

    def made(self, **question: Any) -> Report:
        report = self.ask(**question)
        making.make(self.engine, GROUP, report.id)
        with self.session() as session:
            return service.get_report(session, report.id)

    def path(self, report: Report) -> Any:
        with self.session() as session:
            return service.answer_of(session, report.id)

    def rows(self, report: Report, *readable: Plant) -> list[dict[str, Any]]:
        path = self.path(report)
        with self.session(*readable) as session:
            return answers.list_rows(session, path, Narrow(), None, 1_000)[0]

    def of_lake(self, report: Report) -> Figures:
        sums: Figures = defaultdict(lambda: [Decimal(0)] * 8)
        for row in self.rows(report):
            figures = [row[name] or 0 for name in (*QUANTITIES, "value", "group_value")]
            _add(sums, (row["organisation"], row["number"], row["unit"]), figures)
        return dict(sums)

    def of_ledger(self, moment: Moment) -> Figures:
        """The answer of PostgreSQL, material by material."""
        sums: Figures = defaultdict(lambda: [Decimal(0)] * 8)
        with self.session() as session:
            for number in session.scalars(NUMBERS).all():
                for h in golden.get_holders(session, number, moment).holders:
                    held = [getattr(h.stock, "available" if n == "unrestricted" else n) for n in QUANTITIES]
                    money = [h.value.amount if h.value else 0, h.group_value or 0]
                    _add(sums, (h.organisation, number, h.stock.unit), [*held, *money])
        return {key: figures for key, figures in sums.items() if any(figures)}


def _add(sums: Figures, key: tuple[str, str, str], figures: list[Any]) -> None:
    sums[key] = [total + Decimal(figure) for total, figure in zip(sums[key], figures, strict=True)]


def _tell(plant: Plant, currency: str, **to: str) -> None:
    """Reads, movements, three statuses, goods of others, a unit with a factor and one without."""
    known = {"unit_cost": Decimal("3.35"), "currency": currency}
    plant.deliver("materials", [{"item_id": i, "name": i, "base_unit": "C62"} | known for i in "AB"], **to)
    with plant.session() as session:
        links.add_xrefs(session, [XrefIn(system=to.get("system", "u8"), item_id="A", group_number="G1")])
    factor = {"item_id": "A", "unit": "DZN", "numerator": Decimal(12), "denominator": Decimal(1)}
    plant.deliver("material_units", [factor], sync="incremental", **to)
    for minute, held in ((0, 10), (60, 7), (120, 4)):
        rows = [stock("A", held), stock("A", 2, "W2", unit="DZN"), stock("A", 3, "W3", owner="V1")]
        rows += [stock("B", 5, "W2", unit="KGM"), stock("B", held, status="quality"), stock("B", 1, status="blocked")]
        rows += [stock("A", held, "W4", status="in_transit"), stock("A", 1, "W4", owner="V1", status="in_transit")]
        plant.snapshot(rows, minutes=minute, **to)
    moves = [move("A", n, f"{n}", T0 + timedelta(minutes=40 * n)) for n in (1, 2)]
    plant.deliver("stock_movements", moves, sync="incremental", counts="balance+movements", **to)


@pytest.fixture(scope="module")
def group(works: Plant, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Two plants of which one holds euros, built once."""
    with pytest.MonkeyPatch.context() as patched:
        # The question as it is compiled; the models without dbt's run.
        patched.setattr(transform, "questions", questions)
        _tell(works, "CNY")
        other = neighbour(works, patched)
        with works.session() as session:
            rates.add_rates(session, [RateIn(currency="EUR", rate_on=T0.date(), rate=Decimal("7.8125"))])
        _tell(other, "EUR", system="k3", organisation="beihe")
        with quietly():
            build.build(works.engine)
        yield Group([works, other])


@pytest.mark.parametrize("after", INSTANTS, ids=str)
def test_the_lake_answers_what_the_facts_say(group: Group, after: timedelta) -> None:
    report = group.made(as_of=T0 + after)
    assert (report.state, report.error) == ("ready", None)
    told = group.of_lake(report)
    assert told == group.of_ledger(Moment(report.as_of, report.known_at))
    assert {organisation for organisation, *_ in told} == {"qingyu", "beihe"}


def test_a_plant_reads_its_own_rows_of_the_groups_answer(group: Group) -> None:
    report = group.made(as_of=T0 + INSTANTS[1])
    for plant in group.plants:
        assert {row["organisation_id"] for row in group.rows(report, plant)} == {str(plant.id)}
    assert len(group.rows(report)) == sum(len(group.rows(report, plant)) for plant in group.plants) == report.rows


def test_a_mart_is_exported_as_its_build_left_it(group: Group) -> None:
    report = group.made(kind="gold.stock_cover")
    before = group.path(report).read_bytes()
    group.path(report).unlink()
    group.plants[0].snapshot([stock("A", 99)], minutes=100)
    build.build(group.engine)
    making.make(group.engine, GROUP, report.id)
    assert group.path(report).read_bytes() == before
    assert group.ask(kind="gold.stock_cover").id != report.id
    assert {row["organisation"] for row in group.rows(report)} == {"qingyu", "beihe"}


def test_late_data_changes_no_answer_that_was_known(group: Group) -> None:
    at = T0 + timedelta(minutes=91)
    first = group.made(as_of=at)
    bytes_of = hashlib.sha256(group.path(first).read_bytes()).hexdigest()
    group.plants[1].snapshot([stock("A", 55)], minutes=90, system="k3", organisation="beihe")
    build.build(group.engine)
    group.path(first).unlink()
    again = group.made(as_of=at, known_at=first.known_at)
    assert (again.id, again.build_id != first.build_id) == (first.id, True)
    assert hashlib.sha256(group.path(again).read_bytes()).hexdigest() == bytes_of
    newest = group.made(as_of=at)
    assert newest.known_at > first.known_at
    assert group.of_lake(newest) != group.of_lake(again)
    assert group.of_lake(newest) == group.of_ledger(Moment(at, newest.known_at))
