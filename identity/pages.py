"""Every page of this package."""

from __future__ import annotations

from fastapi import APIRouter

from identity.agents.pages import router as agents
from identity.audit.pages import router as audit
from identity.invitations.pages import router as invitations
from identity.oauth.admin_pages import router as clients
from identity.oauth.logout import router as logout
from identity.oauth.pages import router as oauth
from identity.organisations.pages import router as organisations
from identity.partners.pages import router as partners
from identity.people.account_pages import router as accounts
from identity.people.pages import router as people
from identity.sessions.pages import router as sessions
from identity.strong.pages import router as strong

router = APIRouter(include_in_schema=False)
for part in (
    sessions,
    strong,
    accounts,
    people,
    invitations,
    partners,
    organisations,
    agents,
    oauth,
    logout,
    clients,
    audit,
):
    router.include_router(part)
