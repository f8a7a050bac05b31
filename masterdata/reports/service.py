"""Reports: questions to the lake that people ask once and read many times. Nothing here opens the lake."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Row, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from hub.columns import new_id
from hub.errors import Conflict, NotFound, Unprocessable
from hub.jobs import defer
from hub.settings import settings
from identity.principal import Principal
from masterdata.golden.schemas import Moment
from masterdata.lake.service import current_build
from masterdata.reports import models
from masterdata.reports.schemas import GOLDEN, Month, Report, ReportIn

MAKE = "masterdata.reports.make"
LOST = "Its process ended before the answer was made."
MONTHS = 24
# Somebody looks at the page until it is there.
SOON = 1
_REPORTS = """
    select r.id, o.key as organisation, r.kind, r.as_of, r.known_at, r.build_id, r.state, r.error, r.file,
           case when r.state = 'ready' then (
               select coalesce(sum(cast(value as bigint)), 0)::bigint from jsonb_each_text(r.rows)
               where cast(key as uuid) = any (coalesce(nullif(current_setting('hub.orgs', true), ''), '{}')::uuid[]))
           end as rows,
           p.name as asked_by, r.asked_at, r.ended_at,
           greatest(0, extract(epoch from clock_timestamp() - r.asked_at))::float as age_seconds
    from report r
    join organisation o on o.id = r.organisation_id
    left join person p on p.id = r.asked_by"""
_NEWEST = text(f"{_REPORTS} where cast(:after as uuid) is null or r.id < :after order by r.id desc limit :limit")
_ONE = text(f"{_REPORTS} where r.id = :id")
_WITH_ROWS = text("""
    select cast(key as uuid) from report, jsonb_each_text(rows)
    where id = :id and cast(value as bigint) > 0
      and cast(key as uuid) = any (coalesce(nullif(current_setting('hub.orgs', true), ''), '{}')::uuid[])""")
# One that is ready goes first, then the one that knows most.
_ANSWER = text(f"""{_REPORTS}
    where r.kind = :kind and r.as_of = :as_of
      and (cast(:known_at as timestamptz) is null or r.known_at = :known_at)
    order by r.state = 'ready' desc, r.known_at desc, r.id desc limit 1""")
_BEGAN = text("""
    select (select min(first_at) from mart_feed where stream in ('stock_positions', 'stock_movements')) as stock_at,
           (select min(month) from mart_month) as month,
           (select recorded_at from recording order by id limit 1) as known_at""")
_LOST = text("""
    update report set state = 'failed', error = :error, ended_at = clock_timestamp()
    where organisation_id = :organisation and id = :id and state in ('waiting', 'running')""")


@dataclass(frozen=True, slots=True)
class Question:
    kind: str
    as_of: datetime | None
    known_at: datetime
    build_id: UUID

    @property
    def file(self) -> str:
        """The same name for the same question, whoever asks."""
        if self.as_of is None:
            return f"{self.kind}-{self.build_id}.parquet"
        return f"{self.kind}-{_stamp(self.as_of)}-{_stamp(self.known_at)}.parquet"


def folder() -> Path:
    """Where the answers are."""
    return settings().home / "reports"


def ask(session: Session, caller: Principal, given: ReportIn) -> Report:
    """The report that answers a question; where there is none yet, or its answer is lost, one that a worker will make.
    Raises Conflict before the first build, Unprocessable for instants the lake cannot answer for."""
    question = _question(session, given)
    acting = session.info["tenancy"].acting
    row = {"organisation_id": acting, "file": question.file}
    more = {"kind": question.kind, "as_of": question.as_of, "known_at": question.known_at}
    values = row | more | {"id": new_id(), "build_id": question.build_id, "state": "waiting", "rows": {}}
    made = insert(models.Report).values(**values, asked_by=caller.id).on_conflict_do_nothing()
    is_new = session.scalar(made.returning(models.Report.id)) is not None
    known = session.scalars(select(models.Report).filter_by(**row).with_for_update()).one()
    if is_new or known.state == "failed" or (known.state == "ready" and not (folder() / known.file).exists()):
        known.state, known.error, known.ended_at, known.build_id = "waiting", None, None, question.build_id
        session.flush()
        defer(session, MAKE, lock=MAKE, priority=SOON, organisation_id=str(acting), report_id=str(known.id))
    return get_report(session, known.id)


def _question(session: Session, given: ReportIn) -> Question:
    build = current_build(session)
    if build is None:
        raise Conflict("Nothing was built yet. Reports begin with the first published build.", reason="no_build")
    if given.kind != GOLDEN:
        if given.as_of or given.known_at:
            raise Unprocessable(f"{given.kind} is given as the current build left it, without as_of and known_at.")
        return Question(given.kind, None, build.known_at, build.id)
    if given.as_of is None:
        raise Unprocessable("as_of is missing: the instant of which the golden inventory is asked.", reason="no_as_of")
    known_at = given.known_at or build.known_at
    _refuse(session, build, given.as_of, known_at)
    return Question(GOLDEN, given.as_of.astimezone(UTC), known_at.astimezone(UTC), build.id)


def _refuse(session: Session, build: Row[Any], as_of: datetime, known_at: datetime) -> None:
    if as_of > datetime.now(UTC):
        raise Unprocessable(f"as_of is {as_of.isoformat()}, which is still to come.", reason="to_come")
    for name, at in (("as_of", as_of), ("known_at", known_at)):
        if at > build.known_at:
            raise Unprocessable(
                f"{name} is {at.isoformat()}, but the lake knows what was recorded until {build.known_at.isoformat()}. "
                "The next build will know more.",
                reason="not_known_yet",
                limit=build.known_at.isoformat(),
            )
    began = session.execute(_BEGAN).one()
    if began.stock_at is None:
        raise Unprocessable("Nothing is known of any stock you may read.", reason="no_stock")
    first = _first(began)
    if as_of < first:
        limit = first.isoformat()
        raise Unprocessable(
            f"as_of is {as_of.isoformat()}, but no stock is known before {limit}.", reason="before_any", limit=limit
        )
    if began.known_at and known_at < began.known_at:
        raise Unprocessable(
            f"known_at is {known_at.isoformat()}, but nothing was recorded before {began.known_at.isoformat()}.",
            reason="nothing_recorded",
            limit=began.known_at.isoformat(),
        )


def _first(began: Row[Any]) -> datetime:
    """The earliest instant of which stock is known: a read, or a movement that was told later."""
    read: datetime = began.stock_at
    return min(read, _start(began.month)) if began.month else read


def _start(month: date) -> datetime:
    return datetime(month.year, month.month, 1, tzinfo=ZoneInfo(settings().zone))


def months(session: Session) -> list[Month]:
    """Months that were over when the current build was made, the newest first."""
    build, began = current_build(session), session.execute(_BEGAN).one()
    if build is None or began.stock_at is None:
        return []
    first, end = _first(began), _start(build.known_at.astimezone(ZoneInfo(settings().zone)).date())
    found: list[Month] = []
    while end > first and len(found) < MONTHS:
        month = date(end.year - (end.month == 1), (end.month - 2) % 12 + 1, 1)
        found.append(Month(month, end))
        end = _start(month)
    return found


def list_reports(session: Session, after: UUID | None = None, limit: int = 50) -> list[Report]:
    """Reports that the caller's organisations asked for, newest first, before the report `after`."""
    return [_report(row) for row in session.execute(_NEWEST, {"after": after, "limit": limit})]


def get_report(session: Session, report_id: UUID) -> Report:
    """Raises NotFound."""
    return _report(_one(session, report_id))


def find_report(session: Session, moment: Moment) -> Report | None:
    """The golden inventory at a moment, if it was asked for; without `known_at` the answer that knows most."""
    values = {"kind": GOLDEN, "as_of": moment.as_of, "known_at": moment.known_at}
    row = session.execute(_ANSWER, values).one_or_none()
    return _report(row) if row else None


def answer_of(session: Session, report_id: UUID) -> Path:
    """The file of a report that is ready; raises NotFound without the report, Conflict until it is ready."""
    row = _one(session, report_id)
    if row.state == "failed":
        raise Conflict(f"The answer could not be made: {row.error} Ask again with POST /v1/reports.")
    if row.state != "ready":
        raise Conflict("The answer is still being made. Ask again in a moment.", report=f"/v1/reports/{report_id}")
    return folder() / str(row.file)


def organisations_in(session: Session, report_id: UUID) -> Sequence[UUID]:
    """Whose rows the caller sees in its answer."""
    return session.scalars(_WITH_ROWS, {"id": report_id}).all()


def mark_lost(session: Session, organisation_id: UUID, report_id: UUID, error: str = LOST) -> None:
    """A report that nobody works on any more has failed."""
    session.execute(_LOST, {"organisation": organisation_id, "id": report_id, "error": error})


def _one(session: Session, report_id: UUID) -> Row[Any]:
    row = session.execute(_ONE, {"id": report_id}).one_or_none()
    if row is None:
        raise NotFound(f"There is no report {report_id}.")
    return row


def _report(row: Row[Any]) -> Report:
    return Report(**{name: value for name, value in row._mapping.items() if name != "file"})


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
