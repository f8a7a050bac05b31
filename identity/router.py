"""Every HTTP router of this package."""

from __future__ import annotations

from fastapi import APIRouter

from identity.agents.router import router as agents
from identity.organisations.router import router as organisations
from identity.people.router import router as people
from identity.sessions.router import router as sessions

router = APIRouter()
for part in (sessions, people, organisations, agents):
    router.include_router(part)
