"""The lake's charts: a metric by month, the picture of the models."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from markupsafe import Markup

from hub import charts
from hub.formats import Speaker
from masterdata.golden.plots import Plot
from masterdata.lake.lineage import LAYERS, Model, lineage
from masterdata.lake.schemas import OrganisationTrend, TrendPoint, Trends
from masterdata.words import word

Read = Callable[[TrendPoint], float | None]
# How a metric is read of a point, the factor it is shown with, its decimals.
METRICS: dict[str, tuple[Read, int, int]] = {
    "days_of_inventory": (lambda p: p.days_of_inventory, 1, 0),
    "turns": (lambda p: p.turns, 1, 2),
    "duplicate_share": (lambda p: p.duplicate_share, 100, 1),
}
UNITS = {"days_of_inventory": ("天", "days"), "turns": ("次 / 月", "times a month"), "duplicate_share": ("%", "%")}
YEAR = 12


@dataclass(frozen=True, slots=True)
class Line:
    """One organisation's metric: a spark of its full months, the last of them, its change on the same month a year
    before (None: not known)."""

    organisation: str
    spark: Markup
    last: float | None
    change: float | None


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric of the trends page: the chart of the whole, a line for each organisation."""

    key: str
    unit: str
    decimals: int
    plot: Plot
    last: float | None
    lines: Sequence[Line]


def metrics(found: Trends, say: Speaker) -> list[Metric]:
    """The charts of all metrics; none without a month."""
    keys = [key for key in METRICS if key != "duplicate_share" or found.tells_duplicates]
    return [_metric(key, found, say) for key in keys] if found.total else []


def _metric(key: str, found: Trends, say: Speaker) -> Metric:
    _, _, decimals = METRICS[key]
    months = [point.month for point in found.total]
    known = [(i, v) for i, v in enumerate(_values(key, found.total)) if v is not None]
    full = _full(key, found.total)
    is_open = bool(known) and known[-1][0] == len(months) - 1 and found.total[-1].is_partial
    unit, name = say.pick(*UNITS[key]), say.pick(*word("metrics", key))
    last = full[-1][1] if full else None
    svg = charts.trend(
        known, _ticks(months, say), len(months), f"{name}: {say.number(last, decimals)} {unit}",
        last_text=say.number(last, decimals), is_open=is_open,
    )  # fmt: skip
    head = [say.pick("组织", "Organisation"), *[f"{m:%Y-%m}" for m in months]]
    rows = [_row(say.pick("合计", "Total"), key, found.total, months, say)]
    rows += [
        _row(say.pick(o.organisation_zh, o.organisation_en), key, o.points, months, say) for o in found.organisations
    ]
    return Metric(key, unit, decimals, Plot(svg, head, rows), last, [_line(key, o) for o in found.organisations])


def _line(key: str, trend: OrganisationTrend) -> Line:
    full = _full(key, trend.points)
    before = dict(full)
    last_month, last = full[-1] if full else (None, None)
    year_ago = before.get(last_month.replace(year=last_month.year - 1)) if last_month else None
    change = last - year_ago if last is not None and year_ago is not None else None
    return Line(trend.organisation, charts.spark([value for _, value in full], 180, 26), last, change)


def _values(key: str, points: Iterable[TrendPoint]) -> list[float | None]:
    read, factor, _ = METRICS[key]
    return [None if (value := read(point)) is None else value * factor for point in points]


def _full(key: str, points: Sequence[TrendPoint]) -> list[tuple[date, float]]:
    """Months that are over and have a figure."""
    pairs = zip(points, _values(key, points), strict=True)
    return [(point.month, value) for point, value in pairs if value is not None and not point.is_partial]


def _row(name: str, key: str, points: Sequence[TrendPoint], months: Sequence[date], say: Speaker) -> list[str]:
    by_month = dict(zip((p.month for p in points), _values(key, points), strict=True))
    return [name, *[say.number(by_month.get(month), METRICS[key][2]) for month in months]]


def _ticks(months: Sequence[date], say: Speaker) -> list[tuple[int, str]]:
    """Every third month, counted from the newest; a January says its year."""
    chosen = [i for i in range(len(months)) if (months[i].month - 1) % (3 if len(months) > YEAR else 1) == 0]
    return [(i, f"{months[i].year}" if months[i].month == 1 else say.month(months[i])) for i in chosen]


def models(say: Speaker, broken: Collection[str] = ()) -> Markup:
    """Inputs, staging, intermediate and marts, with who reads whom; models in `broken` stand out."""
    columns: list[tuple[str, list[charts.Node]]] = []
    ranks: dict[str, float] = {}
    for layer in LAYERS:
        ordered = sorted((m for m in lineage() if m.layer == layer), key=lambda m: (_rank(m, ranks), m.name))
        ranks |= {m.name: float(n) for n, m in enumerate(ordered)}
        title = say.pick(*word("layers", layer))
        columns.append((title, [charts.Node(m.name, m.reads, "bad" if m.name in broken else "") for m in ordered]))
    return charts.layers(columns, say.pick("模型的来龙去脉", "Which model reads which"))


def _rank(model: Model, ranks: dict[str, float]) -> float:
    """The mean height of what it reads, so that lines cross seldom."""
    heights = [ranks[name] for name in model.reads if name in ranks]
    return sum(heights) / len(heights) if heights else 0.0
