"""Ledger: positions and the append-only facts they are a pure function of."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hub.migrations.fences import APP_ROLE, fence, grant

revision = "20261122_05"
down_revision = "20261122_04"

# What a key held at an instant, out of its explicit facts: the newest observation and the movements after it.
VALUE = """
create function ledger_value(org uuid, pos bigint, at timestamptz) returns numeric language sql stable as $$
    with newest as (
        select observed_at, quantity from observation
        where organisation_id = org and position_id = pos and observed_at <= at
        order by observed_at desc, recording_id desc limit 1
    )
    select coalesce((select quantity from newest), 0) + coalesce((
        select sum(quantity) from movement
        where organisation_id = org and position_id = pos and is_current and not is_voided
          and booked_at <= at and booked_at > coalesce((select observed_at from newest), '-infinity')), 0)
$$
"""

# Statistics are their owner's to renew.
ANALYZE = """
create function ledger_analyze() returns void language plpgsql
security definer set search_path = pg_catalog, public, pg_temp as $$
begin
    analyze position, movement, observation, source_material, material_stock, holding;
end
$$
"""

FENCED = ("change", "material_stock", "movement", "observation", "position", "snapshot", "snapshot_gap")


# Long, as a list is: the tables one after the other, without a branch.
def upgrade() -> None:
    op.create_table(
        "change",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("recording_id", sa.BigInteger(), nullable=False),
        sa.Column("system_id", sa.Uuid(), nullable=False),
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("positions", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("organisation_id", "id", name=op.f("pk_change")),
    )
    op.create_index("ix_change_recording", "change", ["organisation_id", "recording_id"], unique=False)
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
        sa.Column("stocked", sa.Integer(), nullable=False),
        sa.Column("negatives", sa.Integer(), nullable=False),
        sa.Column("marked", sa.Integer(), nullable=False),
        sa.Column("oldest_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("newest_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint(
            "organisation_id", "material_id", "coverage_id", "unit", name=op.f("pk_material_stock")
        ),
        postgresql_with={"fillfactor": "70"},
    )
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
        sa.PrimaryKeyConstraint("organisation_id", "id", name=op.f("pk_movement")),
        sa.UniqueConstraint(
            "organisation_id", "identity", "content", name=op.f("uq_movement_organisation_id_identity_content")
        ),
    )
    op.create_index(
        "uq_movement_current",
        "movement",
        ["organisation_id", "identity"],
        unique=True,
        postgresql_where=sa.text("is_current"),
    )
    op.create_index("ix_movement_occurred", "movement", ["organisation_id", "occurred_at", "id"], unique=False)
    op.create_index("ix_movement_position", "movement", ["organisation_id", "position_id", "booked_at"], unique=False)
    op.create_index("ix_movement_recording", "movement", ["recording_id"], unique=False, postgresql_using="brin")
    op.create_table(
        "observation",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("position_id", sa.BigInteger(), nullable=False),
        sa.Column("observed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recording_id", sa.BigInteger(), nullable=False),
        sa.Column("quantity", sa.Numeric(precision=38, scale=9), nullable=False),
        sa.Column("reserved", sa.Numeric(precision=38, scale=9), nullable=True),
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("row_no", sa.BigInteger(), nullable=True),
        sa.Column("rows", sa.ARRAY(sa.BigInteger()), nullable=True),
        sa.PrimaryKeyConstraint(
            "organisation_id", "position_id", "observed_at", "recording_id", name=op.f("pk_observation")
        ),
    )
    op.create_index("ix_observation_recording", "observation", ["recording_id"], unique=False, postgresql_using="brin")
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
        sa.Column("row_no", sa.BigInteger(), nullable=True),
        sa.Column("is_marked", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("organisation_id", "id", name=op.f("pk_position")),
        sa.UniqueConstraint("organisation_id", "hash", name=op.f("uq_position_organisation_id_hash")),
        postgresql_with={"fillfactor": "85"},
    )
    op.create_index("ix_position_coverage", "position", ["organisation_id", "coverage_id"], unique=False)
    op.create_index("ix_position_material", "position", ["organisation_id", "material_id"], unique=False)
    op.create_table(
        "recording",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recording")),
        sa.UniqueConstraint("recorded_at", name=op.f("uq_recording_recorded_at")),
    )
    op.create_table(
        "snapshot",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("coverage_id", sa.BigInteger(), nullable=False),
        sa.Column("observed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("recording_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("organisation_id", "coverage_id", "observed_at", "batch_id", name=op.f("pk_snapshot")),
    )
    op.create_table(
        "snapshot_gap",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("hash", sa.Uuid(), nullable=False),
        sa.Column("observed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("organisation_id", "hash", "observed_at", "batch_id", name=op.f("pk_snapshot_gap")),
    )
    for table in FENCED:
        fence(table)
    grant("recording", "select, insert")
    op.execute(f"grant usage on sequence recording_id_seq, position_id_seq to {APP_ROLE}")
    op.execute(VALUE)
    op.execute(ANALYZE)
    op.execute("revoke execute on function ledger_analyze() from public")
    op.execute(f"grant execute on function ledger_analyze() to {APP_ROLE}")


def downgrade() -> None:
    op.execute("drop function ledger_analyze")
    op.execute("drop function ledger_value")
    op.drop_table("snapshot_gap")
    op.drop_table("snapshot")
    op.drop_table("recording")
    op.drop_index("ix_position_material", table_name="position")
    op.drop_index("ix_position_coverage", table_name="position")
    op.drop_table("position")
    op.drop_index("ix_observation_recording", table_name="observation", postgresql_using="brin")
    op.drop_table("observation")
    op.drop_index("ix_movement_recording", table_name="movement", postgresql_using="brin")
    op.drop_index("ix_movement_position", table_name="movement")
    op.drop_index("uq_movement_current", table_name="movement", postgresql_where=sa.text("is_current"))
    op.drop_index("ix_movement_occurred", table_name="movement")
    op.drop_table("movement")
    op.drop_table("material_stock")
    op.drop_index("ix_change_recording", table_name="change")
    op.drop_table("change")
