"""HTTP: administration of agents, and what agents themselves call."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from fastapi import APIRouter
from sqlalchemy.orm import Session

from hub.paging import Page, PagingDep, cut
from hub.web import OpenSessionDep, Router, SessionDep
from identity.access import CanReadFeeds, CanWriteBatches, CanWriteSystems, RecentSignIn
from identity.agents import service
from identity.agents.schemas import (
    AgentIn,
    AgentOut,
    AgentPatch,
    CodeOut,
    EnrolledOut,
    Enrolment,
    GrantOut,
    Health,
    KeyIn,
    SystemOut,
)
from identity.models import Agent

router = Router(prefix="/v1/agents", tags=["agents"])
# Not idempotent: an answer that holds a code must not be kept.
secret = APIRouter(prefix="/v1/agents", tags=["agents"])


@router.get("")
def list_agents(session: SessionDep, _: CanReadFeeds, page: PagingDep) -> Page[AgentOut]:
    """Agents of the organisations you may read, with their last report."""
    rows = service.list_agents(session, after=page.key((str, UUID)), limit=page.limit + 1)
    agents, after = cut(rows, page.limit, lambda a: (a.name, a.id))
    return Page(items=shown(session, agents), next=after)


@secret.post("", response_model=CodeOut, status_code=201, dependencies=[RecentSignIn])
def create_agent(given: AgentIn, session: SessionDep, me: CanWriteSystems) -> service.Code:
    """A new agent; the answer holds the code that enrols it, once."""
    return service.create_agent(session, me, given)


@router.post("/enrol", response_model=EnrolledOut, status_code=201)
def enrol(given: Enrolment, session: OpenSessionDep) -> EnrolledOut:
    """Register an agent's public key with its one-time code."""
    agent_id = service.enrol(session, given)
    return EnrolledOut(agent_id=agent_id, systems=_systems(session, agent_id))


@router.get("/self", response_model=EnrolledOut)
def get_self(session: SessionDep, me: CanWriteBatches) -> EnrolledOut:
    """What the calling agent may send."""
    return EnrolledOut(agent_id=me.id, systems=_systems(session, me.id))


@router.post("/self/health", status_code=204)
def report_health(given: Health, session: SessionDep, me: CanWriteBatches) -> None:
    """How the calling agent does."""
    service.report_health(session, me.id, given.model_dump(mode="json"))


@router.put("/self/key", status_code=204)
def rotate_key(given: KeyIn, session: SessionDep, me: CanWriteBatches) -> None:
    """Replace the calling agent's key; the token signed by the old one works for this once."""
    service.rotate_key(session, me, given.public_key)


@router.get("/{agent_id}", response_model=AgentOut)
def get_agent(agent_id: UUID, session: SessionDep, _: CanReadFeeds) -> AgentOut:
    """One agent."""
    return shown(session, [service.get_agent(session, agent_id)])[0]


@router.patch("/{agent_id}", response_model=AgentOut)
def change_agent(agent_id: UUID, given: AgentPatch, session: SessionDep, me: CanWriteSystems) -> AgentOut:
    """Disable or enable an agent, or change what it may send."""
    return shown(session, [service.change_agent(session, me, agent_id, given)])[0]


@secret.post("/{agent_id}/code", response_model=CodeOut, status_code=201, dependencies=[RecentSignIn])
def renew_code(agent_id: UUID, session: SessionDep, me: CanWriteSystems) -> service.Code:
    """A new one-time code, for a new machine or a lost key."""
    return service.renew_code(session, me, agent_id)


def shown(session: Session, agents: Sequence[Agent]) -> list[AgentOut]:
    grants = service.grants_of(session, [a.id for a in agents])
    return [_out(a, grants.get(a.id, {})) for a in agents]


def _out(agent: Agent, grants: dict[str, list[UUID]]) -> AgentOut:
    return AgentOut(
        id=agent.id,
        organisation_id=agent.organisation_id,
        name=agent.name,
        grants=[GrantOut(system=s, organisation_ids=ids) for s, ids in grants.items()],
        is_enrolled=agent.public_jwk is not None,
        is_disabled=agent.disabled_at is not None,
        enrolled_at=agent.enrolled_at,
        last_seen_at=agent.last_seen_at,
        health=agent.health,
        created_at=agent.created_at,
    )


def _systems(session: Session, agent_id: UUID) -> list[SystemOut]:
    return [SystemOut(system=s, organisations=o) for s, o in service.granted_systems(session, agent_id).items()]
