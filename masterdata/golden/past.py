"""Who held a golden material at another instant, as it was known then: facts, links, factors, costs and rates are all
taken as of their own times. Reservations have no history; `available` is what was unrestricted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from hub.settings import settings
from masterdata.golden.schemas import Moment
from masterdata.ledger import asof
from masterdata.materials.units import convert

CENT = Decimal("0.01")

# Source materials linked to the golden material as known at :known (the newest link recorded by then decides).
_MEMBERS = text("""
    select m.organisation_id, m.id from source_material m
    where case when cast(:known as timestamptz) is null then m.golden_id = :golden else :golden = (
        select l.golden_id from link l where l.organisation_id = m.organisation_id and l.material_id = m.id
          and l.recorded_at <= :known order by l.recorded_at desc, l.id desc limit 1) end
      and m.id in (select material_id from link where golden_id = :golden)""")

_FRAMES = text("""
    select m.organisation_id, m.id as material_id, c.id as coverage_id, t.unit, g.unit as golden_unit, u.decimals,
           o.key as org_key, o.name_zh as org_zh, o.name_en as org_en, o.seal, o.letter, s.key as system_key,
           s.name_zh as system_zh, s.name_en as system_en, m.item_id, m.item_code, m.name, m.rule, m.confidence,
           c.name as coverage, c.sla_seconds, c.held_batch_id,
           a.numerator as base_n, a.denominator as base_d, b.numerator as golden_n, b.denominator as golden_d,
           cost.cost, cost.currency, case when cost.currency = :currency then 1 else rate.rate end as rate, rate.rate_on
    from unnest(cast(:materials as bigint[]), cast(:coverages as bigint[]), cast(:units as text[]))
         as t(material_id, coverage_id, unit)
    join source_material m on m.id = t.material_id
    join coverage c on c.organisation_id = m.organisation_id and c.id = t.coverage_id
    join source_system s on s.id = m.system_id
    join organisation o on o.id = m.organisation_id
    join golden_material g on g.id = :golden join unit u on u.code = g.unit
    left join lateral unit_ratio(t.unit, coalesce(m.base_unit, g.unit), m.id, m.organisation_id, :at, :known) a on true
    left join lateral unit_ratio(g.unit, coalesce(m.base_unit, g.unit), m.id, m.organisation_id, :at, :known) b on true
    left join lateral (
        select x.cost, x.currency from unit_cost x
        where x.organisation_id = m.organisation_id and x.material_id = m.id and x.valid_from <= :at
          and x.recorded_at <= :known
        order by x.valid_from desc, x.recorded_at desc limit 1) cost on true
    left join lateral (
        select e.rate, e.rate_on from exchange_rate e
        where e.currency = cost.currency and e.recorded_at <= :known
          and e.rate_on <= cast(cast(:at as timestamptz) at time zone :zone as date)
        order by e.rate_on desc, e.recorded_at desc limit 1) rate on true
    order by o.rank, o.key, s.key, m.item_id, c.name, t.unit""")

STATUSES = ("unrestricted", "quality", "blocked", "in_transit")


def members(session: Session, golden_id: int, known_at: datetime | None) -> list[tuple[UUID, int]]:
    return [(row[0], row[1]) for row in session.execute(_MEMBERS, {"golden": golden_id, "known": known_at})]


def positions(session: Session, golden_id: int, moment: Moment) -> list[asof.PastPosition]:
    """Positions of the golden material's sources as they were; those no fact had touched by then are left out."""
    found = members(session, golden_id, moment.known_at)
    connection = session.connection().connection.driver_connection
    if not found or connection is None:
        return []
    rows = asof.positions(
        connection,
        list({org for org, _ in found}),
        [m for _, m in found],
        moment.as_of or datetime.now(UTC),
        moment.known_at,
    )
    return [row for row in rows if row.quantity or row.observed_at]


def holdings(session: Session, golden_id: int, moment: Moment, at: datetime) -> list[Any]:
    """Rows in the shape of the live holdings, as they were at `at`."""
    sums = _summed(positions(session, golden_id, moment))
    keys = list(sums)
    values = {
        "golden": golden_id,
        "materials": [key[0] for key in keys],
        "coverages": [key[1] for key in keys],
        "units": [key[2] for key in keys],
        "at": at,
        "known": moment.known_at or datetime.now(UTC),
        "currency": settings().group_currency,
        "zone": settings().zone,
    }
    frames = session.execute(_FRAMES, values).all() if keys else []
    return [_row(frame, sums[frame.material_id, frame.coverage_id, frame.unit]) for frame in frames]


def _summed(found: Sequence[asof.PastPosition]) -> dict[tuple[int, int, str], dict[str, Any]]:
    sums: dict[tuple[int, int, str], dict[str, Any]] = {}
    for p in found:
        start: dict[str, Any] = defaultdict(Decimal, positions=0, negatives=0, source_at=None)
        total = sums.setdefault((p.material_id, p.coverage_id, p.unit), start)
        total[p.status] += p.quantity
        total["consigned"] += p.quantity if p.owner and p.status != "in_transit" else 0
        total["positions"] += 1
        total["negatives"] += p.quantity < 0
        total["source_at"] = min(filter(None, (total["source_at"], p.observed_at)), default=None)
    return sums


def _row(frame: Row[Any], total: dict[str, Any]) -> SimpleNamespace:
    """A holding of the past in the shape of a live one."""
    on_hand = total["unrestricted"] + total["quality"] + total["blocked"]
    is_apart = frame.base_n is None or frame.golden_n is None
    numerator, denominator = (1, 1) if is_apart else (frame.base_n * frame.golden_d, frame.base_d * frame.golden_n)

    def golden(quantity: Decimal) -> Decimal:
        return convert(quantity, Decimal(numerator), Decimal(denominator), frame.decimals)

    value = worth = None
    if frame.cost is not None and frame.base_n is not None:
        base = convert((on_hand - total["consigned"]) * frame.cost, frame.base_n, frame.base_d, 2)
        value = base.quantize(CENT)
        worth = None if frame.rate is None else (value * frame.rate).quantize(CENT)
    return SimpleNamespace(
        **frame._mapping,
        on_hand=golden(on_hand),
        available=golden(total["unrestricted"]),
        reserved=Decimal(0),
        **{name: golden(total[name]) for name in ("in_transit", "quality", "blocked", "consigned")},
        source_on_hand=on_hand,
        is_apart=is_apart,
        numerator=Decimal(numerator),
        denominator=Decimal(denominator),
        value=value,
        worth=worth,
        source_at=total["source_at"],
        positions=total["positions"],
        negatives=total["negatives"],
        marked=0,
    )
