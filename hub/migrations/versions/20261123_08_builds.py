"""Which batches the lake holds, and the builds of the marts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from hub.migrations.fences import fence, grant

revision = "20261123_08"
down_revision = "20261123_07"

DOCUMENTS = ("snapshots", "steps", "checks", "figures", "queries")
MARTS = ("mart_month", "mart_feed", "mart_material")


def upgrade() -> None:
    op.create_table(
        "bronze_batch",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("coverage_id", sa.BigInteger(), nullable=False),
        sa.Column("chain_no", sa.BigInteger(), nullable=True),
        sa.Column("base_no", sa.BigInteger(), nullable=True),
        sa.Column("token", sa.Uuid(), nullable=False),
        sa.Column("is_written", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("organisation_id", "batch_id", name=op.f("pk_bronze_batch")),
    )
    op.create_index(
        "ix_bronze_batch_open",
        "bronze_batch",
        ["organisation_id", "token"],
        postgresql_where=sa.text("not is_written"),
    )
    op.create_index("ix_bronze_batch_chain", "bronze_batch", ["organisation_id", "coverage_id", "chain_no"])
    fence("bronze_batch")
    _build()
    _marts()


def _build() -> None:
    op.create_table(
        "build",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("known_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "started_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("is_current", sa.Boolean(), nullable=False),
        *(sa.Column(name, postgresql.JSONB(), nullable=False) for name in DOCUMENTS),
        sa.Column("error", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_build")),
    )
    op.create_table(
        "build_finding",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("build_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("detail", postgresql.JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("organisation_id", "id", name=op.f("pk_build_finding")),
    )
    op.create_index("ix_build_finding_build", "build_finding", ["organisation_id", "build_id"])
    fence("build_finding")
    op.create_index("uq_build_current", "build", ["is_current"], unique=True, postgresql_where=sa.text("is_current"))
    grant("build")


def _marts() -> None:
    def numbers(*names: str, kind: type = sa.Float, nullable: bool = False) -> list[sa.Column[object]]:
        return [sa.Column(name, kind(), nullable=nullable) for name in names]

    op.create_table(
        "mart_month",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        *numbers("closing_value", "mean_value", "issued_value"),
        *numbers("days", kind=sa.Integer),
        *numbers("duplicate_value"),
        *numbers("shared_materials", "materials", kind=sa.BigInteger),
        sa.PrimaryKeyConstraint("organisation_id", "month", name=op.f("pk_mart_month")),
    )
    op.create_table(
        "mart_feed",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("coverage_id", sa.BigInteger(), nullable=False),
        sa.Column("stream", sa.String(), nullable=False),
        sa.Column("system_id", sa.Uuid(), nullable=False),
        *numbers("batches", kind=sa.BigInteger),
        *(sa.Column(name, sa.DateTime(timezone=True), nullable=False) for name in ("first_at", "last_at")),
        *numbers("rows_in", "quarantined", kind=sa.BigInteger),
        *numbers("interval_seconds", "delay_p50_seconds", "delay_p95_seconds", "completeness", nullable=True),
        *numbers("sla_seconds", kind=sa.Integer),
        *numbers("breaks", kind=sa.BigInteger),
        sa.PrimaryKeyConstraint("organisation_id", "coverage_id", "stream", name=op.f("pk_mart_feed")),
    )
    op.create_table(
        "mart_material",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("material_id", sa.BigInteger(), nullable=False),
        sa.Column("unit", sa.String(), nullable=False),
        sa.Column("golden_id", sa.BigInteger(), nullable=False),
        sa.Column("on_hand", sa.Numeric(38, 9), nullable=False),
        sa.Column("value", sa.Numeric(38, 9), nullable=True),
        sa.Column("days_of_cover", sa.Float(), nullable=True),
        sa.Column("excess", sa.Numeric(38, 9), nullable=False),
        sa.Column("excess_value", sa.Numeric(38, 9), nullable=True),
        sa.Column("last_moved_on", sa.Date(), nullable=True),
        sa.Column("dormant_value", sa.Numeric(38, 9), nullable=True),
        sa.Column("ages", postgresql.JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("organisation_id", "material_id", "unit", name=op.f("pk_mart_material")),
    )
    op.create_index("ix_mart_material_golden", "mart_material", ["golden_id"])
    for table in MARTS:
        fence(table)


def downgrade() -> None:
    for table in MARTS:
        op.drop_table(table)
    op.drop_table("build_finding")
    op.drop_table("build")
    op.drop_table("bronze_batch")
