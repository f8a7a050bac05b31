"""Every HTTP router of this package."""

from __future__ import annotations

from fastapi import APIRouter

from identity.agents.router import router as agents
from identity.agents.router import secret as agent_codes
from identity.invitations.router import router as invitations
from identity.invitations.router import secret as invitation_links
from identity.organisations.router import router as organisations
from identity.partners.router import router as partners
from identity.people.router import router as people
from identity.sessions.router import router as sessions
from identity.sessions.router import secret as passwords

router = APIRouter()
for part in (sessions, passwords, people, invitations, invitation_links, partners, organisations, agents, agent_codes):
    router.include_router(part)
