"""What the log gives."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import Field

from identity.fields import Out


class EventOut(Out):
    """One event in one organisation's log. The same `event_id` stands in the log of every organisation concerned."""

    organisation_id: UUID
    event_id: UUID
    at: datetime
    action: str
    actor_kind: str
    actor: UUID | None = Field(description="a pseudonym of a person, the id of an agent or client")
    actor_name: str | None = Field(default=None, description="null: not yours to see, or forgotten")
    acting_for: str = Field(description="key of the organisation the actor acted for")
    object_kind: str
    object_id: str
    object_name: str | None = None
    detail: dict[str, Any]
    request_id: str
    trace_id: str
    network: str = Field(description="where the request came from: /24 of IPv4, /48 of IPv6")
    seal: int | None = Field(description="number of its seal; null: not sealed yet, at most a minute old")
    position: int | None


class HeadOut(Out):
    """Where the chain ends: kept elsewhere, it shows later that nothing was cut off or made anew."""

    organisation: str
    number: int
    digest: str
    sealed_at: datetime
