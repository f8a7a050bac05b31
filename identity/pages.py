"""Every page of this package."""

from __future__ import annotations

from fastapi import APIRouter

from identity.agents.pages import router as agents
from identity.oauth.admin_pages import router as clients
from identity.oauth.logout import router as logout
from identity.oauth.pages import router as oauth
from identity.people.pages import router as people
from identity.sessions.pages import router as sessions

router = APIRouter(include_in_schema=False)
for part in (sessions, people, agents, oauth, logout, clients):
    router.include_router(part)
