"""The golden view: holdings in golden units, keys and identity, search, what sisters show each other."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hub.migrations.fences import APP_ROLE, fence
from hub.migrations.scripts import drop_functions, run_script

revision = "20261122_06"
down_revision = "20261122_05"

SCRIPTS = ("holding", "identity", "search", "sisters")
# What an application session calls; each belongs to the owner and bounds what it shows or writes.
OPEN = ("materials_match(uuid, bigint[])", "search_find(text, int)", "sister_stock(bigint[])")
# Tables those functions read or write for other organisations than the caller's.
WRITTEN = ("golden_material", "holding", "identity_conflict", "link", "source_material", "unit_factor", "unsettled")
READ = ("coverage", "cross_reference", "material_stock", "material_unit", "place", "position", "source_unit")
QUANTITIES = ("on_hand", "available", "reserved", "in_transit", "quality", "blocked", "consigned")


def upgrade() -> None:
    _holding()
    op.create_table(
        "unsettled",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("material_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("organisation_id", "material_id", name=op.f("pk_unsettled")),
    )
    fence("unsettled")
    _keys()
    _search()
    op.execute("create sequence golden_number")
    for script in SCRIPTS:
        run_script(script)
    for table in (*WRITTEN[1:], *READ):
        kind = "all" if table in WRITTEN else "select"
        check = " with check (true)" if kind == "all" else ""
        op.execute(f"create policy {table}_owner on {table} for {kind} to current_user using (true){check}")
    for function in OPEN:
        op.execute(f"revoke execute on function {function} from public")
        op.execute(f"grant execute on function {function} to {APP_ROLE}")


def _holding() -> None:
    op.create_table(
        "holding",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("material_id", sa.BigInteger(), nullable=False),
        sa.Column("coverage_id", sa.BigInteger(), nullable=False),
        sa.Column("unit", sa.String(), nullable=False),
        sa.Column("system_id", sa.Uuid(), nullable=False),
        sa.Column("golden_id", sa.BigInteger(), nullable=False),
        sa.Column("is_apart", sa.Boolean(), nullable=False),
        *(sa.Column(name, sa.Numeric(precision=38, scale=9), nullable=False) for name in QUANTITIES),
        sa.Column("value", sa.Numeric(precision=38, scale=9), nullable=True),
        sa.Column("currency", sa.String(), nullable=True),
        sa.Column("positions", sa.Integer(), nullable=False),
        sa.Column("negatives", sa.Integer(), nullable=False),
        sa.Column("marked", sa.Integer(), nullable=False),
        sa.Column("oldest_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("newest_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("organisation_id", "material_id", "coverage_id", "unit", name=op.f("pk_holding")),
        postgresql_with={"fillfactor": "70"},
    )
    op.create_index("ix_holding_golden", "holding", ["golden_id"], unique=False)
    fence("holding")


def _keys() -> None:
    op.create_table(
        "material_key",
        sa.Column("material_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("system_id", sa.Uuid(), nullable=False),
        sa.Column("brand", sa.String(), nullable=True),
        sa.Column("is_live", sa.Boolean(), nullable=False),
        sa.Column("is_shared", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("material_id", "kind", name=op.f("pk_material_key")),
    )
    op.create_index("ix_material_key_key", "material_key", ["kind", "key"], unique=False)
    op.execute("alter table material_key enable row level security")


def _search() -> None:
    op.create_table(
        "material_search",
        sa.Column("material_id", sa.BigInteger(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("golden_id", sa.BigInteger(), nullable=False),
        sa.Column("codes", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("words", sa.String(), nullable=False),
        sa.Column("grams", sa.ARRAY(sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("material_id", name=op.f("pk_material_search")),
    )
    for column in ("codes", "grams"):
        op.create_index(f"ix_material_search_{column}", "material_search", [column], postgresql_using="gin")
    op.execute("alter table material_search enable row level security")


def downgrade() -> None:
    for script in reversed(SCRIPTS):
        drop_functions(script)
    for table in (*WRITTEN[2:], *READ):
        op.execute(f"drop policy {table}_owner on {table}")
    op.execute("drop sequence golden_number")
    op.drop_index("ix_material_search_codes", table_name="material_search")
    op.drop_index("ix_material_search_grams", table_name="material_search")
    op.drop_table("material_search")
    op.drop_index("ix_material_key_key", table_name="material_key")
    op.drop_table("material_key")
    op.drop_index("ix_holding_golden", table_name="holding")
    op.drop_table("holding")
    op.drop_table("unsettled")
