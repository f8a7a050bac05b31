"""Connector agents: enrolled by a one-time code, granted organisations per source system, disabled, heard from."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import delete, func, select, text, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from hub.columns import new_id
from hub.database import Tenancy, set_tenancy
from hub.errors import Conflict, Forbidden, NotFound, Unauthenticated
from hub.models import Organisation
from identity.agent_tokens import LIFETIME_MAX, SKEW
from identity.agents.schemas import AgentIn, AgentPatch, Enrolment, Grant, Jwk
from identity.audit.service import Someone, record
from identity.models import Agent, AgentGrant, AgentNonce
from identity.principal import Principal, act_for, agents
from identity.secrets import code_digest, new_code

CODE_LIFETIME = timedelta(days=1)


class Code(NamedTuple):
    """A one-time code, known here and to whoever it is shown to."""

    agent_id: UUID
    code: str
    expires_at: datetime


def list_agents(session: Session, after: tuple[Any, ...] | None = None, limit: int = 1_000) -> Sequence[Agent]:
    """By name, after the given name and id."""
    found = select(Agent).order_by(Agent.name, Agent.id).limit(limit)
    if after is not None:
        found = found.where(tuple_(Agent.name, Agent.id) > after)
    return session.scalars(found).all()


def get_agent(session: Session, agent_id: UUID) -> Agent:
    found = session.get(Agent, agent_id)
    if found is None:
        raise NotFound(f"There is no agent {agent_id}.")
    return found


def grants_of(session: Session, agent_ids: Iterable[UUID]) -> dict[UUID, dict[str, list[UUID]]]:
    """Per agent and source system, the organisations it may send (those the caller may read)."""
    found: dict[UUID, dict[str, list[UUID]]] = defaultdict(lambda: defaultdict(list))
    chosen = select(AgentGrant).where(AgentGrant.agent_id.in_(list(agent_ids)))
    for grant in session.scalars(chosen.order_by(AgentGrant.system, AgentGrant.organisation_id)):
        found[grant.agent_id][grant.system].append(grant.organisation_id)
    return found


def create_agent(session: Session, caller: Principal, given: AgentIn) -> Code:
    """Raises Conflict where the organisation has an agent of this name."""
    organisation_id = given.organisation_id or caller.organisation_id
    if organisation_id is None:
        raise Forbidden("Say for which organisation: organisation_id.")
    act_for(session, caller, organisation_id)
    if session.scalar(select(Agent.id).where(Agent.organisation_id == organisation_id, Agent.name == given.name)):
        raise Conflict(f"This organisation has an agent named {given.name} already.")
    agent = Agent(id=new_id(), organisation_id=organisation_id, name=given.name)
    session.add(agent)
    session.flush()
    _tell(session, "agent_made", caller, agent)
    _set_grants(session, caller, agent, given.grants)
    return _issue_code(session, caller, agent)


def renew_code(session: Session, caller: Principal, agent_id: UUID) -> Code:
    """A new code, for a new machine or a lost key; the key known so far goes on working until it is used."""
    return _issue_code(session, caller, get_agent(session, agent_id))


def _issue_code(session: Session, caller: Principal, agent: Agent) -> Code:
    act_for(session, caller, agent.organisation_id)
    code, expires_at = new_code(), datetime.now(UTC) + CODE_LIFETIME
    agent.enrol_hash, agent.enrol_expires_at = code_digest(code), expires_at
    session.flush()
    _tell(session, "agent_code_made", caller, agent)
    return Code(agent.id, code, expires_at)


def change_agent(session: Session, caller: Principal, agent_id: UUID, given: AgentPatch) -> Agent:
    agent = get_agent(session, agent_id)
    act_for(session, caller, agent.organisation_id)
    if given.is_disabled is not None:
        agent.disabled_at = datetime.now(UTC) if given.is_disabled else None
        session.flush()
        _tell(session, "agent_disabled" if given.is_disabled else "agent_enabled", caller, agent)
    if given.grants is not None:
        _set_grants(session, caller, agent, given.grants)
    agents.clear()
    return agent


def _tell(session: Session, action: str, caller: Principal, agent: Agent, *others: UUID, **detail: Any) -> None:
    concerned = [agent.organisation_id, *others]
    record(session, action, actor=caller, organisations=concerned, object_kind="agent", object_id=agent.id, **detail)


def _set_grants(session: Session, caller: Principal, agent: Agent, grants: Sequence[Grant]) -> None:
    """Replaces what the caller may write of the agent's grants; raises NotFound for an organisation that is not his."""
    wanted = {(organisation_id, g.system) for g in grants for organisation_id in g.organisation_ids}
    held = {(g.organisation_id, g.system) for g in session.scalars(select(AgentGrant).filter_by(agent_id=agent.id))}
    for organisation_id, system in sorted(wanted ^ held, key=str):
        act_for(session, caller, organisation_id)
        key = {"organisation_id": organisation_id, "agent_id": agent.id, "system": system}
        if (organisation_id, system) in wanted:
            session.execute(insert(AgentGrant).values(**key))
        else:
            session.execute(delete(AgentGrant).filter_by(**key))
        action = "agent_grant_made" if (organisation_id, system) in wanted else "agent_grant_ended"
        _tell(session, action, caller, agent, organisation_id, organisation=organisation_id, system=system)
    act_for(session, caller, agent.organisation_id)


def enrol(session: Session, given: Enrolment) -> UUID:
    """Registers the key with the code; of many at once one succeeds, the others raise Unauthenticated. The session
    then acts as the agent."""
    key = given.public_key.model_dump(exclude={"d"})
    spend = text("select * from identity_enrol(:digest, cast(:key as jsonb))")
    row = session.execute(spend, {"digest": code_digest(given.code), "key": json.dumps(key)}).one_or_none()
    if row is None:
        raise Unauthenticated("This code is unknown, used or expired. An administrator can make a new one.")
    granted: list[UUID] = session.execute(
        text("select granted from identity_agent(:id)"), {"id": row.agent_id}
    ).scalar_one()
    set_tenancy(session, Tenancy(readable=tuple(granted), person=row.agent_id))
    agent_id: UUID = row.agent_id
    itself = Someone("agent", agent_id, row.organisation_id)
    record(session, "agent_enrolled", actor=itself, object_kind="agent", object_id=agent_id)
    return agent_id


def granted_systems(session: Session, agent_id: UUID) -> dict[str, list[str]]:
    """Per source system the keys of the organisations the agent may send, as it names them on the wire."""
    found: dict[str, list[str]] = defaultdict(list)
    named = (
        select(AgentGrant.system, Organisation.key)
        .join(Organisation, Organisation.id == AgentGrant.organisation_id)
        .where(AgentGrant.agent_id == agent_id)
        .order_by(AgentGrant.system, Organisation.key)
    )
    for system, key in session.execute(named):
        found[system].append(key)
    return found


def rotate_key(session: Session, caller: Principal, given: Jwk) -> None:
    """Replaces the agent's key by a new one; raises Conflict for a token that has done so before."""
    key = given.model_dump(exclude={"d"})
    now = datetime.now(UTC)
    session.execute(delete(AgentNonce).where(AgentNonce.agent_id == caller.id, AgentNonce.expires_at < now))
    ends = now + timedelta(seconds=LIFETIME_MAX + 2 * SKEW)
    spent = insert(AgentNonce).values(agent_id=caller.id, jti=caller.token_id[:200], expires_at=ends)
    if session.scalar(spent.on_conflict_do_nothing().returning(AgentNonce.jti)) is None:
        raise Conflict("This token has changed the key already. Sign a new one.")
    agent = get_agent(session, caller.id)
    agent.public_jwk = key
    session.flush()
    agents.clear()
    _tell(session, "agent_key_rotated", caller, agent)


def report_health(session: Session, agent_id: UUID, health: dict[str, Any]) -> None:
    agent = get_agent(session, agent_id)
    agent.health, agent.last_seen_at = health, func.clock_timestamp()
    session.flush()
