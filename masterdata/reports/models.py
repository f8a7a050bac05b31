"""Table of reports: questions to the lake that somebody asked, and where their answers are."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import CheckConstraint, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from hub.columns import Id, Instant, Json, Now, OrganisationKey
from hub.database import Base


class Report(Base):
    """A question as an organisation asked it. `file` names its answer in HUB_HOME/reports: the same for everyone who
    asks the same, with rows of all organisations (`rows`: how many of each); `build_id` is the build that answers."""

    __tablename__ = "report"
    __table_args__ = (
        CheckConstraint("state in ('waiting', 'running', 'ready', 'failed')", "state"),
        UniqueConstraint("organisation_id", "file"),
    )

    organisation_id: Mapped[OrganisationKey] = mapped_column(primary_key=True)
    id: Mapped[Id]
    kind: Mapped[str]
    as_of: Mapped[Instant | None]
    known_at: Mapped[Instant]
    build_id: Mapped[UUID]
    state: Mapped[str] = mapped_column(default="waiting")
    error: Mapped[str | None]
    file: Mapped[str]
    rows: Mapped[Json] = mapped_column(default=dict)
    asked_by: Mapped[UUID]
    asked_at: Mapped[Now]
    ended_at: Mapped[Instant | None]
