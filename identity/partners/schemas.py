"""What grants to partners take and give."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import AwareDatetime

from identity.fields import In, Key, Out
from identity.people.schemas import Role, Roles


class PartnerGrantIn(In):
    """`partner` is the key of another organisation; its administrators assign the roles to people of theirs."""

    partner: Key
    roles: Roles
    expires_at: AwareDatetime | None = None
    organisation_id: UUID | None = None


class PartnerGrantPatch(In):
    """What is left out stays as it is; `expires_at` null: until it is taken back."""

    roles: Roles | None = None
    expires_at: AwareDatetime | None = None


class SideOut(Out):
    id: UUID
    key: str
    name_zh: str
    name_en: str


class PartnerGrantOut(Out):
    """`is_given`: by an organisation you may read, else received. `people` of the partner use it."""

    id: UUID
    giver: SideOut
    partner: SideOut
    roles: list[Role]
    scopes: list[str]
    expires_at: datetime | None
    revoked_at: datetime | None
    created_at: datetime
    is_live: bool
    is_given: bool
    people: int


class AssignmentIn(In):
    roles: Roles


class AssignmentOut(Out):
    """A person of the partner who may act for the giver; `scopes` are those in force."""

    person_id: UUID
    name: str
    email: str
    roles: list[Role]
    scopes: list[str]
    created_at: datetime
