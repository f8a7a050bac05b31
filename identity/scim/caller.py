"""Who speaks SCIM: the provisioning of one organisation, by one of its tokens."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from hub.database import Tenancy


@dataclass(frozen=True, slots=True)
class Caller:
    """It grants nothing beyond `grantable`, the scopes of who made the token."""

    token_id: UUID
    organisation_id: UUID
    grantable: frozenset[str]

    @property
    def tenancy(self) -> Tenancy:
        return Tenancy((self.organisation_id,), self.organisation_id)

    @property
    def name(self) -> str:
        """As logs call it."""
        return f"scim:{self.token_id}"
