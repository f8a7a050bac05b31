"""Positions and movements of golden materials, each with its way back to the raw row."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from hub import paging
from hub.errors import NotFound
from masterdata.golden import looks, past
from masterdata.golden.ages import age_of
from masterdata.golden.holders import find_golden
from masterdata.golden.records import Movement, MovementPage, MovementQuery, Position, PositionPage, Trail
from masterdata.golden.schemas import LIVE, Amount, Conversion, Moment
from masterdata.materials.units import convert

_POSITIONS = """
    select p.*, g.number, g.unit as golden_unit, u.decimals, o.key as organisation, s.key as system, m.item_id,
           m.item_code, l.place_id as place_code, l.name as place, c.sla_seconds, c.held_batch_id,
           greatest(p.observed_at, p.moved_at, c.read_through) as source_at, f.numerator, f.denominator, b.traceparent,
           b.stream, b.sync, b.clock, b.landed_at, b.applied_at, b.observed_at as batch_observed_at, b.agent_id,
           case when :detail then (select a.name from agent a where a.id = b.agent_id) end as agent,
           case when :detail then (
               select x.rows from observation x where x.organisation_id = p.organisation_id and x.position_id = p.id
               order by x.observed_at desc, x.recording_id desc limit 1) end as rows
    from position p
    join source_material m on m.organisation_id = p.organisation_id and m.id = p.material_id
    join golden_material g on g.id = m.golden_id join unit u on u.code = g.unit
    join place l on l.organisation_id = p.organisation_id and l.id = p.place_id
    join coverage c on c.organisation_id = p.organisation_id and c.id = p.coverage_id
    join organisation o on o.id = p.organisation_id
    join source_system s on s.id = p.system_id
    left join unit_factor f
      on f.organisation_id = p.organisation_id and f.material_id = p.material_id and f.unit = p.unit
    left join batch b on b.organisation_id = p.organisation_id and b.id = p.batch_id"""

_PAGE = text(f"""{_POSITIONS}
    where m.golden_id = :golden and p.id > :after order by p.id limit :limit""")

_ONE = text(f"{_POSITIONS} where p.organisation_id = :organisation and p.id = :position")

_MANY = text(f"{_POSITIONS} where p.id = any(cast(:ids as bigint[])) and m.golden_id = :golden order by p.id")


def list_positions(
    session: Session, number: str, after: str | None = None, limit: int = 50, moment: Moment = LIVE
) -> PositionPage:
    """Positions of a golden material in order of id; at another moment, as they were then."""
    golden = find_golden(session, number)
    last = paging.decode(after, (int,))[0] if after else 0
    if not moment.is_live:
        found = _past(session, golden.id, last, limit, moment)
        looks.looked(session, golden.number, {one.organisation_id for one in found.items})
        return found
    values = {"golden": golden.id, "after": last, "limit": limit + 1, "detail": False}
    page, following = paging.cut(session.execute(_PAGE, values).all(), limit, lambda row: (row.id,))
    looks.looked(session, golden.number, {row.organisation_id for row in page})
    now = datetime.now(UTC)
    return PositionPage([position_of(row, now) for row in page], following)


def _past(session: Session, golden_id: int, last: int, limit: int, moment: Moment) -> PositionPage:
    then = {p.position_id: p for p in past.positions(session, golden_id, moment) if p.position_id > last}
    ids = sorted(then)[: limit + 1]
    rows = session.execute(_MANY, {"golden": golden_id, "ids": ids, "detail": False}).all()
    page, following = paging.cut(rows, limit, lambda row: (row.id,))
    at = moment.as_of or datetime.now(UTC)
    items = []
    for row in page:
        p = then[row.id]
        fields = dict(row._mapping) | {
            "quantity": p.quantity,
            "reserved": None,
            "value": None,
            "source_at": p.observed_at,
            "batch_id": p.batch_id or row.batch_id,
            "row_no": p.row_no or 0,
        }
        items.append(position_of(_Frame(fields), at))
    return PositionPage(items, following)


class _Frame:
    """A row whose fields were replaced."""

    def __init__(self, fields: dict[str, Any]) -> None:
        self.__dict__.update(fields)


def position_of(row: Any, now: datetime) -> Position:
    has_factor = row.numerator is not None
    return Position(
        id=row.id,
        number=row.number,
        organisation=row.organisation,
        organisation_id=row.organisation_id,
        system=row.system,
        item_id=row.item_id,
        item_code=row.item_code,
        place_id=row.place_code,
        place=row.place,
        lot=row.lot,
        owner=row.owner,
        status=row.status,
        quantity=row.quantity,
        unit=row.unit,
        golden_quantity=convert(row.quantity, row.numerator, row.denominator, row.decimals) if has_factor else None,
        golden_unit=row.golden_unit,
        reserved=row.reserved,
        value=Amount(row.value, row.currency) if row.value is not None and row.currency else None,
        expires_on=row.expires_on,
        is_marked=row.is_marked,
        age=age_of(row.source_at, row.sla_seconds, row.held_batch_id is not None, now),
        batch_id=row.batch_id,
        row_no=row.row_no,
        trace_id=trace_of(row.traceparent),
    )


def trace_of(traceparent: str | None) -> str:
    """The trace id of a W3C traceparent; '' where there is none."""
    parts = (traceparent or "").split("-")
    return parts[1] if len(parts) == 4 else ""


def get_trail(session: Session, organisation_id: UUID, position_id: int) -> Trail:
    """From a number back to its raw row; raises NotFound."""
    values = {"organisation": organisation_id, "position": position_id, "detail": True}
    row = session.execute(_ONE, values).one_or_none()
    if row is None:
        raise NotFound(f"There is no position {position_id} you may see.")
    looks.looked(session, row.number, {row.organisation_id})
    converted = row.numerator is not None and row.unit != row.golden_unit
    return Trail(
        position=position_of(row, datetime.now(UTC)),
        conversion=Conversion(row.quantity, row.unit, row.numerator, row.denominator) if converted else None,
        stream=row.stream or "",
        sync=row.sync or "",
        rows=list(row.rows or ([] if row.row_no is None else [row.row_no])),
        agent=row.agent,
        agent_id=row.agent_id,
        observed_at=row.batch_observed_at or row.observed_at or row.moved_at,
        landed_at=row.landed_at,
        applied_at=row.applied_at,
        clock=row.clock or "",
        traceparent=row.traceparent or "",
    )


MOVEMENTS = """
    select v.*, m.golden_id, g.number, g.name_zh, g.name_en, o.key as organisation, s.key as system, m.item_id,
           m.item_code, l.place_id as place_code, l.name as place, p.lot, p.unit
    from movement v
    join position p on p.organisation_id = v.organisation_id and p.id = v.position_id
    join source_material m on m.organisation_id = p.organisation_id and m.id = p.material_id
    join golden_material g on g.id = m.golden_id
    join place l on l.organisation_id = p.organisation_id and l.id = p.place_id
    join organisation o on o.id = v.organisation_id
    join source_system s on s.id = p.system_id"""

# One ordered read per organisation: the index on (organisation, occurred_at) serves each, and the newest rows are few.
_NEWEST = """
    with org as materialized (select id from organisation where cast(:organisations as text[]) = '{{}}'
                              or key = any(cast(:organisations as text[]))),
    newest as materialized (
        select v.* from org cross join lateral (
            select x.* from movement x where x.organisation_id = org.id and x.is_current {where}
            order by x.occurred_at desc, x.id desc limit :limit) v
        order by v.occurred_at desc, v.id desc limit :limit)
    {movements} order by v.occurred_at desc, v.id desc"""


def list_movements(session: Session, query: MovementQuery) -> MovementPage:
    """Movements newest first by business time; restated versions only as last said, voided ones marked."""
    values: dict[str, Any] = {"organisations": list(query.organisations), "limit": query.limit + 1}
    rows = session.execute(text(_statement(session, query, values)), values).all()
    page, following = paging.cut(rows, query.limit, lambda row: (row.occurred_at, row.id))
    return MovementPage([movement_of(row) for row in page], following)


def _statement(session: Session, query: MovementQuery, values: dict[str, Any]) -> str:
    where = []
    if query.number:
        golden = find_golden(session, query.number)
        where.append("x.position_id = any(cast(:positions as bigint[]))")
        found = text(
            "select p.id from position p join source_material m on m.organisation_id = p.organisation_id"
            " and m.id = p.material_id where m.golden_id = :golden"
        )
        values["positions"] = list(session.scalars(found, {"golden": golden.id}))
    if query.kinds:
        where.append("x.kind = any(cast(:kinds as text[]))")
        values["kinds"] = list(query.kinds)
    if query.since:
        where.append("x.occurred_at >= :since")
        values["since"] = query.since
    if query.until:
        where.append("x.occurred_at < :until")
        values["until"] = query.until
    if query.after:
        at, last = paging.decode(query.after, (datetime, int))
        where.append("(x.occurred_at, x.id) < (cast(:at as timestamptz), cast(:last as bigint))")
        values |= {"at": at, "last": last}
    narrowed = "".join(f" and {part}" for part in where)
    return _NEWEST.format(where=narrowed, movements=MOVEMENTS.replace("from movement v", "from newest v"))


def movement_of(row: Row[Any]) -> Movement:
    return Movement(
        id=row.id,
        number=row.number,
        name_zh=row.name_zh,
        name_en=row.name_en,
        organisation=row.organisation,
        system=row.system,
        item_id=row.item_id,
        item_code=row.item_code,
        place_id=row.place_code,
        place=row.place,
        lot=row.lot,
        kind=row.kind,
        quantity=Decimal(row.quantity),
        unit=row.unit,
        occurred_at=row.occurred_at,
        booked_at=row.booked_at,
        document=row.document,
        line=row.line,
        partner_id=row.partner_id,
        is_voided=row.is_voided,
        batch_id=row.batch_id,
        row_no=row.row_no,
    )
