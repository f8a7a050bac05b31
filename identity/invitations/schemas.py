"""What invitations take and give."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from identity.fields import Email, In, Line, Out, Password, Token
from identity.people.schemas import Role, Roles

Locale = Literal["zh", "en"]


class InvitationIn(In):
    """An invitation to an organisation (default: the one the caller acts for). Without `email` hand the link over
    yourself."""

    roles: Roles
    email: Email | None = None
    name: Line | None = None
    locale: Locale = "zh"
    days: Annotated[int, Field(ge=1, le=30)] = 7
    organisation_id: UUID | None = None


class InvitationOut(Out):
    id: UUID
    organisation_id: UUID
    roles: list[Role]
    email: str | None
    name: str | None
    locale: Locale
    state: Literal["open", "used", "revoked", "expired"]
    invited_by: UUID
    expires_at: datetime
    used_by: UUID | None
    created_at: datetime


class InvitationMade(Out):
    """The link makes whoever opens it a member, once. It is shown here and never again."""

    invitation: InvitationOut
    link: str


class Link(In):
    """`proof` stands in the mailed link alone."""

    token: Token
    proof: Annotated[str, Field(max_length=100)] = ""


class AddressIn(In):
    token: Token
    email: Email


class NewAccount(Link):
    """An account with the address that the invitation was mailed to."""

    name: Line
    password: Password


class JoinedOut(Out):
    """The organisation one is a member of now."""

    organisation_id: UUID
