"""The lake: PyIceberg's catalog (Iceberg JDBC schema V1, which Trino reads too), the tokens of its commits."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hub.migrations.fences import grant

revision = "20261123_07"
down_revision = "20261122_06"


def upgrade() -> None:
    op.create_table(
        "iceberg_tables",
        sa.Column("catalog_name", sa.String(255), nullable=False),
        sa.Column("table_namespace", sa.String(255), nullable=False),
        sa.Column("table_name", sa.String(255), nullable=False),
        sa.Column("metadata_location", sa.String(1000)),
        sa.Column("previous_metadata_location", sa.String(1000)),
        sa.Column("iceberg_type", sa.String(5)),
        sa.PrimaryKeyConstraint("catalog_name", "table_namespace", "table_name", name=op.f("pk_iceberg_tables")),
    )
    op.create_table(
        "iceberg_namespace_properties",
        sa.Column("catalog_name", sa.String(255), nullable=False),
        sa.Column("namespace", sa.String(255), nullable=False),
        sa.Column("property_key", sa.String(255), nullable=False),
        sa.Column("property_value", sa.String(1000)),
        sa.PrimaryKeyConstraint(
            "catalog_name", "namespace", "property_key", name=op.f("pk_iceberg_namespace_properties")
        ),
    )
    op.create_table(
        "lake_token",
        sa.Column("table_name", sa.String(), nullable=False),
        sa.Column("token", sa.Uuid(), nullable=False),
        sa.Column("snapshot_id", sa.BigInteger()),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("table_name", "token", name=op.f("pk_lake_token")),
    )
    for table in ("iceberg_tables", "iceberg_namespace_properties"):
        grant(table)
    grant("lake_token", "select, insert")


def downgrade() -> None:
    for table in ("lake_token", "iceberg_namespace_properties", "iceberg_tables"):
        op.drop_table(table)
