"""Stock of a golden material over time, out of the facts of its positions. Before a position's first observation the
line runs back along the movements the source remembers: an estimate, marked as such."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from masterdata.golden.holders import find_golden
from masterdata.golden.records import History, HistoryPoint
from masterdata.golden.schemas import LIVE, Moment
from masterdata.materials.units import convert

_POSITIONS = text("""
    select p.id, p.quantity, p.unit, p.status, f.numerator, f.denominator
    from position p join source_material m on m.organisation_id = p.organisation_id and m.id = p.material_id
    left join unit_factor f
      on f.organisation_id = p.organisation_id and f.material_id = p.material_id and f.unit = p.unit
    where m.golden_id = :golden and p.status <> 'in_transit'""")

# kind 0: a movement, 1: an observation, which includes what moved at its own instant.
_FACTS = text("""
    select v.position_id, 0 as kind, coalesce(v.booked_at, v.occurred_at) as at, v.quantity,
           v.booked_at is not null as counts
    from movement v join recording r on r.id = v.recording_id
    where v.position_id = any(cast(:positions as bigint[])) and not v.is_voided and r.recorded_at <= :known
      and (v.is_current or not exists (
          select from movement n join recording s on s.id = n.recording_id and s.recorded_at <= :known
          where n.organisation_id = v.organisation_id and n.identity = v.identity and n.id <> v.id
            and (coalesce(n.modified_at, '-infinity'), s.recorded_at, n.id)
              > (coalesce(v.modified_at, '-infinity'), r.recorded_at, v.id)))
    union all
    select o.position_id, 1, o.observed_at, o.quantity, true
    from observation o join recording r on r.id = o.recording_id
    where o.position_id = any(cast(:positions as bigint[])) and r.recorded_at <= :known
    order by 1, 3, 2""")

Steps = list[tuple[datetime, Decimal, bool]]


def get_history(session: Session, number: str, days: int = 365, moment: Moment = LIVE) -> History:
    """Day by day back from `moment`; only days on which something changed, and the first and last."""
    golden = find_golden(session, number)
    until = moment.as_of or datetime.now(UTC)
    positions = session.execute(_POSITIONS, {"golden": golden.id}).all()
    summed = [p for p in positions if p.numerator is not None]
    values = {"positions": [p.id for p in summed], "known": moment.known_at or datetime.max.replace(tzinfo=UTC)}
    facts: dict[int, list[Row[Any]]] = defaultdict(list)
    for fact in session.execute(_FACTS, values):
        facts[fact.position_id].append(fact)
    lines = [_converted(p, steps_of(facts[p.id]), golden.decimals) for p in summed]
    return History(
        number=golden.number,
        unit=golden.unit,
        points=_points(lines, until - timedelta(days=days), until),
        apart=sorted({p.unit for p in positions if p.numerator is None}),
        known_at=moment.known_at,
    )


def steps_of(facts: Sequence[Any]) -> Steps:
    """(instant, quantity from then on, is estimated) of one position; `facts` in order of instant and kind."""
    first = next((f for f in facts if f.kind == 1), None)
    steps: Steps = []
    if first is not None:
        before = [f for f in facts if f.kind == 0 and not f.counts and f.at <= first.at]
        held = first.quantity - sum((f.quantity for f in before), Decimal(0))
        for f in before:
            held += f.quantity
            steps.append((f.at, held, True))
    held = Decimal(0)
    for f in facts:
        if f.counts:
            held = f.quantity if f.kind == 1 else held + f.quantity
            steps.append((f.at, held, False))
    return sorted(steps, key=lambda step: step[0])


def _converted(position: Row[Any], steps: Steps, decimals: int) -> Steps:
    n, d = position.numerator, position.denominator
    return [(at, convert(quantity, n, d, decimals), estimated) for at, quantity, estimated in steps]


def _points(lines: Iterable[Steps], since: datetime, until: datetime) -> list[HistoryPoint]:
    """The sum of the lines, once per day on which one of them changed."""
    changes = sorted(
        (
            (at, line, quantity, estimated)
            for line, steps in enumerate(lines)
            for at, quantity, estimated in steps
            if at <= until
        ),
        key=lambda change: change[0],
    )
    held: dict[int, tuple[Decimal, bool]] = {}
    days: dict[datetime, HistoryPoint] = {}
    total, guessed = Decimal(0), 0
    for at, line, quantity, estimated in changes:
        before, was_estimated = held.get(line, (Decimal(0), False))
        held[line] = (quantity, estimated)
        total += quantity - before
        guessed += estimated - was_estimated
        day = since if at <= since else at.replace(hour=0, minute=0, second=0, microsecond=0)
        days[day] = HistoryPoint(max(at, since), total, guessed > 0)
    points = [days[day] for day in sorted(days)]
    return [*points, HistoryPoint(until, points[-1].quantity, points[-1].is_estimated)] if points else []
