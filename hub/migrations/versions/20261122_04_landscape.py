"""Landscape and intake: systems, coverages, feeds, places, batches, landed bodies, quarantine."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Text
from sqlalchemy.dialects import postgresql

from hub.migrations.fences import READ, fence

revision = "20261122_04"
down_revision = "20261122_03"

FENCED = (
    "batch",
    "coverage",
    "demand_line",
    "feed",
    "landing",
    "partner",
    "place",
    "purchase_order_line",
    "quarantine",
)


# Long, as a list is: the tables one after the other, without a branch.
def upgrade() -> None:
    op.create_table(
        "batch",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("system_id", sa.Uuid(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=True),
        sa.Column("stream", sa.String(), nullable=False),
        sa.Column("coverage", sa.String(), nullable=False),
        sa.Column("sync", sa.String(), nullable=False),
        sa.Column("counts", sa.String(), nullable=False),
        sa.Column("observed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("clock", sa.String(), nullable=False),
        sa.Column("header", postgresql.JSONB(astext_type=Text()), nullable=False),
        sa.Column("traceparent", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("origin_id", sa.Uuid(), nullable=True),
        sa.Column(
            "announced_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("landed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("applied_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("recording_id", sa.BigInteger(), nullable=True),
        sa.Column("rows_in", sa.BigInteger(), nullable=False),
        sa.Column("applied", sa.BigInteger(), nullable=False),
        sa.Column("unchanged", sa.BigInteger(), nullable=False),
        sa.Column("duplicate", sa.BigInteger(), nullable=False),
        sa.Column("quarantined", sa.BigInteger(), nullable=False),
        sa.Column("pending", sa.BigInteger(), nullable=False),
        sa.Column("gate", postgresql.JSONB(astext_type=Text()), nullable=True),
        sa.Column("decision", postgresql.JSONB(astext_type=Text()), nullable=True),
        sa.Column("error", sa.String(), nullable=True),
        sa.CheckConstraint(
            "state <> 'applied' or (pending = 0 and rows_in = applied + unchanged + duplicate + quarantined)",
            name=op.f("ck_batch_account"),
        ),
        sa.CheckConstraint(
            "state in ('announced', 'landed', 'applied', 'held', 'rejected', 'failed')", name=op.f("ck_batch_state")
        ),
        sa.CheckConstraint(
            "rows_in = applied + unchanged + duplicate + quarantined + pending", name=op.f("ck_batch_rows")
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "origin_id"],
            ["batch.organisation_id", "batch.id"],
            name=op.f("fk_batch_organisation_id_origin_id_batch"),
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name=op.f("fk_batch_organisation_id_organisation")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_batch")),
        sa.UniqueConstraint("organisation_id", "id", name=op.f("uq_batch_organisation_id_id")),
    )
    op.create_index("ix_batch_feed", "batch", ["organisation_id", "system_id", "stream", "observed_at"], unique=False)
    op.create_index(
        "ix_batch_open",
        "batch",
        ["organisation_id", "state"],
        unique=False,
        postgresql_where=sa.text("state in ('landed', 'held', 'failed')"),
    )
    op.create_table(
        "coverage",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("system_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("sla_seconds", sa.Integer(), nullable=False),
        sa.Column("read_through", sa.DateTime(timezone=True), nullable=True),
        sa.Column("read_clock", sa.String(), nullable=False),
        sa.Column("snapshot_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("held_batch_id", sa.Uuid(), nullable=True),
        sa.Column(
            "limits", postgresql.JSONB(astext_type=Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name=op.f("fk_coverage_organisation_id_organisation")
        ),
        sa.PrimaryKeyConstraint("organisation_id", "id", name=op.f("pk_coverage")),
        sa.UniqueConstraint(
            "organisation_id", "system_id", "name", name=op.f("uq_coverage_organisation_id_system_id_name")
        ),
    )
    op.create_table(
        "feed",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("system_id", sa.Uuid(), nullable=False),
        sa.Column("stream", sa.String(), nullable=False),
        sa.Column("coverage", sa.String(), nullable=False),
        sa.Column("sla_seconds", sa.Integer(), nullable=False),
        sa.Column("mapping", sa.String(), nullable=False),
        sa.Column("last_batch_id", sa.Uuid(), nullable=True),
        sa.Column("last_good_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("read_through", sa.DateTime(timezone=True), nullable=True),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("delays", postgresql.JSONB(astext_type=Text()), nullable=True),
        sa.Column("error", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name=op.f("fk_feed_organisation_id_organisation")
        ),
        sa.PrimaryKeyConstraint("organisation_id", "system_id", "stream", "coverage", name=op.f("pk_feed")),
    )
    op.create_table(
        "landing",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("path", sa.String(), nullable=True),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name=op.f("fk_landing_organisation_id_organisation")
        ),
        sa.PrimaryKeyConstraint("organisation_id", "sha256", name=op.f("pk_landing")),
    )
    op.create_table(
        "partner",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("system_id", sa.Uuid(), nullable=False),
        sa.Column("partner_id", sa.String(), nullable=False),
        sa.Column("partner_code", sa.String(), nullable=True),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("tax_id", sa.String(), nullable=True),
        sa.Column("country", sa.String(), nullable=True),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("modified_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("row_no", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name=op.f("fk_partner_organisation_id_organisation")
        ),
        sa.PrimaryKeyConstraint("organisation_id", "system_id", "partner_id", name=op.f("pk_partner")),
    )
    op.create_table(
        "place",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("system_id", sa.Uuid(), nullable=False),
        sa.Column("place_id", sa.String(), nullable=False),
        sa.Column("place_code", sa.String(), nullable=True),
        sa.Column("name", sa.String(), nullable=True),
        sa.Column("parent_id", sa.String(), nullable=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("activity_sla_seconds", sa.Integer(), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("modified_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("batch_id", sa.Uuid(), nullable=True),
        sa.Column("row_no", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name=op.f("fk_place_organisation_id_organisation")
        ),
        sa.PrimaryKeyConstraint("organisation_id", "id", name=op.f("pk_place")),
        sa.UniqueConstraint(
            "organisation_id", "system_id", "place_id", name=op.f("uq_place_organisation_id_system_id_place_id")
        ),
    )
    op.create_index("ix_place_parent", "place", ["organisation_id", "system_id", "parent_id"], unique=False)
    op.create_table(
        "source_system",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("organisations", sa.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("name_zh", sa.String(), nullable=False),
        sa.Column("name_en", sa.String(), nullable=False),
        sa.Column("zone", sa.String(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name=op.f("fk_source_system_organisation_id_organisation")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_source_system")),
        sa.UniqueConstraint("key", name=op.f("uq_source_system_key")),
    )
    op.create_table(
        "demand_line",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("system_id", sa.Uuid(), nullable=False),
        sa.Column("document", sa.String(), nullable=False),
        sa.Column("line", sa.String(), nullable=False),
        sa.Column("material_id", sa.BigInteger(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("fields", postgresql.JSONB(astext_type=Text()), nullable=False),
        sa.Column("modified_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("is_gone", sa.Boolean(), nullable=False),
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("row_no", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id", "material_id"],
            ["source_material.organisation_id", "source_material.id"],
            name=op.f("fk_demand_line_organisation_id_material_id_source_material"),
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name=op.f("fk_demand_line_organisation_id_organisation")
        ),
        sa.PrimaryKeyConstraint("organisation_id", "system_id", "document", "line", name=op.f("pk_demand_line")),
    )
    op.create_index(
        "ix_demand_line_material", "demand_line", ["organisation_id", "material_id", "occurred_at"], unique=False
    )
    op.create_table(
        "purchase_order_line",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("system_id", sa.Uuid(), nullable=False),
        sa.Column("document", sa.String(), nullable=False),
        sa.Column("line", sa.String(), nullable=False),
        sa.Column("material_id", sa.BigInteger(), nullable=False),
        sa.Column("fields", postgresql.JSONB(astext_type=Text()), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("modified_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("is_gone", sa.Boolean(), nullable=False),
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("row_no", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id", "material_id"],
            ["source_material.organisation_id", "source_material.id"],
            name=op.f("fk_purchase_order_line_organisation_id_material_id_source_material"),
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name=op.f("fk_purchase_order_line_organisation_id_organisation")
        ),
        sa.PrimaryKeyConstraint(
            "organisation_id", "system_id", "document", "line", name=op.f("pk_purchase_order_line")
        ),
    )
    op.create_index(
        "ix_purchase_order_line_material", "purchase_order_line", ["organisation_id", "material_id"], unique=False
    )
    op.create_table(
        "quarantine",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("system_id", sa.Uuid(), nullable=False),
        sa.Column("stream", sa.String(), nullable=False),
        sa.Column("row_no", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("field", sa.String(), nullable=True),
        sa.Column("value", sa.String(), nullable=True),
        sa.Column("detail", sa.String(), nullable=False),
        sa.Column("record", postgresql.JSONB(astext_type=Text()), nullable=False),
        sa.Column("raw", sa.String(), nullable=True),
        sa.Column("position_hash", sa.Uuid(), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("resolved_by", sa.Uuid(), nullable=True),
        sa.Column("note", sa.String(), nullable=True),
        sa.Column("replay_batch_id", sa.Uuid(), nullable=True),
        sa.CheckConstraint("state in ('open', 'replayed', 'dismissed')", name=op.f("ck_quarantine_state")),
        sa.ForeignKeyConstraint(
            ["organisation_id", "batch_id"],
            ["batch.organisation_id", "batch.id"],
            name=op.f("fk_quarantine_organisation_id_batch_id_batch"),
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name=op.f("fk_quarantine_organisation_id_organisation")
        ),
        sa.PrimaryKeyConstraint("organisation_id", "id", name=op.f("pk_quarantine")),
    )
    op.create_index("ix_quarantine_batch", "quarantine", ["organisation_id", "batch_id"], unique=False)
    op.create_index(
        "ix_quarantine_open",
        "quarantine",
        ["organisation_id", "reason", "id"],
        unique=False,
        postgresql_where=sa.text("state = 'open'"),
    )
    for table in FENCED:
        fence(table)
    shared = "organisations && ((select coalesce(nullif(current_setting('hub.orgs', true), ''), '{}')::uuid[])::uuid[])"
    fence("source_system", read=f"({READ}) or ({shared})")


def downgrade() -> None:
    op.drop_index("ix_quarantine_open", table_name="quarantine", postgresql_where=sa.text("state = 'open'"))
    op.drop_index("ix_quarantine_batch", table_name="quarantine")
    op.drop_table("quarantine")
    op.drop_index("ix_purchase_order_line_material", table_name="purchase_order_line")
    op.drop_table("purchase_order_line")
    op.drop_index("ix_demand_line_material", table_name="demand_line")
    op.drop_table("demand_line")
    op.drop_table("source_system")
    op.drop_index("ix_place_parent", table_name="place")
    op.drop_table("place")
    op.drop_table("partner")
    op.drop_table("landing")
    op.drop_table("feed")
    op.drop_table("coverage")
    op.drop_index(
        "ix_batch_open", table_name="batch", postgresql_where=sa.text("state in ('landed', 'held', 'failed')")
    )
    op.drop_index("ix_batch_feed", table_name="batch")
    op.drop_table("batch")
