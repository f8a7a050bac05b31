"""Every page of this package."""

from __future__ import annotations

from fastapi import APIRouter

from identity.agents.pages import router as agents
from identity.people.pages import router as people
from identity.sessions.pages import router as sessions
from identity.strong.pages import router as strong

router = APIRouter(include_in_schema=False)
for part in (sessions, strong, people, agents):
    router.include_router(part)
