"""Builds of the lake with what they found, and what the current one says of feeds, months and materials. All of it is
read from PostgreSQL: nothing here opens the lake."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, RowMapping, text
from sqlalchemy.orm import Session

from hub.errors import NotFound
from hub.jobs import defer
from hub.settings import settings
from masterdata.golden.holders import find_golden
from masterdata.lake.apart import BUILD
from masterdata.lake.grades import graded
from masterdata.lake.schemas import Ageing, Alarm, Build, BuildDetail, Check, DataAsset, Finding, HolderAgeing, Step
from masterdata.words import STEPS

LOST = "Its process ended before the build did."
_UNTOLD = "What stopped it is told to those who read the whole group."
# The lock that `masterdata.lake.build` holds while it works: a build that says running without it was killed.
_ALIVE = text("""
    select exists (
        select from pg_locks where locktype = 'advisory' and objsubid = 1
          and database = (select oid from pg_database where datname = current_database())
          and ((classid::bigint << 32) | objid::bigint) = hashtextextended('build', 0))""")
# Errors that are no check's verdict may hold rows of anybody.
_SEES_ALL = "all_organisations() <@ coalesce(nullif(current_setting('hub.orgs', true), ''), '{}')::uuid[]"
_BUILDS = f"""
    select b.id, b.state, b.reason, b.is_current, b.known_at, b.started_at, b.ended_at, b.error, b.steps, b.figures,
           b.snapshots, b.checks, extract(epoch from coalesce(b.ended_at, clock_timestamp()) - b.started_at)::float
           as seconds, {_SEES_ALL} as sees_all
    from build b"""
_NEWEST = text(f"{_BUILDS} where cast(:after as uuid) is null or b.id < :after order by b.id desc limit :limit")
_ONE = text(f"{_BUILDS} where b.id = :id")
_ENDED = text(f"{_BUILDS} where b.state <> 'running' or not :alive order by b.id desc limit 1")
_CURRENT = text("select id, known_at, ended_at from build where is_current")
_WAITS = text("""
    select exists (select from procrastinate_jobs where task_name = :task and status = 'todo'
                   and coalesce(scheduled_at, clock_timestamp()) <= clock_timestamp())""")
_COUNTS = text("select kind, count(*) as rows from build_finding where build_id = :id group by kind order by kind")
_FINDINGS = text("""
    select f.id, f.organisation_id, o.key as organisation, f.kind, f.name,
           case when f.detail ->> 'field' = 'golden_id' then f.detail || jsonb_build_object(
               'live', (select y.number from golden_material y where y.id = (f.detail ->> 'live')::numeric::bigint),
               'lake', (select y.number from golden_material y where y.id = (f.detail ->> 'lake')::numeric::bigint))
           else f.detail end as detail, g.number, g.name_zh, g.name_en,
           x.id as batch_id, case when f.detail ->> 'row_no' ~ '^[0-9]{1,18}$' then (f.detail ->> 'row_no')::bigint end
           as row_no
    from build_finding f
    join organisation o on o.id = f.organisation_id
    left join lateral (
        select min(m.golden_id) as golden_id from source_system s
        join source_material m on m.organisation_id = f.organisation_id and m.system_id = s.id
                              and m.item_id = coalesce(f.detail ->> 'item', f.detail ->> 'item_id')
        where f.organisation_id = any (s.organisations) having count(distinct m.golden_id) = 1) n on true
    left join golden_material g on g.id = n.golden_id
    left join batch x on x.id = case when f.detail ->> 'batch_id' ~ '^[0-9a-f-]{36}$'
                                     then (f.detail ->> 'batch_id')::uuid end
    where f.build_id = :id and (cast(:after as bigint) is null or f.id > :after)
    order by f.id limit :limit""")
_ASSETS = text("""
    select f.*, o.key as organisation, s.key as system, s.name_zh as system_zh, s.name_en as system_en,
           c.name as coverage, extract(epoch from b.known_at - f.last_at)::float as silent_seconds
    from mart_feed f
    join organisation o on o.id = f.organisation_id
    join source_system s on s.id = f.system_id
    join coverage c on c.organisation_id = f.organisation_id and c.id = f.coverage_id
    join build b on b.is_current""")
# One statement: rows and build are of the same publication.
_AGEING = text("""
    select b.id as build_id, b.known_at, o.key as organisation, o.name_zh as organisation_zh,
           o.name_en as organisation_en, s.key as system, n.item_id, m.unit, m.on_hand, m.value, m.days_of_cover,
           m.excess, m.excess_value, m.last_moved_on, m.dormant_value, m.ages
    from build b
    left join (
        source_material n
        join mart_material m on m.organisation_id = n.organisation_id and m.material_id = n.id
        join organisation o on o.id = n.organisation_id
        join source_system s on s.id = n.system_id) on n.golden_id = :golden
    where b.is_current order by o.rank, o.key, s.key, n.item_id, m.unit""")


def list_builds(session: Session, after: UUID | None = None, limit: int = 50) -> list[Build]:
    """Builds, newest first, before the build `after`."""
    is_alive = _is_alive(session)
    rows = session.execute(_NEWEST, {"after": after, "limit": limit}).mappings()
    return [_build(row, is_alive) for row in rows]


def get_build(session: Session, build_id: UUID) -> BuildDetail:
    """Raises NotFound."""
    is_alive = _is_alive(session)
    row = session.execute(_ONE, {"id": build_id}).mappings().one_or_none()
    if row is None:
        raise NotFound(f"There is no build {build_id}.")
    checks = sorted((_check(one, row["sees_all"]) for one in row["checks"]), key=lambda check: check.is_kept)
    build = _build(row, is_alive)
    counts = {found.kind: found.rows for found in session.execute(_COUNTS, {"id": build_id})}
    snapshots = {table: str(snapshot) for table, snapshot in row["snapshots"].items()}
    return BuildDetail(build, steps_of(row["steps"], build), checks, snapshots, counts)


def list_findings(session: Session, build_id: UUID, after: int | None = None, limit: int = 50) -> list[Finding]:
    """Rows to look at that the caller may see, in the order they were found; raises NotFound without the build."""
    if session.execute(_ONE, {"id": build_id}).one_or_none() is None:
        raise NotFound(f"There is no build {build_id}.")
    rows = session.execute(_FINDINGS, {"id": build_id, "after": after, "limit": limit})
    return [Finding(**row) for row in rows.mappings()]


def get_alarm(session: Session) -> Alarm | None:
    """What is wrong with the newest build that ended; None: nothing."""
    is_alive = _is_alive(session)
    row = session.execute(_ENDED, {"alive": is_alive}).mappings().one_or_none()
    if row is None:
        return None
    build = _build(row, is_alive)
    current = session.execute(_CURRENT).one_or_none()
    published_at = current.known_at if current else None
    if build.state == "failed":
        return Alarm("failed", build, published_at)
    return Alarm("differences", build, published_at) if build.differences else None


def request_build(session: Session) -> bool:
    """A build as soon as a worker is free; False where one waits already."""
    return defer(session, BUILD, lock=BUILD, once=BUILD, reason="request") is not None


def is_waiting(session: Session) -> bool:
    """Whether a build is due that no worker has begun."""
    return bool(session.execute(_WAITS, {"task": BUILD}).scalar_one())


def list_data_assets(session: Session) -> list[DataAsset]:
    """Every feed as the current build measured it, with its grade: the worst first, and of these the newest."""
    found = [_asset(row) for row in session.execute(_ASSETS).mappings()]
    return sorted(found, key=lambda a: (a.grade, a.last_at), reverse=True)


def get_ageing(session: Session, number: str) -> Ageing:
    """Age, cover, excess and dormancy of a material's stock per holder; raises NotFound for a number the caller may not
    see."""
    golden = find_golden(session, number)
    rows = session.execute(_AGEING, {"golden": golden.id}).mappings().all()
    return Ageing(
        number=golden.number,
        unit=golden.unit,
        currency=settings().group_currency,
        build_id=rows[0]["build_id"] if rows else None,
        known_at=rows[0]["known_at"] if rows else None,
        holders=[
            HolderAgeing(**{name: row[name] for name in HolderAgeing.__dataclass_fields__})
            for row in rows
            if row["organisation"] is not None
        ],
    )


def current_build(session: Session) -> Row[Any] | None:
    """Id, known_at and ended_at of the publication that readers see."""
    return session.execute(_CURRENT).one_or_none()


def steps_of(done: Sequence[dict[str, Any]], build: Build) -> list[Step]:
    """Every step in order: done, the one under way, still to come. One that stopped the build has no time."""
    taken = {step["name"]: float(step["seconds"]) for step in done}
    steps, began, is_next = [], 0.0, build.state == "running"
    for name in STEPS:
        seconds = taken.get(name)
        steps.append(Step(name, round(began, 2), seconds, seconds is None and is_next))
        is_next = is_next and seconds is not None
        began += seconds or 0.0
    return steps


def _is_alive(session: Session) -> bool:
    """Asked before the builds are read: one that ends in between is then still running, not lost."""
    return bool(session.execute(_ALIVE).scalar_one())


def _build(row: RowMapping, is_alive: bool) -> Build:
    is_lost = row["state"] == "running" and not is_alive
    figures, kept = row["figures"], sum(bool(check["is_kept"]) for check in row["checks"])
    return Build(
        id=row["id"],
        state="failed" if is_lost else row["state"],
        reason=row["reason"],
        is_current=row["is_current"],
        known_at=row["known_at"],
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        seconds=round(_seconds(row, is_lost), 1),
        positions=figures.get("positions"),
        holdings=figures.get("holdings"),
        differences=figures.get("differences"),
        kept=kept,
        broken=len(row["checks"]) - kept,
        error=LOST if is_lost else _error(row),
    )


def _seconds(row: RowMapping, is_lost: bool) -> float:
    """How long it took or has run; of a lost one what its steps took."""
    return sum(float(step["seconds"]) for step in row["steps"]) if is_lost else max(float(row["seconds"]), 0.0)


def _error(row: RowMapping) -> str | None:
    error: str | None = row["error"]
    if error is None or row["sees_all"] or error == LOST or error.startswith("Not published: "):
        return error
    return _UNTOLD


def _check(told: dict[str, Any], sees_all: bool) -> Check:
    message = told.get("message") if sees_all else None
    return Check(told["name"], told["kind"], told["is_kept"], told.get("figure"), told.get("seconds"), message)


def _asset(row: RowMapping) -> DataAsset:
    known = {name: row[name] for name in DataAsset.__dataclass_fields__ if name in row}
    known["silent_seconds"] = max(float(known["silent_seconds"] or 0.0), 0.0)
    grade, reasons = graded(known)
    return DataAsset(**known | {"grade": grade, "reasons": reasons})
