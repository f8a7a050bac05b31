"""What the administration of people takes and gives."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from identity.fields import Email, In, Line, Out, Token, Zone

# Which of them an organisation has depends on its kind: identity.scopes.TEMPLATE.
Role = Literal["planner", "buyer", "steward", "it", "auditor", "admin", "sales", "dispatcher"]
Roles = Annotated[list[Role], Field(min_length=1, max_length=8)]


class PersonIn(In):
    """A new account."""

    email: Email
    name: Line
    roles: Roles
    locale: Literal["zh", "en"] = "zh"
    zone: Zone = "Asia/Shanghai"


class PersonPatch(In):
    """`roles` are those in `organisation_id`; `is_suspended` stops this membership alone; only the home organisation
    may disable the account."""

    roles: Roles | None = None
    is_suspended: bool | None = None
    is_disabled: bool | None = None
    organisation_id: UUID | None = None


class MemberOut(Out):
    """One membership of one person."""

    person_id: UUID
    organisation_id: UUID
    home_organisation_id: UUID
    email: str
    name: str
    roles: list[Role]
    scopes: list[str]
    is_suspended: bool
    is_disabled: bool
    has_password: bool
    created_at: datetime


class EmailIn(In):
    """`password` is the current one, where the account has one."""

    email: Email
    password: Annotated[str, Field(max_length=200)] = ""


class TokenIn(In):
    token: Token


class EmailOut(Out):
    """The address that signs in from now on."""

    email: str


class MergeToken(Out):
    """Show it within 15 minutes while signed in to the account that stays."""

    token: str


class MergedOut(Out):
    merged_id: UUID
