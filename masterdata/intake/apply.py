"""Second durable step: a landed batch becomes facts, or is held. One transaction does all of it, so that a worker
killed at any instant leaves nothing; the batch's locked row makes a repeated job harmless."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg
import structlog
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from connectors.contract import streams
from hub.database import Tenancy, unit_of_work
from masterdata.intake import costs, decide, feeds, gate, identities, landing, masters, quarantine, stock
from masterdata.intake.frame import Frame, load
from masterdata.intake.models import Batch
from masterdata.intake.schemas import Finding
from masterdata.intake.upload import SKEW
from masterdata.intake.writing import driver, known_units
from masterdata.landscape.models import Coverage
from masterdata.ledger import recording
from masterdata.ledger.batch import FEW, Account, BatchRef, renew_statistics
from masterdata.ledger.movements import apply_movements
from masterdata.ledger.observations import compare, write

log = structlog.get_logger("intake")

LARGE_ROWS = 100_000
# Where a stream's rows are kept; records of materials and partners are planned by their materials.
TABLES = {"stock_positions": "position", "stock_movements": "movement"}
_large = threading.Lock()


@dataclass(frozen=True)
class Work:
    """What one batch is applied with."""

    session: Session
    connection: psycopg.Connection
    batch: Batch
    coverage: Coverage
    frame: Frame
    recording_id: int

    @property
    def ref(self) -> BatchRef:
        b = self.batch
        return BatchRef(
            id=b.id,
            organisation_id=b.organisation_id,
            system_id=b.system_id,
            coverage_id=self.coverage.id,
            observed_at=b.observed_at,
            sync=b.sync,  # type: ignore[arg-type]
            counts=b.counts,  # type: ignore[arg-type]
            recording_id=self.recording_id,
            clock=b.clock,
            traceparent=b.traceparent,
        )


def apply_batch(engine: Engine, organisation_id: UUID, batch_id: UUID) -> str:
    """Apply a landed batch; its state afterwards. A batch in another state is left alone."""
    with _room(engine, organisation_id, batch_id), _writing(engine, organisation_id) as session:
        query = select(Batch).where(Batch.id == batch_id).with_for_update()
        batch = session.scalars(query).one_or_none()
        if batch is None or batch.state not in ("landed", "failed"):
            return batch.state if batch else "unknown"
        state = _apply(session, batch)
    if batch.applied > FEW:
        table = TABLES.get(batch.stream, "source_material")
        with _writing(engine, organisation_id) as session:
            renew_statistics(driver(session), table, organisation_id, batch.applied)
    log.info("batch_" + state, batch=str(batch.id), stream=batch.stream, rows=batch.rows_in, applied=batch.applied)
    return state


def _writing(engine: Engine, organisation_id: UUID) -> AbstractContextManager[Session]:
    return unit_of_work(engine, Tenancy((organisation_id,), organisation_id))


def _room(engine: Engine, organisation_id: UUID, batch_id: UUID) -> AbstractContextManager[object]:
    """Large batches one at a time in a process, so that its memory stays bounded; the wait holds no lock. The coverage
    is made here, for rows take seconds to load and events wait for none of its locks meanwhile."""
    with _writing(engine, organisation_id) as session:
        batch = session.scalars(select(Batch).where(Batch.id == batch_id)).one_or_none()
        if batch is None:
            return nullcontext()
        feeds.coverage(session, batch)
    return _large if batch.rows_in > LARGE_ROWS else nullcontext()


def mark_failed(engine: Engine, organisation_id: UUID, batch_id: UUID, error: str) -> None:
    """After the last try: the batch keeps its rows as pending and says why; it can be tried again."""
    with _writing(engine, organisation_id) as session:
        batch = session.scalars(select(Batch).where(Batch.id == batch_id).with_for_update()).one_or_none()
        if batch is not None and batch.state == "landed":
            batch.state, batch.error = "failed", error[:2_000]
            feeds.went_wrong(session, batch, f"Batch {batch_id} could not be applied: {error[:500]}")


def _apply(session: Session, batch: Batch) -> str:
    connection = driver(session)
    landed = landing.find(session, batch.organisation_id, batch.sha256)
    coverage = feeds.coverage(session, batch)
    with (
        landing.open_body(landed) as body,
        load(
            body,
            streams()[batch.stream],
            units=known_units(session, batch.system_id),
            key=stock.key_sql(str(batch.system_id)),
            latest=_latest(batch),
        ) as frame,
    ):
        work = Work(session, connection, batch, coverage, frame, recording.begin(connection))
        account = _STEPS.get(batch.stream, _master)(work)
        if account is None:
            return "held"
        _finish(work, account)
    return "applied"


def _latest(batch: Batch) -> datetime:
    """The latest time a row may bear: a source read page by page goes on while it is read."""
    return batch.observed_at + SKEW + timedelta(seconds=batch.header.get("read_seconds", 0))


def _positions(work: Work) -> Account | None:
    beaten = stock.stage_positions(work.frame, work.connection, summed=work.batch.sync != "event")
    compare(work.connection, work.ref)
    if work.batch.sync == "full" and not decide.is_released(work.batch):
        verdict = _judge(work)
        if verdict.is_red:
            decide.hold(work.session, work.batch, work.coverage, verdict)
            return None
        work.batch.gate = verdict.as_json()
    account = write(work.connection, work.ref)
    costs.from_positions(work.connection, work.ref)
    return replace(account, duplicate=beaten)


def _movements(work: Work) -> Account:
    stock.stage_movements(work.frame, work.connection, str(work.batch.system_id))
    return apply_movements(work.connection, work.ref)


def _master(work: Work) -> Account | None:
    masters.stage(work.frame, work.connection, work.ref)
    # A stream read place by place does not say what is gone from the system.
    whole = work.batch.sync == "full" and work.batch.coverage == "all"
    if whole and not decide.is_released(work.batch):
        verdict = _judge_records(work)
        if verdict.is_red:
            decide.hold(work.session, work.batch, work.coverage, verdict)
            return None
        work.batch.gate = verdict.as_json()
    account = masters.apply(work.frame, work.connection, work.ref)
    if whole:
        masters.mark_gone(work.frame, work.connection, work.ref)
    return account


_STEPS: Mapping[str, Callable[[Work], Account | None]] = {"stock_positions": _positions, "stock_movements": _movements}


def _judge(work: Work) -> gate.Verdict:
    """The gate's verdict on a full snapshot; the first of a coverage has no history and passes but for its keys."""
    keys = {"org": work.batch.organisation_id, "system": work.batch.system_id, "coverage": work.coverage.id}
    bad = work.frame.number("select count(*) from bad")
    lost = stock.unreadable(work.frame)
    before = decide.rows_before(work.session, work.batch)
    measured = gate.figures(work.connection, keys, rows_before=before, quarantined=bad)
    findings = [gate.unreadable(lost)] if lost and measured["stocked"] else []
    if gate.is_empty(measured):
        findings.append(gate.EMPTY)
    elif measured["stocked"] and before is not None:
        findings += _expected(measured, work.coverage.limits)
    if not findings:
        return gate.Verdict(measured, ())
    return gate.Verdict(measured, tuple(findings), gate.consequence(work.connection, keys))


def _judge_records(work: Work) -> gate.Verdict:
    """The gate for master records knows only how many there are."""
    before = decide.rows_before(work.session, work.batch)
    bad = work.frame.number("select count(*) from bad")
    measured = gate.record_figures(work.batch.rows_in, before, bad)
    if before and not work.batch.rows_in:
        return gate.Verdict(measured, (gate.EMPTY,))
    return gate.Verdict(measured, tuple(_expected(measured, work.coverage.limits)) if before else ())


def _expected(measured: Mapping[str, float | None], limits: Mapping[str, float]) -> list[Finding]:
    # Seconds to import, and only ever in a worker.
    from masterdata.intake import expectations

    return [gate.finding(*one) for one in expectations.failed(measured, limits)]


def _finish(work: Work, account: Account) -> None:
    """The account of the rows, the feed, the recording's instant: the last statements of the transaction."""
    batch, session = work.batch, work.session
    batch.quarantined = quarantine.keep(work.frame, work.connection, batch)
    batch.applied, batch.unchanged, batch.duplicate = account.applied, account.unchanged, account.duplicate
    batch.pending = 0
    batch.state, batch.error = "applied", None
    batch.recording_id = work.recording_id
    batch.applied_at = datetime.now(UTC)
    decide.supersede(session, batch, work.coverage)
    feeds.went_well(session, batch, batch.applied_at)
    session.flush()
    identities.refresh(work.connection, work.ref, batch.stream)
    recording.close(work.connection, work.recording_id)
