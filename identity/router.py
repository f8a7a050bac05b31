"""Every HTTP router of this package."""

from __future__ import annotations

from fastapi import APIRouter

from identity.agents.router import router as agents
from identity.agents.router import secret as agent_codes
from identity.invitations.router import router as invitations
from identity.invitations.router import secret as invitation_links
from identity.organisations.router import own as own_organisations
from identity.organisations.router import router as organisations
from identity.partners.router import router as partners
from identity.people.account_router import router as accounts
from identity.people.account_router import secret as account_secrets
from identity.people.router import router as people
from identity.sessions.router import router as sessions
from identity.sessions.router import secret as passwords

router = APIRouter()
PARTS = (sessions, passwords, own_organisations, people, invitations, invitation_links, partners, organisations)
for part in (*PARTS, accounts, account_secrets, agents, agent_codes):
    router.include_router(part)
