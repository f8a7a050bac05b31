"""Ledger: positions and the append-only facts they are a pure function of."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Text
from sqlalchemy.dialects import postgresql

from hub.migrations.fences import fence, grant

revision = "20261122_05"
down_revision = "20261122_04"

FENCED = ("change", "material_stock", "movement", "observation", "position", "snapshot", "snapshot_gap")


def upgrade() -> None:
    op.create_table(
        "recording",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recording")),
        sa.UniqueConstraint("recorded_at", name=op.f("uq_recording_recorded_at")),
    )
    op.create_table(
        "change",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("recording_id", sa.BigInteger(), nullable=False),
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("positions", sa.BigInteger(), nullable=False),
        sa.Column("detail", postgresql.JSONB(astext_type=Text()), nullable=True),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name=op.f("fk_change_organisation_id_organisation")
        ),
        sa.PrimaryKeyConstraint("organisation_id", "id", name=op.f("pk_change")),
    )
    op.create_index("ix_change_recording", "change", ["organisation_id", "recording_id"], unique=False)
    op.create_table(
        "movement",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("position_id", sa.BigInteger(), nullable=False),
        sa.Column("identity", sa.Uuid(), nullable=False),
        sa.Column("content", sa.Uuid(), nullable=False),
        sa.Column("booked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("quantity", sa.Numeric(precision=38, scale=9), nullable=False),
        sa.Column("is_voided", sa.Boolean(), nullable=False),
        sa.Column("is_current", sa.Boolean(), nullable=False),
        sa.Column("modified_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("document", sa.String(), nullable=True),
        sa.Column("line", sa.String(), nullable=True),
        sa.Column("partner_id", sa.String(), nullable=True),
        sa.Column("recording_id", sa.BigInteger(), nullable=False),
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("row_no", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name=op.f("fk_movement_organisation_id_organisation")
        ),
        sa.PrimaryKeyConstraint("organisation_id", "id", name=op.f("pk_movement")),
        sa.UniqueConstraint(
            "organisation_id", "identity", "content", name=op.f("uq_movement_organisation_id_identity_content")
        ),
    )
    op.create_index("ix_movement_occurred", "movement", ["organisation_id", "occurred_at", "id"], unique=False)
    op.create_index("ix_movement_position", "movement", ["organisation_id", "position_id", "booked_at"], unique=False)
    op.create_table(
        "observation",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("position_id", sa.BigInteger(), nullable=False),
        sa.Column("observed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recording_id", sa.BigInteger(), nullable=False),
        sa.Column("quantity", sa.Numeric(precision=38, scale=9), nullable=False),
        sa.Column("reserved", sa.Numeric(precision=38, scale=9), nullable=True),
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("row_no", sa.BigInteger(), nullable=False),
        sa.Column("rows", sa.ARRAY(sa.BigInteger()), nullable=True),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name=op.f("fk_observation_organisation_id_organisation")
        ),
        sa.PrimaryKeyConstraint(
            "organisation_id", "position_id", "observed_at", "recording_id", name=op.f("pk_observation")
        ),
    )
    op.create_table(
        "snapshot_gap",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("position_id", sa.BigInteger(), nullable=False),
        sa.Column("observed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name=op.f("fk_snapshot_gap_organisation_id_organisation")
        ),
        sa.PrimaryKeyConstraint(
            "organisation_id", "position_id", "observed_at", "batch_id", name=op.f("pk_snapshot_gap")
        ),
    )
    op.create_table(
        "material_stock",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("material_id", sa.BigInteger(), nullable=False),
        sa.Column("coverage_id", sa.BigInteger(), nullable=False),
        sa.Column("unit", sa.String(), nullable=False),
        sa.Column("on_hand", sa.Numeric(precision=38, scale=9), nullable=False),
        sa.Column("unrestricted", sa.Numeric(precision=38, scale=9), nullable=False),
        sa.Column("quality", sa.Numeric(precision=38, scale=9), nullable=False),
        sa.Column("blocked", sa.Numeric(precision=38, scale=9), nullable=False),
        sa.Column("in_transit", sa.Numeric(precision=38, scale=9), nullable=False),
        sa.Column("reserved", sa.Numeric(precision=38, scale=9), nullable=False),
        sa.Column("consigned", sa.Numeric(precision=38, scale=9), nullable=False),
        sa.Column("positions", sa.Integer(), nullable=False),
        sa.Column("negatives", sa.Integer(), nullable=False),
        sa.Column("marked", sa.Integer(), nullable=False),
        sa.Column("oldest_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("newest_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["organisation_id", "material_id"],
            ["source_material.organisation_id", "source_material.id"],
            name=op.f("fk_material_stock_organisation_id_material_id_source_material"),
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name=op.f("fk_material_stock_organisation_id_organisation")
        ),
        sa.PrimaryKeyConstraint(
            "organisation_id", "material_id", "coverage_id", "unit", name=op.f("pk_material_stock")
        ),
    )
    op.create_table(
        "position",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("system_id", sa.Uuid(), nullable=False),
        sa.Column("coverage_id", sa.BigInteger(), nullable=False),
        sa.Column("material_id", sa.BigInteger(), nullable=False),
        sa.Column("place_id", sa.BigInteger(), nullable=False),
        sa.Column("lot", sa.String(), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("unit", sa.String(), nullable=False),
        sa.Column("hash", sa.Uuid(), nullable=False),
        sa.Column("quantity", sa.Numeric(precision=38, scale=9), nullable=False),
        sa.Column("reserved", sa.Numeric(precision=38, scale=9), nullable=True),
        sa.Column("value", sa.Numeric(precision=38, scale=9), nullable=True),
        sa.Column("currency", sa.String(), nullable=True),
        sa.Column("expires_on", sa.Date(), nullable=True),
        sa.Column("observed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("moved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("row_no", sa.BigInteger(), nullable=False),
        sa.Column("is_marked", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id", "coverage_id"],
            ["coverage.organisation_id", "coverage.id"],
            name=op.f("fk_position_organisation_id_coverage_id_coverage"),
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "material_id"],
            ["source_material.organisation_id", "source_material.id"],
            name=op.f("fk_position_organisation_id_material_id_source_material"),
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "place_id"],
            ["place.organisation_id", "place.id"],
            name=op.f("fk_position_organisation_id_place_id_place"),
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name=op.f("fk_position_organisation_id_organisation")
        ),
        sa.PrimaryKeyConstraint("organisation_id", "id", name=op.f("pk_position")),
        sa.UniqueConstraint("organisation_id", "hash", name=op.f("uq_position_organisation_id_hash")),
        postgresql_with={"fillfactor": "85"},
    )
    op.create_index("ix_position_coverage", "position", ["organisation_id", "coverage_id"], unique=False)
    op.create_index("ix_position_material", "position", ["organisation_id", "material_id"], unique=False)
    op.create_table(
        "snapshot",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("coverage_id", sa.BigInteger(), nullable=False),
        sa.Column("observed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("recording_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id", "coverage_id"],
            ["coverage.organisation_id", "coverage.id"],
            name=op.f("fk_snapshot_organisation_id_coverage_id_coverage"),
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name=op.f("fk_snapshot_organisation_id_organisation")
        ),
        sa.PrimaryKeyConstraint("organisation_id", "coverage_id", "observed_at", "batch_id", name=op.f("pk_snapshot")),
    )
    for table in FENCED:
        fence(table)
    grant("recording")


def downgrade() -> None:
    op.drop_table("snapshot")
    op.drop_index("ix_position_material", table_name="position")
    op.drop_index("ix_position_coverage", table_name="position")
    op.drop_table("position")
    op.drop_table("material_stock")
    op.drop_table("snapshot_gap")
    op.drop_table("observation")
    op.drop_index("ix_movement_position", table_name="movement")
    op.drop_index("ix_movement_occurred", table_name="movement")
    op.drop_table("movement")
    op.drop_index("ix_change_recording", table_name="change")
    op.drop_table("change")
    op.drop_table("recording")
