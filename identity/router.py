"""Every HTTP router of this package."""

from __future__ import annotations

from fastapi import APIRouter

from identity.agents.router import router as agents
from identity.agents.router import secret as agent_codes
from identity.audit.router import router as audit
from identity.federation.router import router as federation
from identity.invitations.router import router as invitations
from identity.invitations.router import secret as invitation_links
from identity.oauth.endpoints import router as oauth
from identity.oauth.registration import router as registration
from identity.oauth.router import router as clients
from identity.oauth.router import secret as client_secrets
from identity.organisations.router import own as own_organisations
from identity.organisations.router import router as organisations
from identity.partners.router import router as partners
from identity.people.account_router import router as accounts
from identity.people.account_router import secret as account_secrets
from identity.people.router import router as people
from identity.scim.router import protocol as scim
from identity.scim.router import router as provisioning
from identity.scim.router import secret as scim_tokens
from identity.sessions.router import router as sessions
from identity.sessions.router import secret as passwords
from identity.strong.router import router as strong
from identity.strong.router import secret as factors

router = APIRouter()
for part in (
    sessions,
    passwords,
    strong,
    factors,
    own_organisations,
    people,
    invitations,
    invitation_links,
    partners,
    organisations,
    accounts,
    account_secrets,
    agents,
    agent_codes,
    oauth,
    registration,
    clients,
    client_secrets,
    audit,
    federation,
    scim,
    provisioning,
    scim_tokens,
):
    router.include_router(part)
