"""What an organisation discloses of its stock, to whom, by class; whoever looks at it does so through these rules."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hub.migrations.fences import APP_ROLE, fence
from hub.migrations.scripts import drop_functions, run_script

revision = "20261124_16"
down_revision = "20261124_15"

# What an application session calls; the others serve these.
OPEN = (
    "disclosed_stock(bigint[])",
    "disclosure_preview(bigint, text)",
    "disclosed_goldens(bigint[])",
    "disclosed_find(text, int)",
    "disclosure_is_open()",
    "disclosure_enquire(text, text, text, text)",
)


def upgrade() -> None:
    op.create_table(
        "disclosure_rule",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("partner_kind", sa.String(), nullable=False),
        sa.Column("class_prefix", sa.String(), nullable=False),
        sa.Column("level", sa.String(), nullable=True),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "recorded_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("recorded_by", sa.Uuid(), nullable=True),
        sa.CheckConstraint(
            "partner_kind in ('subsidiary', 'supplier', 'carrier')", name=op.f("ck_disclosure_rule_partner_kind")
        ),
        sa.CheckConstraint(
            "level in ('full', 'banded', 'yes_no', 'hidden', 'none')", name=op.f("ck_disclosure_rule_level")
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name=op.f("fk_disclosure_rule_organisation_id_organisation")
        ),
        sa.PrimaryKeyConstraint(
            "organisation_id",
            "partner_kind",
            "class_prefix",
            "valid_from",
            "recorded_at",
            name=op.f("pk_disclosure_rule"),
        ),
    )
    fence("disclosure_rule")
    # A rule that was in force stays written: another takes its place.
    op.execute(f"revoke update, delete on disclosure_rule from {APP_ROLE}")
    op.execute("create policy disclosure_rule_owner on disclosure_rule for select to current_user using (true)")
    drop_functions("sisters")
    run_script("disclosure")
    _open(OPEN)
    # A search gives few rows: expecting a thousand, the planner read all materials to name them.
    op.execute("alter function search_find(text, int) rows 20")
    # Common words of a large group: a plant's own were looked for among everybody's.
    op.create_index("ix_material_search_owner", "material_search", ["owner_id"])


def downgrade() -> None:
    op.drop_index("ix_material_search_owner", table_name="material_search")
    op.execute("alter function search_find(text, int) rows 1000")
    drop_functions("disclosure")
    op.drop_table("disclosure_rule")
    run_script("sisters")
    _open(("sister_stock(bigint[])",))


def _open(functions: tuple[str, ...]) -> None:
    for function in functions:
        op.execute(f"revoke execute on function {function} from public")
        op.execute(f"grant execute on function {function} to {APP_ROLE}")
