"""Who speaks SCIM: the provisioning of one organisation, by one of its tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from hub.database import Tenancy


@dataclass(frozen=True, slots=True)
class Caller:
    """By the token's id. It grants nothing beyond `grantable`, the scopes of who made the token."""

    id: UUID
    organisation_id: UUID
    grantable: frozenset[str]
    kind: Literal["client"] = "client"

    @property
    def tenancy(self) -> Tenancy:
        return Tenancy((self.organisation_id,), self.organisation_id, self.id)
