"""Material identity: source and golden materials, links, units, costs, rates."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Text
from sqlalchemy.dialects import postgresql

from hub.migrations.fences import fence, grant
from hub.migrations.scripts import drop_functions, run_script, seed

revision = "20261122_03"
down_revision = "20261122_02"

FENCED = (
    "cross_reference",
    "identity_conflict",
    "link",
    "material_unit",
    "source_material",
    "source_unit",
    "unit_cost",
    "unit_factor",
)


# Long, as a list is: the tables one after the other, without a branch.
def upgrade() -> None:
    op.create_table(
        "exchange_rate",
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("rate_on", sa.Date(), nullable=False),
        sa.Column(
            "recorded_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("rate", sa.Numeric(precision=38, scale=9), nullable=False),
        sa.Column("uploaded_by", sa.Uuid(), nullable=True),
        sa.CheckConstraint("rate > 0", name=op.f("ck_exchange_rate_rate")),
        sa.PrimaryKeyConstraint("currency", "rate_on", "recorded_at", name=op.f("pk_exchange_rate")),
    )
    op.create_table(
        "golden_material",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("number", sa.String(), nullable=False),
        sa.Column("unit", sa.String(), nullable=False),
        sa.Column("name_zh", sa.String(), nullable=True),
        sa.Column("name_en", sa.String(), nullable=True),
        sa.Column("class_code", sa.String(), nullable=True),
        sa.Column("gtin", sa.String(), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("merged_into_id", sa.BigInteger(), nullable=True),
        sa.Column("identity", sa.String(), nullable=False),
        sa.Column("rule", sa.String(), nullable=False),
        sa.Column("confidence", sa.Numeric(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_golden_material")),
        sa.UniqueConstraint("number", name=op.f("uq_golden_material_number")),
    )
    op.create_table(
        "unit",
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("name_zh", sa.String(), nullable=False),
        sa.Column("name_en", sa.String(), nullable=False),
        sa.Column("symbol_zh", sa.String(), nullable=False),
        sa.Column("symbol_en", sa.String(), nullable=False),
        sa.Column("dimension", sa.String(), nullable=True),
        sa.Column("numerator", sa.Numeric(precision=38, scale=9), nullable=False),
        sa.Column("denominator", sa.Numeric(precision=38, scale=9), nullable=False),
        sa.Column("decimals", sa.Integer(), nullable=False),
        sa.CheckConstraint("numerator > 0 and denominator > 0", name=op.f("ck_unit_factor")),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_unit")),
    )
    op.create_table(
        "source_material",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("system_id", sa.Uuid(), nullable=False),
        sa.Column("item_id", sa.String(), nullable=False),
        sa.Column("item_code", sa.String(), nullable=True),
        sa.Column("name", sa.String(), nullable=True),
        sa.Column("name_zh", sa.String(), nullable=True),
        sa.Column("name_en", sa.String(), nullable=True),
        sa.Column("specification", sa.String(), nullable=True),
        sa.Column("class_code", sa.String(), nullable=True),
        sa.Column("base_unit", sa.String(), nullable=True),
        sa.Column("gtin", sa.String(), nullable=True),
        sa.Column("brand", sa.String(), nullable=True),
        sa.Column("mpn", sa.String(), nullable=True),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("is_deleted", sa.Boolean(), nullable=False),
        sa.Column("unit_cost", sa.Numeric(precision=38, scale=9), nullable=True),
        sa.Column("currency", sa.String(), nullable=True),
        sa.Column("modified_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("batch_id", sa.Uuid(), nullable=True),
        sa.Column("row_no", sa.BigInteger(), nullable=True),
        sa.Column("golden_id", sa.BigInteger(), nullable=True),
        sa.Column("rule", sa.String(), nullable=True),
        sa.Column("confidence", sa.Numeric(), nullable=True),
        sa.Column(
            "updated_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name=op.f("fk_source_material_organisation_id_organisation")
        ),
        sa.PrimaryKeyConstraint("organisation_id", "id", name=op.f("pk_source_material")),
        sa.UniqueConstraint(
            "organisation_id", "system_id", "item_id", name=op.f("uq_source_material_organisation_id_system_id_item_id")
        ),
    )
    op.create_index("ix_source_material_golden", "source_material", ["golden_id"], unique=False)
    op.create_index("ix_source_material_id", "source_material", ["id"], unique=False)
    op.create_table(
        "source_unit",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("system_id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("unit", sa.String(), nullable=False),
        sa.Column("decided_by", sa.Uuid(), nullable=True),
        sa.Column(
            "recorded_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name=op.f("fk_source_unit_organisation_id_organisation")
        ),
        sa.ForeignKeyConstraint(["unit"], ["unit.code"], name=op.f("fk_source_unit_unit_unit")),
        sa.PrimaryKeyConstraint("organisation_id", "system_id", "code", name=op.f("pk_source_unit")),
    )
    op.create_table(
        "link",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("material_id", sa.BigInteger(), nullable=False),
        sa.Column("golden_id", sa.BigInteger(), nullable=False),
        sa.Column("rule", sa.String(), nullable=False),
        sa.Column("confidence", sa.Numeric(), nullable=False),
        sa.Column("evidence", postgresql.JSONB(astext_type=Text()), nullable=False),
        sa.Column("decided_by", sa.Uuid(), nullable=True),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "recorded_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("organisation_id", "id", name=op.f("pk_link")),
    )
    op.create_index("ix_link_material", "link", ["organisation_id", "material_id", "valid_from"], unique=False)
    op.create_table(
        "material_unit",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("material_id", sa.BigInteger(), nullable=False),
        sa.Column("unit", sa.String(), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "recorded_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("numerator", sa.Numeric(precision=38, scale=9), nullable=False),
        sa.Column("denominator", sa.Numeric(precision=38, scale=9), nullable=False),
        sa.Column("batch_id", sa.Uuid(), nullable=True),
        sa.Column("row_no", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("numerator > 0 and denominator > 0", name=op.f("ck_material_unit_factor")),
        sa.ForeignKeyConstraint(
            ["organisation_id", "material_id"],
            ["source_material.organisation_id", "source_material.id"],
            name=op.f("fk_material_unit_organisation_id_material_id_source_material"),
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name=op.f("fk_material_unit_organisation_id_organisation")
        ),
        sa.PrimaryKeyConstraint(
            "organisation_id", "material_id", "unit", "valid_from", "recorded_at", name=op.f("pk_material_unit")
        ),
    )
    op.create_table(
        "unit_cost",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("material_id", sa.BigInteger(), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "recorded_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("cost", sa.Numeric(precision=38, scale=9), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("batch_id", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(
            ["organisation_id", "material_id"],
            ["source_material.organisation_id", "source_material.id"],
            name=op.f("fk_unit_cost_organisation_id_material_id_source_material"),
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name=op.f("fk_unit_cost_organisation_id_organisation")
        ),
        sa.PrimaryKeyConstraint(
            "organisation_id", "material_id", "valid_from", "recorded_at", name=op.f("pk_unit_cost")
        ),
    )
    op.create_table(
        "unit_factor",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("material_id", sa.BigInteger(), nullable=False),
        sa.Column("unit", sa.String(), nullable=False),
        sa.Column("numerator", sa.Numeric(precision=38, scale=9), nullable=False),
        sa.Column("denominator", sa.Numeric(precision=38, scale=9), nullable=False),
        sa.PrimaryKeyConstraint("organisation_id", "material_id", "unit", name=op.f("pk_unit_factor")),
    )
    _identity()
    for table in FENCED:
        fence(table)
    grant("golden_material", "select")
    grant("unit", "select")
    grant("exchange_rate", "select, insert")
    run_script("units")
    run_script("keys")
    seed("unit", "units")


def _identity() -> None:
    """What people said of identity, and where keys speak against each other."""
    op.create_table(
        "cross_reference",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("system_id", sa.Uuid(), nullable=False),
        sa.Column("item_id", sa.String(), nullable=False),
        sa.Column("group_number", sa.String(), nullable=True),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("decided_by", sa.Uuid(), nullable=True),
        sa.Column(
            "recorded_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name=op.f("fk_cross_reference_organisation_id_organisation")
        ),
        sa.PrimaryKeyConstraint("organisation_id", "system_id", "item_id", name=op.f("pk_cross_reference")),
    )
    op.create_index("ix_cross_reference_item", "cross_reference", ["system_id", "item_id"], unique=False)
    op.create_table(
        "identity_conflict",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("material_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("detail", postgresql.JSONB(astext_type=Text()), nullable=False),
        sa.Column(
            "recorded_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("organisation_id", "material_id", "kind", "key", name=op.f("pk_identity_conflict")),
    )


def downgrade() -> None:
    drop_functions("units")
    drop_functions("keys")
    op.drop_table("identity_conflict")
    op.drop_index("ix_cross_reference_item", table_name="cross_reference")
    op.drop_table("cross_reference")
    op.drop_table("unit_factor")
    op.drop_table("unit_cost")
    op.drop_table("material_unit")
    op.drop_index("ix_link_material", table_name="link")
    op.drop_table("link")
    op.drop_table("source_unit")
    op.drop_index("ix_source_material_id", table_name="source_material")
    op.drop_index("ix_source_material_golden", table_name="source_material")
    op.drop_table("source_material")
    op.drop_table("unit")
    op.drop_table("golden_material")
    op.drop_table("exchange_rate")
