"""Reports: answers of the lake that people asked for, each in a file of its own."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from hub.migrations.fences import fence

revision = "20261123_09"
down_revision = "20261123_08"


def upgrade() -> None:
    op.create_table(
        "report",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=True),
        sa.Column("known_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("build_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("error", sa.String(), nullable=True),
        sa.Column("file", sa.String(), nullable=False),
        sa.Column("rows", postgresql.JSONB(), nullable=False),
        sa.Column("asked_by", sa.Uuid(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state in ('waiting', 'running', 'ready', 'failed')", name=op.f("ck_report_state")),
        sa.PrimaryKeyConstraint("organisation_id", "id", name=op.f("pk_report")),
        sa.UniqueConstraint("organisation_id", "file", name=op.f("uq_report_organisation_id_file")),
    )
    fence("report")


def downgrade() -> None:
    op.drop_table("report")
