"""What agents and their administration take and give."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from identity.fields import In, Line, Out, Token

HEALTH_BYTES_MAX = 262_144

SystemKey = Annotated[str, Field(min_length=1, max_length=80, pattern=r"^[^\x00-\x20/]+$")]


class Jwk(BaseModel):
    """An Ed25519 public key (RFC 8037). A private one must not travel: `d` is refused."""

    kty: Literal["OKP"]
    crv: Literal["Ed25519"]
    x: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{43}$")]
    d: None = None


class Grant(In):
    """The agent may send what this source system holds of these organisations."""

    system: SystemKey
    organisation_ids: Annotated[list[UUID], Field(min_length=1, max_length=200)]


class AgentIn(In):
    """A new agent, administered by `organisation_id` (default: the one the caller acts for)."""

    name: Line
    grants: Annotated[list[Grant], Field(max_length=100, default_factory=list)]
    organisation_id: UUID | None = None


class AgentPatch(In):
    is_disabled: bool | None = None
    grants: Annotated[list[Grant], Field(max_length=100)] | None = None


class GrantOut(Out):
    system: str
    organisation_ids: list[UUID]


class AgentOut(Out):
    id: UUID
    organisation_id: UUID
    name: str
    grants: list[GrantOut]
    is_enrolled: bool
    is_disabled: bool
    enrolled_at: datetime | None
    last_seen_at: datetime | None
    health: dict[str, Any]
    created_at: datetime


class CodeOut(Out):
    """The code enrols one agent, once. It is shown here and never again."""

    agent_id: UUID
    code: str
    expires_at: datetime


class Enrolment(In):
    code: Token
    public_key: Jwk
    name: Annotated[str, Field(max_length=120, pattern=r"^[^\x00-\x1f]*$")] = ""


class SystemOut(Out):
    system: str
    organisations: list[str] = Field(description="keys of the organisations whose rows may be sent")


class EnrolledOut(Out):
    agent_id: UUID
    systems: list[SystemOut]


class KeyIn(In):
    public_key: Jwk


class Health(BaseModel):
    """How the agent does, per source system and stream; kept as it comes."""

    model_config = ConfigDict(extra="allow")

    at: datetime | None = None
    systems: Annotated[list[dict[str, Any]], Field(max_length=100, default_factory=list)]

    @model_validator(mode="after")
    def _is_storable(self) -> Self:
        """PostgreSQL keeps no NUL, no half surrogates, no NaN; and a report is no place for data."""
        kept = json.dumps(self.model_dump(mode="json"), allow_nan=False, ensure_ascii=False)
        if "\\u0000" in kept or len(kept.encode()) > HEALTH_BYTES_MAX:
            raise ValueError(f"a health report holds no NUL and at most {HEALTH_BYTES_MAX} bytes")
        return self
