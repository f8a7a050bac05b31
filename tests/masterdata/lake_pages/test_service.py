"""Builds under way and lost, the alarm, grades with their reasons, months as ratios, the picture of the models."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from hub import worker
from masterdata.lake import build as building
from masterdata.lake import marts, service, trends
from masterdata.lake.grades import graded
from masterdata.lake.lineage import PROJECT, lineage
from masterdata.lake.words import definitions
from masterdata.words import METRICS, STEPS
from tests.masterdata.lake_pages.conftest import LOCK, Lake

FEED = {
    "completeness": 1.0,
    "delay_p95_seconds": 10.0,
    "silent_seconds": 10.0,
    "sla_seconds": 900,
    "breaks": 0,
    "batches": 100,
}
GRADES: tuple[tuple[dict[str, Any], str, list[tuple[str, int]]], ...] = (
    ({}, "A", []),
    ({"completeness": None, "delay_p95_seconds": None}, "A", []),
    ({"completeness": 0.99, "delay_p95_seconds": 900.0, "batches": 5}, "A", []),
    ({"completeness": 0.98}, "B", [("completeness", 1)]),
    ({"completeness": 0.94}, "C", [("completeness", 2)]),
    ({"delay_p95_seconds": 901.0}, "B", [("delay", 1)]),
    ({"delay_p95_seconds": 1801.0}, "C", [("delay", 2)]),
    ({"silent_seconds": 1801.0}, "C", [("silent", 2)]),
    ({"breaks": 1}, "B", [("breaks", 1)]),
    ({"breaks": 6}, "C", [("breaks", 2)]),
    ({"batches": 4}, "B", [("reads", 1)]),
    ({"completeness": 0.5, "breaks": 1}, "D", [("completeness", 2), ("breaks", 1)]),
    ({"completeness": 0.5, "breaks": 9}, "D", [("completeness", 2), ("breaks", 2)]),
)  # fmt: skip


@pytest.mark.parametrize(("change", "grade", "reasons"), GRADES)
def test_a_grade_follows_from_its_reasons(change: dict[str, Any], grade: str, reasons: list[tuple[str, int]]) -> None:
    found, why = graded(FEED | change)
    assert (found, [(reason.rule, reason.points) for reason in why]) == (grade, reasons)


def test_assets_stand_worst_first(lake: Lake) -> None:
    a, b = lake.plants["a"], lake.plants["b"]
    lake.feed(a, stream="materials", completeness=0.9)
    lake.feed(b, stream="materials", completeness=0.98)
    found = [(x.organisation, x.stream, x.grade) for x in service.list_data_assets(lake.shop.session)]
    assert found[:2] == [("a", "materials", "C"), ("b", "materials", "B")]
    assert {grade for *_, grade in found[2:]} == {"A"}


def test_a_build_without_its_lock_was_killed(lake: Lake) -> None:
    running = lake.build("running", ended_at=None, known_at=None, figures={}, steps=[{"name": "pin", "seconds": 2.0}])
    session = lake.shop.session
    lost = service.get_build(session, running.id)
    assert (lost.build.state, lost.build.error, lost.build.seconds) == ("failed", service.LOST, 2.0)
    alarm = service.get_alarm(session)
    assert alarm is not None and (alarm.kind, alarm.build.id) == ("failed", running.id)
    session.execute(LOCK)
    detail = service.get_build(session, running.id)
    assert (detail.build.state, detail.build.error) == ("running", None)
    assert [(s.seconds, s.is_running) for s in detail.steps][:3] == [(2.0, False), (None, True), (None, False)]
    assert detail.steps[1].began_seconds == 2.0
    alarm = service.get_alarm(session)
    assert alarm is not None and (alarm.kind, alarm.build.id) == ("differences", lake.build_id)


def test_a_clean_build_ends_the_alarm(lake: Lake) -> None:
    lake.build("failed", error="Not published: x.")
    assert service.get_alarm(lake.shop.session) is not None
    lake.build()
    assert service.get_alarm(lake.shop.session) is None


def test_a_build_is_asked_for_once(lake: Lake) -> None:
    session = lake.shop.session
    assert not service.is_waiting(session)
    assert [service.request_build(session) for _ in range(2)] == [True, False]
    assert service.is_waiting(session)
    (args,) = session.execute(text("select args from procrastinate_jobs where task_name = 'masterdata.lake.build'"))
    assert args.args["reason"] == "request"


def test_months_of_the_whole_are_ratios_of_sums(lake: Lake) -> None:
    a, b = lake.plants["a"], lake.plants["b"]
    lake.month(
        a, date(2026, 11, 1), days=23, mean_value=300.0, issued_value=46.0, closing_value=400.0, duplicate_value=50.0
    )
    lake.month(
        b, date(2026, 11, 1), days=23, mean_value=100.0, issued_value=0.0, closing_value=100.0, duplicate_value=0.0
    )
    lake.month(b, date(2024, 11, 1), mean_value=1.0)
    found = trends.get_trends(lake.shop.session)
    assert [(p.month, p.is_partial) for p in found.total] == [(date(2026, 10, 1), False), (date(2026, 11, 1), True)]
    last, idle = found.total[-1], found.organisations[1].points[-1]
    assert (last.days_of_inventory, last.turns, last.duplicate_share) == pytest.approx((200.0, 0.115, 0.1))
    assert (idle.days_of_inventory, idle.turns, idle.duplicate_share) == (None, 0.0, 0.0)
    assert len(trends.get_trends(lake.shop.session, months=25).total) == 3


def test_a_finding_about_identity_names_both_materials(lake: Lake) -> None:
    session = lake.shop.session
    ids = session.execute(text("select id from golden_material order by id")).scalars().all()
    lake.finding(lake.plants["a"], field="golden_id", live=f"{ids[0]}.000000000", lake=str(ids[1]))
    found = service.list_findings(session, lake.build_id)[-1]
    numbers = session.execute(text("select number from golden_material order by id")).scalars().all()
    assert [found.detail["live"], found.detail["lake"]] == numbers[:2]


def test_words_name_every_step_and_metric_there_is() -> None:
    assert list(STEPS) == list(building.STEPS)
    assert service.BUILD in worker.TASKS
    assert set(METRICS) <= set(definitions())
    assert definitions() == marts.definitions()


PARSE = """
import sys; from dbt.cli.main import dbtRunner; project, to = sys.argv[1:]
where = ["--project-dir", project, "--profiles-dir", project, "--target-path", to, "--log-path", to]
known = ["--vars", "{group_currency: CNY, today: 2026-11-23}"]
sys.exit(not dbtRunner().invoke(["parse", "--quiet", *where, *known]).success)"""


def test_the_picture_is_what_dbt_itself_resolves(tmp_path: Path) -> None:
    told = {"HUB_BUILD_FILE": str(tmp_path / "x.duckdb"), "HUB_BUILD_TEMP": str(tmp_path), "HUB_BUILD_MEMORY": "1GB"}
    environment = os.environ | told | {"DO_NOT_TRACK": "1"}
    subprocess.run([sys.executable, "-c", PARSE, PROJECT, tmp_path], env=environment, check=True)
    nodes = json.loads((tmp_path / "manifest.json").read_text())["nodes"].values()
    known = {n["name"]: set(map(_name, n["depends_on"]["nodes"])) for n in nodes if n["resource_type"] == "model"}
    assert {m.name: set(m.reads) for m in lineage() if m.layer != "source"} == known


def _name(node: str) -> str:
    """`model.project.name` and `source.project.schema.table`, as the picture writes them."""
    return ".".join(node.split(".")[2:])
