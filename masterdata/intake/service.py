"""What intake tells: batches, held snapshots, quarantined rows and their causes. Decisions are in `decide`, repairs in
`replay`, raw rows in `rows`; row security limits every answer to what the caller may read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.orm import Session

from hub.errors import NotFound
from masterdata.intake.schemas import (
    Batch,
    BatchDetail,
    Cause,
    Consequence,
    Finding,
    Goods,
    Money,
    QuarantinedRow,
)

PAGE = 50

_BATCH = """
    select b.id, b.organisation_id, o.key as organisation, s.key as system, b.stream, b.coverage, b.sync, b.counts,
           b.observed_at, b.clock, b.state, b.origin_id, b.announced_at, b.landed_at, b.applied_at, b.size, b.rows_in,
           b.applied, b.unchanged, b.duplicate, b.quarantined, b.pending, b.header ->> 'mapping' as mapping,
           b.traceparent, b.error, b.gate, b.decision
    from batch b
    join organisation o on o.id = b.organisation_id
    join source_system s on s.id = b.system_id
"""

_LIST = text(f"""{_BATCH}
    where (cast(:system as text) is null or s.key = :system)
      and (cast(:stream as text) is null or b.stream = :stream)
      and (cast(:state as text) is null or b.state = :state)
      and (cast(:at as timestamptz) is null or (b.announced_at, b.id) < (:at, :id))
    order by b.announced_at desc, b.id desc limit :limit""")

_ONE = text(f"{_BATCH} where b.id = :id")

_HELD = text(f"{_BATCH} where b.state = 'held' order by b.announced_at desc, b.id desc limit :limit")

_ROW = """
    select q.id, q.organisation_id, o.key as organisation, q.batch_id, s.key as system, q.stream, q.row_no, q.reason,
           q.field, q.value, q.detail, q.record, q.raw, q.state, b.observed_at, b.header ->> 'mapping' as mapping,
           q.resolved_at, q.replay_batch_id
    from quarantine q
    join organisation o on o.id = q.organisation_id
    join source_system s on s.id = q.system_id
    join batch b on b.organisation_id = q.organisation_id and b.id = q.batch_id
"""

_ROWS = text(f"""{_ROW}
    where (cast(:state as text) is null or q.state = :state)
      and (cast(:system as text) is null or s.key = :system)
      and (cast(:stream as text) is null or q.stream = :stream)
      and (cast(:reason as text) is null or q.reason = :reason)
      and (cast(:value as text) is null or q.value = :value)
      and (cast(:batch as uuid) is null or q.batch_id = :batch)
      and (cast(:before as bigint) is null or q.id < :before)
    order by q.id desc limit :limit""")

_ONE_ROW = text(f"{_ROW} where q.id = :id")

_CAUSES = text("""
    select q.organisation_id, o.key as organisation, s.key as system, q.stream, q.reason, q.field, q.value,
           count(*) as rows, max(q.id) as newest_id, max(b.observed_at) as newest_at
    from quarantine q
    join organisation o on o.id = q.organisation_id
    join source_system s on s.id = q.system_id
    join batch b on b.organisation_id = q.organisation_id and b.id = q.batch_id
    where q.state = 'open'
    group by q.organisation_id, o.key, s.key, q.stream, q.reason, q.field, q.value
    order by rows desc, newest_id desc limit :limit""")

_COUNTS = text("""
    select (select count(*) from batch where state = 'held') as held,
           (select count(*) from batch where state = 'failed') as failed,
           (select count(*) from quarantine where state = 'open') as quarantined""")


def list_batches(
    session: Session, filters: Mapping[str, str | None], before: tuple[datetime, UUID] | None = None, limit: int = PAGE
) -> list[Batch]:
    """Newest first; `filters` may name system, stream, state; `before` is (announced_at, id) of the last one seen."""
    at, last = before or (None, None)
    values = {"system": None, "stream": None, "state": None, **filters, "at": at, "id": last, "limit": limit}
    return [_batch(row) for row in session.execute(_LIST, values).mappings()]


def get_batch(session: Session, batch_id: UUID) -> BatchDetail:
    row = session.execute(_ONE, {"id": batch_id}).mappings().one_or_none()
    if row is None:
        raise NotFound(f"There is no batch {batch_id}.")
    return _detail(row)


def list_held(session: Session, limit: int = PAGE) -> list[BatchDetail]:
    """Held batches, each with what the gate found and what releasing it would do."""
    return [_detail(row) for row in session.execute(_HELD, {"limit": limit}).mappings()]


def list_quarantine(
    session: Session, filters: Mapping[str, Any], before: int | None = None, limit: int = PAGE
) -> list[QuarantinedRow]:
    """Newest first; `filters` may name state, system, stream, reason, value, batch; `before` is the last id seen."""
    names = ("state", "system", "stream", "reason", "value", "batch")
    values = dict.fromkeys(names) | dict(filters) | {"before": before, "limit": limit}
    return [QuarantinedRow(**row) for row in session.execute(_ROWS, values).mappings()]


def get_quarantined(session: Session, row_id: int) -> QuarantinedRow:
    row = session.execute(_ONE_ROW, {"id": row_id}).mappings().one_or_none()
    if row is None:
        raise NotFound(f"There is no quarantined row {row_id}.")
    return QuarantinedRow(**row)


def list_causes(session: Session, limit: int = PAGE) -> list[Cause]:
    """Open rows by what must be repaired, the cause with the most rows first."""
    return [Cause(**row) for row in session.execute(_CAUSES, {"limit": limit}).mappings()]


def count_open(session: Session) -> dict[str, int]:
    """Held and failed batches and open quarantined rows, for counters."""
    return dict(session.execute(_COUNTS).mappings().one())


_BATCH_FIELDS = tuple(f.name for f in fields(Batch))


def _batch(row: RowMapping) -> Batch:
    return Batch(**{name: row[name] for name in _BATCH_FIELDS})


def _detail(row: RowMapping) -> BatchDetail:
    gate: dict[str, Any] = row["gate"] or {}
    return BatchDetail(
        _batch(row),
        gate.get("figures", {}),
        tuple(Finding(**f) for f in gate.get("findings", ())),
        _consequence(gate.get("consequence")),
        row["decision"],
    )


def _consequence(found: dict[str, Any] | None) -> Consequence | None:
    if found is None:
        return None
    goods = tuple(Goods(Decimal(g["quantity"]), g["unit"]) for g in _list(found, "goods_lost"))
    value = tuple(Money(Decimal(m["amount"]), m["currency"]) for m in _list(found, "value_lost"))
    return Consequence(**found | {"goods_lost": goods, "value_lost": value})


def _list(found: dict[str, Any], name: str) -> Sequence[dict[str, str]]:
    listed: Sequence[dict[str, str]] = found.get(name, ())
    return listed
