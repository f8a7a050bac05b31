"""Source systems, their feeds and places, as they are at the moment of asking; row security limits every answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast
from uuid import UUID

from sqlalchemy import RowMapping, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from hub.columns import new_id
from hub.database import set_tenancy
from hub.errors import Conflict, NotFound, Unprocessable
from hub.formats import sla_state
from hub.models import Organisation
from masterdata.intake import gate
from masterdata.landscape.models import SourceSystem
from masterdata.landscape.schemas import Agent, Feed, FeedState, Place, System, SystemIn

_SEVERITY: tuple[FeedState, ...] = ("fresh", "unknown", "late", "stale", "held")

_SYSTEMS = text("""
    select s.id, s.key, s.kind, s.name_zh, s.name_en, s.zone, s.organisation_id,
           coalesce((select o.key from organisation o where o.id = s.organisation_id), '') as organisation,
           array(select o.key from organisation o where o.id = any (s.organisations) order by o.rank, o.key)
           as organisations,
           (select count(*) from quarantine q where q.system_id = s.id and q.state = 'open') as open_quarantine,
           (select coalesce(sum(m.positions), 0) from coverage c
            join material_stock m on m.organisation_id = c.organisation_id and m.coverage_id = c.id
            where c.system_id = s.id) as positions
    from source_system s where cast(:key as text) is null or s.key = :key order by s.key""")

_FEEDS = text("""
    select f.organisation_id, o.key as organisation, f.system_id, s.key as system, f.stream, f.coverage, f.mapping,
           f.sla_seconds, f.read_through as source_at, f.last_good_at, f.last_batch_id,
           cast(f.delays ->> 'p50' as float) as delay_p50, cast(f.delays ->> 'p95' as float) as delay_p95, f.rows,
           case when f.stream = 'stock_positions' then c.held_batch_id else held.id end as held_batch_id,
           f.error, extract(epoch from clock_timestamp() - f.read_through)::float as age_seconds,
           coalesce(extract(epoch from clock_timestamp() - w.oldest)::float, 0) as lag_seconds,
           coalesce(w.waiting, 0) as waiting
    from feed f
    join organisation o on o.id = f.organisation_id
    join source_system s on s.id = f.system_id
    left join coverage c on c.organisation_id = f.organisation_id and c.system_id = f.system_id and c.name = f.coverage
    left join lateral (
        select min(b.landed_at) as oldest, count(*) as waiting from batch b
        where b.organisation_id = f.organisation_id and b.state in ('landed', 'failed')
          and b.system_id = f.system_id and b.stream = f.stream and b.coverage = f.coverage) w on true
    left join lateral (
        select b.id from batch b
        where b.organisation_id = f.organisation_id and b.state = 'held'
          and b.system_id = f.system_id and b.stream = f.stream and b.coverage = f.coverage
        order by b.observed_at desc limit 1) held on true
    where cast(:key as text) is null or s.key = :key
    order by s.key, f.stream, o.key, f.coverage""")

_AGENTS = text("""
    select distinct s.key as system, a.id, a.name, a.last_seen_at, a.health, a.disabled_at is not null as is_disabled,
           extract(epoch from clock_timestamp() - a.last_seen_at)::float as seen_seconds
    from agent a join agent_grant g on g.agent_id = a.id join source_system s on s.key = g.system
    where cast(:key as text) is null or s.key = :key""")

_PLACES = text("""
    select p.organisation_id, o.key as organisation, p.id, p.place_id, p.place_code, p.name, p.parent_id, p.kind,
           p.is_active, p.activity_sla_seconds, p.changed_at,
           extract(epoch from clock_timestamp() - p.changed_at)::float as age_seconds
    from place p
    join organisation o on o.id = p.organisation_id
    join source_system s on s.id = p.system_id
    where s.key = :key and (cast(:after as bigint) is null or p.id > :after)
      and (cast(:only as bigint) is null or p.id = :only)
    order by p.id limit :limit""")


def list_systems(session: Session, key: str | None = None) -> list[System]:
    """Every system with its feeds and agents, by key."""
    feeds, agents = list_feeds(session, key), _agents(session, key)
    return [
        _system(row, [f for f in feeds if f.system == row["key"]], [a for s, a in agents if s == row["key"]])
        for row in session.execute(_SYSTEMS, {"key": key}).mappings()
    ]


def get_system(session: Session, key: str) -> System:
    for system in list_systems(session, key):
        return system
    raise NotFound(f"There is no system {key}.")


def list_feeds(session: Session, key: str | None = None) -> list[Feed]:
    """Every feed of every system (or of one), with its age and state now."""
    reports = _reports(session, key)
    return [
        _feed(row, reports.get(row["system"], _Report())) for row in session.execute(_FEEDS, {"key": key}).mappings()
    ]


def list_places(session: Session, key: str, after: int | None = None, limit: int = 200) -> list[Place]:
    """Places of a system in order of id, with how long nothing moved there."""
    values = {"key": key, "after": after, "only": None, "limit": limit}
    return [_place(row) for row in session.execute(_PLACES, values).mappings()]


def set_place_sla(session: Session, key: str, place_id: int, seconds: int | None) -> Place:
    """Promise (or no longer promise) that something moves at a place within `seconds`."""
    found = session.execute(_PLACES, {"key": key, "after": None, "only": place_id, "limit": 1}).mappings().one_or_none()
    if found is None:
        raise NotFound(f"System {key} has no place {place_id}.")
    write_for(session, found["organisation_id"])
    session.execute(
        text("update place set activity_sla_seconds = :seconds where organisation_id = :org and id = :id"),
        {"seconds": seconds, "org": found["organisation_id"], "id": place_id},
    )
    again = session.execute(_PLACES, {"key": key, "after": None, "only": place_id, "limit": 1}).mappings().one()
    return _place(again)


def register_system(session: Session, given: SystemIn) -> SourceSystem:
    """Register a system run by the acting organisation; raises Conflict where the key is taken."""
    acting = session.info["tenancy"].acting
    values = {
        "id": new_id(),
        "organisation_id": acting,
        "organisations": sorted({acting, *_organisation_ids(session, given.organisations)}),
        **given.model_dump(include={"key", "kind", "name_zh", "name_en", "zone"}),
    }
    made = insert(SourceSystem).values(values).on_conflict_do_nothing().returning(SourceSystem)
    system = session.scalars(made).one_or_none()
    if system is None:
        raise Conflict(f"There is a system {given.key} already. Choose another key.")
    return system


def set_limits(session: Session, key: str, coverage: str, limits: dict[str, float | None]) -> dict[str, float]:
    """Change the gate's limits of one coverage; None takes the general limit back. Raises NotFound, Unprocessable."""
    if unknown := sorted(limits.keys() - gate.LIMITS.keys()):
        raise Unprocessable(f"There is no limit {', '.join(unknown)}. There are: {', '.join(gate.LIMITS)}.")
    values = {"limits": json.dumps(limits), "key": key, "coverage": coverage, "org": session.info["tenancy"].acting}
    kept: dict[str, float] | None = session.scalar(_LIMITS, values)
    if kept is None:
        raise NotFound(f"System {key} has no coverage {coverage} of the organisation you act for.")
    return kept


_LIMITS = text("""
    update coverage c set limits = jsonb_strip_nulls(c.limits || cast(:limits as jsonb))
    from source_system s where s.id = c.system_id and s.key = :key and c.name = :coverage
      and c.organisation_id = :org returning c.limits""")


def _organisation_ids(session: Session, keys: list[str]) -> list[UUID]:
    found = session.execute(select(Organisation.key, Organisation.id).where(Organisation.key.in_(keys))).all()
    unknown = sorted(set(keys) - {row.key for row in found})
    if unknown:
        raise Unprocessable(f"There is no organisation {', '.join(unknown)}.", unknown=unknown)
    return [row.id for row in found]


def write_for(session: Session, organisation_id: UUID) -> None:
    """Write for an organisation the caller may read, in this transaction: what a person of the group decides at a
    plant's data is written as that plant's."""
    tenancy = session.info["tenancy"]
    if organisation_id not in tenancy.readable:
        raise NotFound(f"There is no organisation {organisation_id} you may act for.")
    set_tenancy(session, replace(tenancy, acting=organisation_id))


def _system(row: RowMapping, feeds: list[Feed], agents: list[Agent]) -> System:
    worst: FeedState = max((f.state for f in feeds), key=_SEVERITY.index, default="unknown")
    return System(
        **{**row, "organisations": tuple(row["organisations"])}, state=worst, feeds=tuple(feeds), agents=tuple(agents)
    )


def _feed(row: RowMapping, report: _Report) -> Feed:
    state = "held" if row["held_batch_id"] else _state(row["age_seconds"], row["sla_seconds"])
    return Feed(**row, state=state, spool=report.spool, agent_error=report.errors.get(row["stream"]))


def _place(row: RowMapping) -> Place:
    return Place(**row, state=_state(row["age_seconds"], row["activity_sla_seconds"]))


def _state(age_seconds: float | None, sla_seconds: int | None) -> FeedState:
    return cast(FeedState, sla_state(age_seconds, sla_seconds))


def _agents(session: Session, key: str | None) -> list[tuple[str, Agent]]:
    rows = session.execute(_AGENTS, {"key": key})
    return [(r.system, Agent(r.id, r.name, r.last_seen_at, r.seen_seconds, r.is_disabled)) for r in rows]


@dataclass(frozen=True)
class _Report:
    """What an agent last said of one system."""

    spool: int | None = None
    errors: Mapping[str, str] = field(default_factory=dict)


def _reports(session: Session, key: str | None) -> dict[str, _Report]:
    """By system; an agent may report of several, and nothing it says is taken on trust."""
    told = [row.health for row in session.execute(_AGENTS, {"key": key}) if isinstance(row.health, dict)]
    systems = [one for health in told for one in _listed(health, "systems")]
    return {str(one.get("system")): _report(one) for one in systems}


def _report(told: dict[str, Any]) -> _Report:
    spool = told.get("spool")
    ready = spool.get("ready") if isinstance(spool, dict) else None
    errors = {str(s.get("stream")): str(s["last_error"]) for s in _listed(told, "streams") if s.get("last_error")}
    return _Report(ready if isinstance(ready, int) else None, errors)


def _listed(told: dict[str, Any], name: str) -> list[dict[str, Any]]:
    listed = told.get(name)
    return [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
