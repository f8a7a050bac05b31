"""The key figures of the overview and what each of them means, in both languages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from masterdata.golden.records import Kpi, OrganisationValue
from masterdata.golden.schemas import Age
from masterdata.golden.totals import hull

DEFINITIONS = {
    "value": (
        "全部持有方自有现有库存按单位成本与最新汇率折合集团本位币的金额。",
        "Own stock on hand of all holders at unit cost, in the group's currency at the newest rate.",
    ),
    "days_of_inventory": (
        "库存金额 ÷ 最近三个完整月发料与销售的日均金额。",
        "Value on hand ÷ average daily value of issues and sales in the last three full months.",
    ),
    "duplicate_share": (
        "两家及以上组织同时持有的物料，除持有最多的一家外其余各家的金额，占库存金额的比例。",
        "Of materials several organisations hold, the value beyond the largest holder's, as a share of all value.",
    ),
    "dormant_value": (
        "365 天及以上没有任何出入库、且曾有记录的库存金额。",
        "Value of stock whose last recorded movement is 365 days or more ago.",
    ),
    "stale_share": (
        "来源数据龄超过承诺两倍的库存金额占比。",
        "Share of value whose source is older than twice its promise.",
    ),
}
DAYS, FULL_MONTHS = 91, 3


def kpis(
    organisations: Sequence[OrganisationValue],
    issued: Decimal,
    ages: Sequence[tuple[Age, Decimal]],
    sums: Mapping[str, Any],
) -> list[Kpi]:
    """`issued` is the value issued in the last FULL_MONTHS full months."""
    whole = sum((o.value.amount for o in organisations), Decimal(0))
    spark = [sum(points, Decimal(0)) for points in zip(*([v for _, v in o.months] for o in organisations), strict=True)]
    stale = sum((worth for age, worth in ages if age.state == "stale"), Decimal(0))
    daily = issued / DAYS
    silhouette = hull(ages)
    duplicate = {"value": sums["twice"], "materials": Decimal(sums["several"])}
    dormant_share = {"share": _share(sums["still"], whole) or Decimal(0)}
    return [
        _kpi("value", round(whole, 2), "currency", spark=spark, previous=spark[-1] if spark else None, hull=silhouette),
        _kpi("days_of_inventory", round(whole / daily) if daily else None, "days", detail={"daily": round(daily, 2)}),
        _kpi("duplicate_share", _share(sums["twice"], whole), "share", detail=duplicate),
        _kpi("dormant_value", sums["still"], "currency", detail=dormant_share),
        _kpi("stale_share", _share(stale, whole), "share", detail={"value": stale}),
    ]


def _share(part: Decimal, whole: Decimal) -> Decimal | None:
    return round(part / whole, 4) if whole else None


def _kpi(key: str, figure: Any, unit: str, **more: Any) -> Kpi:
    zh, en = DEFINITIONS[key]
    given = {"previous": None, "spark": [], "detail": {}, "hull": []} | more
    return Kpi(key, None if figure is None else Decimal(figure), unit, definition_zh=zh, definition_en=en, **given)  # type: ignore[arg-type]
