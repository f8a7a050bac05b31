"""Answers of the lake's services as literals, for its templates."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from masterdata.lake import grades, pages, plots, service
from masterdata.lake.schemas import (
    Ageing,
    Alarm,
    Build,
    BuildDetail,
    Check,
    DataAsset,
    Finding,
    HolderAgeing,
    OrganisationTrend,
    Reason,
    TrendPoint,
    Trends,
)
from masterdata.lake.words import definitions

NOW = datetime.now(UTC)


def build(n: int, state: Any = "published", **more: Any) -> Build:
    began = NOW - timedelta(hours=6 * n)
    given = {"positions": 20_242, "holdings": 5_150, "differences": 0, "kept": 85, "broken": 0, "error": None} | more
    return Build(UUID(int=70 + n), state, "schedule", n == 2, began, began, began, 94.2, **given)


RUNNING = build(0, "running", positions=None, holdings=None, differences=None, kept=4)
FAILED = build(1, "failed", broken=2, error="Not published: ageing_adds_up.", differences=None)
ALARM = Alarm("differences", build(2, differences=9), NOW)
DIFFERENCE = {
    "what": "position", "item": "0402", "place": "A-01", "lot": "L-1", "status": "quality", "unit": "C62",
    "position_id": 7, "field": "quantity", "live": "12.000000000", "lake": None,
}  # fmt: skip
FINDINGS = [
    Finding(1, UUID(int=10), "teal", "difference", "position", DIFFERENCE, "GM-0000001", "螺栓", "Bolt",
            UUID(int=7), 3),
    Finding(2, UUID(int=10), "teal", "difference", "holding", DIFFERENCE | {"field": "golden_id", "live": "GM-1"}, None,
            None, None, None, None),
    Finding(3, UUID(int=1), "group", "gold", "ageing_adds_up", {"material_id": "4"}, None, None, None, None, None),
]  # fmt: skip
CHECKS = [
    Check("ageing_adds_up", "gold", False, 3.0, None, None),
    Check("golden_inventory", "model", False, 0, 1.2, "Conversion Error"),
    Check("key_golden_inventory", "test", True, 0, 0.1, None),
]
ASSET = DataAsset(
    UUID(int=10), "teal", "teal", "用友 U8", "Yonyou U8", "all", "stock_positions", "D",
    [Reason("completeness", 0.91, 0.99, 2), Reason("delay", 5400, 900, 2), Reason("silent", 1000, 900, 1),
     Reason("breaks", 1, 0, 1), Reason("reads", 4, 5, 1)],
    4, 61204, 5508, NOW, NOW, 1000.0, 300.0, 12.0, 5400.0, 0.91, 900, 1,
)  # fmt: skip
HOLDER = HolderAgeing(
    "teal", "青屿泵厂", "Teal Isle Pumps", "u8", "0402", "C62", Decimal(145), Decimal(5914), 544.0,
    Decimal("79.904109589"), Decimal(5914), date(2026, 10, 6), Decimal(87000), [80.0, 0.0, 20.0, 40.0, 5.0],
)  # fmt: skip
AGEING = Ageing("GM-0048213", "C62", "CNY", UUID(int=72), NOW, [HOLDER])
POINTS = [
    TrendPoint(date(2025 + n // 12, n % 12 + 1, 1), 3.2e8, 3.2e8, 3.5e7, 0.11, 281.0 - n, 0.162, n == 22)
    for n in range(23)
]
TRENDS = Trends(
    UUID(int=72), NOW, "CNY", False, POINTS, [OrganisationTrend("teal", "青屿泵厂", "Teal Isle Pumps", POINTS)],
    definitions(),
)  # fmt: skip


def templates(say: Any) -> dict[str, dict[str, Any]]:
    steps = service.steps_of([{"name": "pin", "seconds": 2.9}], RUNNING)
    return {
        "builds.html": {"builds": [RUNNING, FAILED, build(2)], "alarm": Alarm("failed", FAILED, None),
                        "following": UUID(int=73), "is_waiting": False},
        "build.html": {"detail": BuildDetail(RUNNING, steps, CHECKS, {"gold.golden_inventory": 39}, {"gold": 1}),
                       "build": RUNNING, "findings": FINDINGS, "following": "n",
                       "picture": plots.models(say, {"golden_inventory"}),
                       "figure": lambda told: pages.figure(told, say)},
        "data-assets.html": {"assets": [ASSET], "current": RUNNING, "rules": grades},
        "trends.html": {"trends": TRENDS, "metrics": plots.metrics(TRENDS, say)},
    }  # fmt: skip
