"""Every HTTP router of this package."""

from __future__ import annotations

from fastapi import APIRouter

from identity.agents.router import router as agents
from identity.agents.router import secret as agent_codes
from identity.federation.router import router as federation
from identity.organisations.router import router as organisations
from identity.people.router import router as people
from identity.scim.router import protocol as scim
from identity.scim.router import router as provisioning
from identity.scim.router import secret as scim_tokens
from identity.sessions.router import router as sessions
from identity.sessions.router import secret as passwords

router = APIRouter()
for part in (
    sessions,
    passwords,
    people,
    organisations,
    agents,
    agent_codes,
    federation,
    scim,
    provisioning,
    scim_tokens,
):
    router.include_router(part)
