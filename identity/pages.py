"""Every page of this package."""

from __future__ import annotations

from fastapi import APIRouter

from identity.agents.pages import router as agents
from identity.federation.admin import router as federation_admin
from identity.federation.pages import router as federation
from identity.people.pages import router as people
from identity.scim.pages import router as provisioning
from identity.sessions.pages import router as sessions

router = APIRouter(include_in_schema=False)
for part in (sessions, people, agents, federation, federation_admin, provisioning):
    router.include_router(part)
