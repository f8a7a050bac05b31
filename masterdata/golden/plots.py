"""The golden view's charts: figures of the services turned into marks, with the message a reader should take away."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from markupsafe import Markup
from sqlalchemy.orm import Session

from hub import charts
from hub.formats import Speaker
from masterdata.golden import service
from masterdata.golden.records import History, HistoryPoint, OrganisationValue, Overview
from masterdata.golden.schemas import LIVE, Moment

Place = Callable[[datetime], float]
MOST_BANDS = 7
DAYS = 365


@dataclass(frozen=True, slots=True)
class Plot:
    """A chart, and the same as rows for the table behind its link."""

    svg: Markup
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    known: Decimal | None = None
    now: Decimal | None = None


def value_by_organisation(found: Overview, say: Speaker) -> Plot | None:
    """Stacked month ends and a bar of now, in millions; from the eighth organisation on one "others"."""
    orgs = sorted(found.organisations, key=lambda o: o.value.amount, reverse=True)
    if not orgs:
        return None
    months = [day for day, _ in max((o.months for o in orgs), key=len)]
    bands = [_band(o, months, say) for o in orgs]
    if len(bands) > MOST_BANDS:
        bands = [*bands[: MOST_BANDS - 1], _others(bands[MOST_BANDS - 1 :], say)]
    total = sum(b.now for b in bands)
    label = say.pick(
        f"各组织库存金额，共 {total:,.1f} 百万 {found.currency}",
        f"Stock value by organisation, {found.currency} {total:,.1f} million in all",
    )
    svg = charts.stacked(bands, [say.month(m) for m in months], label, say.pick("现在", "now"))
    head = [say.pick("组织", "Organisation"), *[f"{m:%Y-%m}" for m in months], say.pick("现在", "now")]
    return Plot(svg, head, [[b.name, *[f"{v:,.1f}" for v in b.values], b.now_text] for b in bands])


def _band(org: OrganisationValue, months: Sequence[object], say: Speaker) -> charts.Band:
    known = {day: float(value) / 1e6 for day, value in org.months}
    now = float(org.value.amount) / 1e6
    name = say.pick(org.organisation_zh, org.organisation_en)
    short = name if len(name) <= 14 else name.split(" ")[0]
    return charts.Band(short, [known.get(m, 0.0) for m in months], now, org.age.state, f"{now:,.1f}")  # type: ignore[call-overload]


def _others(bands: Sequence[charts.Band], say: Speaker) -> charts.Band:
    now = sum(b.now for b in bands)
    values = [sum(at) for at in zip(*[b.values for b in bands], strict=True)]
    return charts.Band(say.pick("其他", "others"), values, now, "fresh", f"{now:,.1f}")


def history(session: Session, number: str, moment: Moment, say: Speaker, decimals: int | None) -> Plot | None:
    """Stock over a year; looking back, what was known then is drawn beside what is known now."""
    now = service.get_history(session, number, DAYS, LIVE)
    then = service.get_history(session, number, DAYS, Moment(None, moment.known_at)) if moment.known_at else None
    return drawn(now, then, moment, say, decimals)


def drawn(now: History, then: History | None, moment: Moment, say: Speaker, decimals: int | None) -> Plot | None:
    """The history as a step line, `then` dashed beside it."""
    if not now.points:
        return None
    end = datetime.now(UTC)
    start = min(now.points[0].at, end - timedelta(days=1))
    span = (end - start).total_seconds()

    def x(at: datetime) -> float:
        return min(max((at - start).total_seconds() / span, 0.0), 1.0)

    look = _look(now, then, moment, x, say=say, decimals=decimals) if not moment.is_live else None
    last = now.points[-1].quantity
    svg = charts.step_line(
        [*[(x(p.at), float(p.quantity)) for p in now.points], (1.0, float(last))],
        _ticks(start, end, x, say),
        say.pick(
            f"现有量历史，现在 {say.number(last, decimals)}", f"On hand over time, now {say.number(last, decimals)}"
        ),
        look=look,
        last_text=say.number(last, decimals),
        known=[(x(p.at), float(p.quantity)) for p in then.points] if then else (),
    )
    head = [say.pick("时刻", "Instant"), say.pick("现有", "On hand")]
    rows = [[say.exact(p.at), say.number(p.quantity, decimals)] for p in reversed(now.points[-200:])]
    return Plot(svg, head, rows, _at(then, moment.as_of) if then else None, _at(now, moment.as_of))


def _look(
    now: History, then: History | None, moment: Moment, x: Place, *, say: Speaker, decimals: int | None
) -> charts.Look:
    at = moment.as_of or moment.known_at or datetime.now(UTC)
    known, known_now = _at(then, at), _at(now, at)
    return charts.Look(
        x(at),
        None if known is None else float(known),
        None if known_now is None else float(known_now),
        say.number(known, decimals),
        say.number(known_now, decimals),
    )


def _at(found: History | None, at: datetime | None) -> Decimal | None:
    """What a history says for an instant: its last point at or before it."""
    if found is None or at is None:
        return None
    before: list[HistoryPoint] = [p for p in found.points if p.at <= at]
    return before[-1].quantity if before else None


def _ticks(start: datetime, end: datetime, x: Place, say: Speaker) -> list[tuple[float, str]]:
    """Month beginnings, every second one where there are many; days where the stretch is short."""
    if (end - start).days < 60:
        step = max((end - start) / 5, timedelta(hours=1))
        return [(x(start + step * i), say.day(start + step * i)) for i in range(5)]
    months: list[tuple[float, str]] = []
    at = start.astimezone(say.clock).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    while (at := (at + timedelta(days=32)).replace(day=1)) < end:
        months.append((x(at), say.month(at.date()) + ("月" if say.language == "zh" and not months else "")))
    return months[:: 2 if len(months) > 7 else 1]
