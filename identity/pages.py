"""Every page of this package."""

from __future__ import annotations

from fastapi import APIRouter

from identity.agents.pages import router as agents
from identity.audit.pages import router as audit
from identity.federation.admin import router as federation_admin
from identity.federation.pages import router as federation
from identity.invitations.pages import router as invitations
from identity.oauth.admin_pages import router as clients
from identity.oauth.logout import router as logout
from identity.oauth.pages import router as oauth
from identity.organisations.pages import router as organisations
from identity.partners.pages import router as partners
from identity.people.account_pages import router as accounts
from identity.people.pages import router as people
from identity.scim.pages import router as provisioning
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
    federation,
    federation_admin,
    provisioning,
):
    router.include_router(part)
