"""Stock rows on their way into the ledger: faulty ones aside, those of one key made one, movements given an
identity."""

from __future__ import annotations

import psycopg

from masterdata.intake import frame as frames
from masterdata.intake.frame import Frame
from masterdata.ledger import keys, staging

_INCOMPLETE = """
    select _row, 'key_incomplete|' as fault, true as is_readable, hash from judged
    where fault is null and hash in (select hash from bad where is_readable)"""

_SINGLE = """
    select hash, item_id, place_id, lot, owner, status, unit, quantity, reserved, value, currency, expires_on, _row,
           null as rows, 1 as n
    from judged where fault is null {without}"""

_SUMMED = """
    select hash, any_value(item_id), any_value(place_id), any_value(lot), any_value(owner), any_value(status),
           any_value(unit), sum(quantity), sum(reserved),
           case when count(distinct currency) <= 1 then sum(value) end,
           case when count(distinct currency) <= 1 then max(currency) end,
           min(expires_on), min(_row), '{{' || array_to_string(list_sort(list(_row)), ',') || '}}', count(*)
    from judged where fault is null and hash in (select hash from several) {without} group by hash"""

_LAST = (
    _SINGLE
    + """ and hash in (select hash from several)
    qualify row_number() over (partition by hash order by _row desc) = 1"""
)

_MOVEMENTS = """
    with read as (
        select hash, item_id, place_id, lot, owner, status, unit, quantity, booked_at, occurred_at, modified_at,
               coalesce(voided, false) as is_voided, kind, document, line, partner_id, _row
        from judged where fault is null),
    said as (select *, {content} as content from read),
    counted as (
        select *, 0 as ordinal from said where coalesce(document, '') <> ''
        union all
        select *, row_number() over (partition by content order by _row) from said where coalesce(document, '') = '')
    select hash, item_id, place_id, lot, owner, status, unit, {identity} as identity, content, quantity, booked_at,
           occurred_at, modified_at, is_voided, kind, document, line, partner_id, _row
    from counted"""


def key_sql(system_id: str) -> str:
    return keys.hash_sql(f"'{system_id}'")


def stage_positions(frame: Frame, connection: psycopg.Connection, *, summed: bool = True) -> int:
    """Fill the ledger's stage with one row per key: its rows summed, or the last of them; how many gave way to it. A
    key of which one row is unreadable is not observed at all."""
    staging.create(connection)
    if frame.number("select count(*) from bad where is_readable"):
        frames.add_bad(frame, _INCOMPLETE)
        frame.copy("select distinct hash from bad where is_readable", connection, "stage_gap (hash)")
    without = "and _row not in (select _row from bad)" if frame.number("select count(*) from bad") else ""
    frame.run(
        "create temp table several as select hash, count(*) as rows from judged"
        f" where fault is null {without} group by hash having count(*) > 1"
    )
    beaten = frame.number("select coalesce(sum(rows - 1), 0) from several")
    if beaten:
        frame.copy((_SUMMED if summed else _LAST).format(without=without), connection, "stage_position")
        without += " and hash not in (select hash from several)"
    frame.copy(_SINGLE.format(without=without), connection, "stage_position")
    return 0 if summed else beaten


def stage_movements(frame: Frame, connection: psycopg.Connection, system_id: str) -> None:
    """Fill the ledger's stage with the batch's movements, each with the identity of its source line."""
    staging.create(connection)
    query = _MOVEMENTS.format(content=keys.content_sql(), identity=keys.identity_sql(f"'{system_id}'"))
    frame.copy(query, connection, f"stage_movement ({staging.DELIVERED})")


def unreadable(frame: Frame) -> int:
    """Rows that do not say of which position they speak; a full snapshot cannot be trusted with one of them."""
    return frame.number("select count(*) from bad where not is_readable")
