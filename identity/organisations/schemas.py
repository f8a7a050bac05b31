"""What the tree of organisations takes and gives."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from identity.fields import In, Key, Line, Out, Zone

Kind = Literal["subsidiary", "supplier", "carrier"]


class OrganisationIn(In):
    """A new organisation below `parent_id` (default: the one the caller acts for)."""

    key: Key
    kind: Kind = "subsidiary"
    name_zh: Line
    name_en: Line
    seal: Annotated[str, Field(max_length=1, pattern=r"^[^\x00-\x20]?$")] = ""
    letter: Annotated[str, Field(max_length=1, pattern="^[A-Z]?$")] = ""
    rank: Annotated[int, Field(ge=0, le=10_000)] = 0
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")] = "CNY"
    zone: Zone = "Asia/Shanghai"
    parent_id: UUID | None = None


class OrganisationPatch(In):
    name_zh: Line | None = None
    name_en: Line | None = None
    seal: Annotated[str, Field(max_length=1, pattern=r"^[^\x00-\x20]?$")] | None = None
    letter: Annotated[str, Field(max_length=1, pattern="^[A-Z]?$")] | None = None
    rank: Annotated[int, Field(ge=0, le=10_000)] | None = None
    zone: Zone | None = None


class ClosingIn(In):
    """From `at` on (default: now) nobody acts for the organisation any more."""

    at: AwareDatetime | None = None


class ExportOut(Out):
    """All that belongs to the organisation, as a ZIP of CSV files; `rows` by file."""

    id: UUID
    organisation_id: UUID
    state: Literal["waiting", "ready", "failed"]
    error: str | None
    rows: dict[str, int]
    bytes: int | None
    asked_at: datetime
    ended_at: datetime | None


class ViaOut(Out):
    id: UUID
    name_zh: str
    name_en: str


class OwnOrganisationOut(Out):
    """An organisation one may act for; `via`: by a grant to this partner."""

    id: UUID
    key: str
    kind: str
    name_zh: str
    name_en: str
    via: ViaOut | None
    is_last: bool = Field(description="chosen last")


class OrganisationOut(Out):
    id: UUID
    parent_id: UUID | None
    key: str
    kind: str
    name_zh: str
    name_en: str
    seal: str
    letter: str
    rank: int
    currency: str
    zone: str
    closed_at: datetime | None
