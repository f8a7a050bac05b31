"""What sign-in, sessions and personal settings take and give."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import Field

from identity.fields import Email, In, Line, Out, Password, Token, Zone

Locale = Literal["zh", "en"]
Theme = Literal["system", "light", "dark"]
Density = Literal["roomy", "standard", "compact"]


class SignIn(In):
    email: Email
    password: Password


class SignedInOut(Out):
    """The session itself travels as a cookie; `csrf_token` goes into X-CSRF-Token of every unsafe request."""

    session_id: UUID
    csrf_token: str
    expires_at: datetime


class SessionOut(Out):
    id: UUID
    address: str
    browser: str
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    is_current: bool = False


class ActFor(In):
    organisation_id: UUID


class ResetRequest(In):
    email: Email


class PasswordByLink(In):
    token: Token
    password: Password = Field(description="10 to 200 characters")


class PasswordChange(In):
    current: Password
    password: Password = Field(description="10 to 200 characters")


class MeOut(Out):
    """Who is calling."""

    kind: Literal["person", "agent", "client"]
    id: UUID
    name: str
    email: str
    organisation_id: UUID | None
    via_id: UUID | None = Field(description="the partner by whose grant one acts for the organisation")
    readable: list[UUID]
    scopes: list[str]
    locale: Locale
    zone: str
    theme: Theme
    density: Density
    amr: list[str] = Field(description="how the session was authenticated, by RFC 8176")
    unmet: list[str] = Field(description="what the organisation's sign-in policy misses in this session")


class SettingsPatch(In):
    name: Line | None = None
    locale: Locale | None = None
    zone: Zone | None = None
    theme: Theme | None = None
    density: Density | None = None
