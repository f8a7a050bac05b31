"""Calls of events become batches and facts: bodies and batch rows, staged lines and their account, in the caller's
transaction. Calls of one feed go through the ledger as one and are told apart again by their row numbers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from itertools import accumulate
from typing import Any
from uuid import UUID

import psycopg
from sqlalchemy import insert
from sqlalchemy.orm import Session

from masterdata.intake import feeds, identities, landing, lines
from masterdata.intake.checks import UNIT_FIELDS
from masterdata.intake.lines import Context, Fault
from masterdata.intake.models import Batch
from masterdata.intake.schemas import EventAccount, EventsIn
from masterdata.intake.upload import SKEW, Delivery
from masterdata.intake.writing import driver, known_among
from masterdata.ledger import keys, recording, staging
from masterdata.ledger.batch import BatchRef
from masterdata.ledger.movements import apply_movements
from masterdata.ledger.observations import apply_positions

_KEY = "row_no bigint, item_id text, place_id text, lot text, owner text, status text, unit text"
_HASH = keys.hash_sql("%(system)s::text")

_MOVEMENTS = f"""
insert into stage_movement (hash, item_id, place_id, lot, owner, status, unit, identity, content, quantity, booked_at,
    occurred_at, modified_at, is_voided, kind, document, line, partner_id, row_no, batch_id, first)
with read as (
    select {_HASH} as hash, r.* from json_to_recordset(%(lines)s::json) as r(
        batch_id uuid, first bigint, {_KEY}, quantity numeric(38,9), booked_at timestamptz, occurred_at timestamptz,
        modified_at timestamptz, is_voided boolean, kind text, document text, line text, partner_id text)),
said as (select *, {keys.content_sql()} as content from read),
counted as (
    select *, case when coalesce(document, '') <> '' then 0
                   else row_number() over (partition by batch_id, content order by row_no) end as ordinal from said)
select hash, item_id, place_id, lot, owner, status, unit, {keys.identity_sql("%(system)s::text")}, content, quantity,
       booked_at, occurred_at, modified_at, is_voided, kind, document, line, partner_id, row_no, batch_id, first
from counted
"""

# An event's balance is a statement of its own: of several of one key the last counts.
_POSITIONS = f"""
insert into stage_position (hash, item_id, place_id, lot, owner, status, unit, quantity, reserved, value, currency,
    expires_on, row_no, rows, n)
with read as (
    select {_HASH} as hash, r.* from json_to_recordset(%(lines)s::json) as r(
        {_KEY}, quantity numeric(38,9), reserved numeric(38,9), value numeric(38,9), currency text, expires_on date))
select distinct on (hash) hash, item_id, place_id, lot, owner, status, unit, quantity, reserved, value, currency,
       expires_on, row_no, null::bigint[], 1
from read order by hash, row_no desc
"""

_GAPS = f"""
insert into stage_gap select distinct {_HASH} from json_to_recordset(%(lines)s::json) as r({_KEY})
"""

_QUARANTINE = (
    """
insert into quarantine (organisation_id, batch_id, system_id, stream, row_no, reason, field, value, detail, record, raw,
                        position_hash, state)
select %(org)s, batch_id, %(system)s, %(stream)s, row_no, reason, field, value, detail, record, raw,
"""
    + f"""       case when is_readable then {_HASH} end, 'open'
from jsonb_to_recordset(%(rows)s::jsonb) as q(batch_id uuid, row_no bigint, reason text, field text, value text,
    detail text, record jsonb, raw text, is_readable boolean, item_id text, place_id text, lot text, owner text,
    status text, unit text)
"""
)

# How many rows of each call are facts now.
_WRITTEN = "select batch_id, count(*) from version group by batch_id"


@dataclass(eq=False)
class Call:
    """One call of events with its durable answer to come; `body` are its lines as they land. `recording_id` is open
    until the transaction's end."""

    given: EventsIn
    to: Delivery
    agent_id: UUID
    body: bytes
    answer: Future[EventAccount] = field(default_factory=Future)
    recording_id: int | None = None
    sha256: str = field(init=False)

    def __post_init__(self) -> None:
        self.sha256 = sha256(self.body).hexdigest()

    @property
    def feed(self) -> tuple[str, ...]:
        """Calls of one feed are applied as one; observations each for itself, as each has its own instant."""
        g = self.given
        own = "" if g.stream == "stock_movements" else str(g.batch_id)
        return (str(self.to.organisation_id), str(self.to.system_id), g.coverage, g.stream, g.counts, own)


@dataclass
class Judged:
    """One line: its call, its number in the call and in the group, its record and what is wrong with it."""

    call: Call
    number: int
    row_no: int
    record: dict[str, Any]
    fault: Fault | None
    is_readable: bool

    @property
    def key(self) -> tuple[Any, ...]:
        return tuple(self.record[c] for c in keys.KEY_COLUMNS)


def apply_group(session: Session, calls: Sequence[Call]) -> list[EventAccount]:
    """Apply new calls of one feed; their accounts in the same order. The caller closes their recording, last of all."""
    connection = driver(session)
    connection.execute("select set_config('TimeZone', 'UTC', true)")
    judged = _judge(session, calls)
    batches = [_batch(call) for call in calls]
    ref = _ref(session, connection, Batch(**batches[0]))
    staging.create(connection)
    if calls[0].given.stream == "stock_movements":
        accounts = _movements(connection, ref, calls, judged)
    else:
        accounts = [_positions(connection, ref, calls[0], judged)]
    _keep(session, ref, calls, [b | _account_of(a) for b, a in zip(batches, accounts, strict=True)])
    _quarantine(connection, ref, calls[0].given.stream, [j for j in judged if j.fault])
    feeds.went_well(session, Batch(**batches[-1]), datetime.now(UTC))
    identities.refresh_new(connection, ref)
    for call in calls:
        call.recording_id = ref.recording_id
    return accounts


def _keep(session: Session, ref: BatchRef, calls: Sequence[Call], batches: list[dict[str, Any]]) -> None:
    """Bodies and batch rows with their account; Core takes them as one executemany."""
    applied = {"state": "applied", "applied_at": datetime.now(UTC), "recording_id": ref.recording_id}
    session.connection().execute(insert(Batch), [batch | applied for batch in batches])
    landing.keep_new(session, ref.organisation_id, {call.sha256: call.body for call in calls})


def _account_of(account: EventAccount) -> dict[str, int]:
    counts = ("applied", "unchanged", "duplicate", "quarantined")
    return {name: getattr(account, name) for name in counts}


def _batch(call: Call) -> dict[str, Any]:
    given = call.given
    header = given.model_dump(mode="json", exclude={"lines"})
    same = given.model_dump(include={"stream", "coverage", "counts", "observed_at", "traceparent"})
    return same | {
        "id": given.batch_id,
        "organisation_id": call.to.organisation_id,
        "system_id": call.to.system_id,
        "agent_id": call.agent_id,
        "sync": "event",
        "clock": "source",
        "header": header,
        "sha256": call.sha256,
        "size": len(call.body),
        "landed_at": datetime.now(UTC),
        "rows_in": len(given.lines),
    }


def _judge(session: Session, calls: Sequence[Call]) -> list[Judged]:
    named = {str(line.get(field)) for call in calls for line in call.given.lines for field in UNIT_FIELDS}
    units = known_among(session, calls[0].to.system_id, named)
    judged: list[Judged] = []
    for call in calls:
        context = Context(units, call.given.observed_at + SKEW)
        for number, line in enumerate(call.given.lines):
            record, fault = lines.judge(call.given.stream, line, context)
            readable = fault is None or lines.has_readable_key(call.given.stream, record, context)
            record |= {"lot": record["lot"] or "", "owner": record["owner"] or ""}
            judged.append(Judged(call, number, len(judged), record, fault, readable))
    return judged


def _ref(session: Session, connection: psycopg.Connection, batch: Batch) -> BatchRef:
    return BatchRef(
        id=batch.id,
        organisation_id=batch.organisation_id,
        system_id=batch.system_id,
        coverage_id=feeds.coverage(session, batch).id,
        observed_at=batch.observed_at,
        sync="event",
        counts=batch.counts,  # type: ignore[arg-type]
        recording_id=recording.begin(connection),
        traceparent=batch.traceparent,
    )


def _movements(
    connection: psycopg.Connection, ref: BatchRef, calls: Sequence[Call], judged: Sequence[Judged]
) -> list[EventAccount]:
    ends = accumulate(len(c.given.lines) for c in calls)
    own = {
        c: {"batch_id": str(c.given.batch_id), "first": end - len(c.given.lines)}
        for c, end in zip(calls, ends, strict=True)
    }
    # Of one call alone the ledger knows the batch; what a line leaves out is null.
    staged = [
        {name: said for name, said in j.record.items() if said is not None}
        | {"row_no": j.row_no, "is_voided": j.record["voided"] == "true"}
        | (own[j.call] if len(calls) > 1 else {})
        for j in judged
        if j.fault is None
    ]
    connection.execute(_MOVEMENTS, {"system": ref.system_id, "lines": json.dumps(staged)})
    apply_movements(connection, ref)
    written: dict[UUID, int] = dict(connection.execute(_WRITTEN).fetchall())
    return [_account(c, judged, applied=written.get(c.given.batch_id, 0)) for c in calls]


def _positions(connection: psycopg.Connection, ref: BatchRef, call: Call, judged: Sequence[Judged]) -> EventAccount:
    """A key of which one line is unreadable is not observed at all."""
    open_keys = {j.key for j in judged if j.fault and j.is_readable}
    for one in judged:
        if one.fault is None and one.key in open_keys:
            one.fault = Fault("key_incomplete", "")
    gaps = [j.record | {"row_no": j.row_no} for j in judged if j.fault and j.is_readable]
    sound = [j.record | {"row_no": j.row_no} for j in judged if j.fault is None]
    connection.execute(_GAPS, {"system": ref.system_id, "lines": json.dumps(gaps)})
    connection.execute(_POSITIONS, {"system": ref.system_id, "lines": json.dumps(sound)})
    account = apply_positions(connection, ref)
    return _account(call, judged, applied=account.applied, unchanged=account.unchanged)


def _account(call: Call, judged: Sequence[Judged], *, applied: int, unchanged: int = 0) -> EventAccount:
    rows = len(call.given.lines)
    quarantined = sum(1 for j in judged if j.fault and j.call is call)
    duplicate = rows - applied - unchanged - quarantined
    return EventAccount(call.given.batch_id, rows, applied, unchanged, duplicate, quarantined)


def _quarantine(connection: psycopg.Connection, ref: BatchRef, stream: str, bad: Sequence[Judged]) -> None:
    if not bad:
        return
    rows = [_quarantined(j) for j in bad]
    values = {"org": ref.organisation_id, "system": ref.system_id, "stream": stream, "rows": json.dumps(rows)}
    connection.execute(_QUARANTINE, values)


def _quarantined(one: Judged) -> dict[str, Any]:
    assert one.fault is not None  # noqa: S101 - only faulty lines come here
    raw = one.call.given.lines[one.number].get("_raw")
    clean = {k: v.replace("\0", "␀") if isinstance(v, str) else v for k, v in one.record.items()}
    return {k: clean[k] for k in keys.KEY_COLUMNS} | {
        "batch_id": str(one.call.given.batch_id),
        "row_no": one.number,
        "reason": one.fault.reason,
        "field": one.fault.field or None,
        "value": one.fault.value and one.fault.value.replace("\0", "␀"),
        "detail": one.fault.sentence.replace("\0", "␀"),
        "record": clean,
        "raw": json.dumps(raw, ensure_ascii=False) if raw is not None else None,
        "is_readable": one.is_readable,
    }
