"""Every capability an endpoint may ask for, declared once: `def list_x(session: SessionDep, _: CanReadInventory)`."""

from __future__ import annotations

from typing import Annotated

from fastapi import Security

from hub.web import SessionDep
from identity.principal import Principal, act_for, authenticate, authorize
from identity.strong.step_up import RecentInBrowser, RecentSignIn

__all__ = ["Principal", "RecentInBrowser", "RecentSignIn", "SessionDep", "act_for", "authenticate", "authorize"]

SignedIn = Annotated[Principal, Security(authorize)]
CanReadInventory = Annotated[Principal, Security(authorize, scopes=["inventory:read"])]
CanReadMaterials = Annotated[Principal, Security(authorize, scopes=["materials:read"])]
CanReadFeeds = Annotated[Principal, Security(authorize, scopes=["feeds:read"])]
CanReadQuarantine = Annotated[Principal, Security(authorize, scopes=["quarantine:read"])]
CanWriteQuarantine = Annotated[Principal, Security(authorize, scopes=["quarantine:write"])]
CanReleaseBatches = Annotated[Principal, Security(authorize, scopes=["batches:release"])]
CanWriteRates = Annotated[Principal, Security(authorize, scopes=["rates:write"])]
# A build changes what every organisation sees, as a rate does; the same people of the group may.
CanStartBuilds = CanWriteRates
# Stock made anew from its facts, by those who decide which of them count.
CanRepairStock = CanReleaseBatches
CanWriteUnits = Annotated[Principal, Security(authorize, scopes=["units:write"])]
CanWriteLinks = Annotated[Principal, Security(authorize, scopes=["links:write"])]
CanWriteSystems = Annotated[Principal, Security(authorize, scopes=["systems:write"])]
CanWriteDisclosure = Annotated[Principal, Security(authorize, scopes=["disclosure:write"])]
CanReadPeople = Annotated[Principal, Security(authorize, scopes=["people:read"])]
CanWritePeople = Annotated[Principal, Security(authorize, scopes=["people:write"])]
CanWriteFederation = Annotated[Principal, Security(authorize, scopes=["federation:write"])]
CanWriteBatches = Annotated[Principal, Security(authorize, scopes=["batches:write"])]
CanReadAudit = Annotated[Principal, Security(authorize, scopes=["audit:read"])]
CanChangeOwnSettings = Annotated[Principal, Security(authorize, scopes=["settings:self"])]
CanReadClients = Annotated[Principal, Security(authorize, scopes=["clients:read"])]
CanWriteClients = Annotated[Principal, Security(authorize, scopes=["clients:write"])]
