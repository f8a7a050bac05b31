"""What strong sign-in takes and gives. Credentials and options are WebAuthn's own JSON (level 3, §5.1.8 to §5.1.10)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from identity.fields import In, Line, Out, Password

SecondFactor = Literal["none", "any", "passkey"]
Code = Annotated[str, Field(min_length=6, max_length=40)]


class PendingOut(Out):
    """The password was right; a second factor is missing. The sign-in waits in a cookie."""

    methods: list[Literal["passkey", "totp", "recovery_code"]]
    expires_at: datetime


class CodeIn(In):
    """Six digits of an authenticator app, or a recovery code."""

    code: Code


class CredentialIn(In):
    """PublicKeyCredential.toJSON() of navigator.credentials.get()."""

    credential: dict[str, Any]


class PasskeyIn(In):
    """PublicKeyCredential.toJSON() of navigator.credentials.create(), and the person's name for it."""

    credential: dict[str, Any]
    name: Line


class PasskeyPatch(In):
    name: Line


class PasskeyOut(Out):
    """`is_synced`: it is kept by an account of its maker, on more than one device."""

    id: UUID
    name: str
    is_synced: bool
    created_at: datetime
    last_used_at: datetime | None


class DeviceOut(Out):
    id: UUID
    name: str
    created_at: datetime
    last_seen_at: datetime


class FactorsOut(Out):
    passkeys: list[PasskeyOut]
    has_totp: bool
    recovery_codes: int = Field(description="how many are left")
    devices: list[DeviceOut]


class TotpOut(Out):
    """Shown once. `qr` is an SVG image as a data: address."""

    secret: str
    uri: str
    qr: str


class RecoveryCodesOut(Out):
    """Shown once."""

    codes: list[str]


class StepUp(In):
    """One of the two: the password where the account has no second factor, else a code. A passkey has its own way."""

    password: Password | None = None
    code: Code | None = None


class PolicyIn(In):
    """What sessions that act for the organisation, or for one below it, must meet."""

    second_factor: SecondFactor = "none"
    session_hours: Annotated[int, Field(gt=0, le=168)] | None = None
    idle_minutes: Annotated[int, Field(ge=5, le=10_080)] | None = None
    allow_password: bool = True


class PolicyOut(Out):
    second_factor: SecondFactor
    session_hours: int | None
    idle_minutes: int | None
    allow_password: bool


class PoliciesOut(Out):
    """`effective` is the strictest of the organisation's own and those above it."""

    own: PolicyOut
    effective: PolicyOut
