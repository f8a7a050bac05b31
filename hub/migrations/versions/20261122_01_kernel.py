"""Kernel tables: organisations, outbox, mail, idempotency keys; the application role."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Text
from sqlalchemy.dialects import postgresql

from hub.migrations import operation
from hub.migrations.fences import READ, fence

revision = "20261122_01"
down_revision = None

FENCED = ("outbox", "mail", "idempotency_key")


# Long, as a list is: the tables one after the other, without a branch.
def upgrade() -> None:
    op.execute(
        "do $$ begin if not exists (select from pg_roles where rolname = 'hub_app') then "
        "create role hub_app login nobypassrls nosuperuser nocreatedb nocreaterole; end if; end $$"
    )
    op.execute("grant usage on schema public to hub_app")
    op.create_table(
        "organisation",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("parent_id", sa.Uuid(), nullable=True),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("name_zh", sa.String(), nullable=False),
        sa.Column("name_en", sa.String(), nullable=False),
        sa.Column("seal", sa.String(), nullable=False),
        sa.Column("letter", sa.String(), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("zone", sa.String(), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint("kind in ('group', 'subsidiary', 'supplier', 'carrier')", name=op.f("ck_organisation_kind")),
        sa.ForeignKeyConstraint(
            ["parent_id"], ["organisation.id"], name=op.f("fk_organisation_parent_id_organisation")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_organisation")),
        sa.UniqueConstraint("key", name=op.f("uq_organisation_key")),
    )
    op.create_table(
        "idempotency_key",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("principal", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("request_sha256", sa.String(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("headers", postgresql.JSONB(astext_type=Text()), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name=op.f("fk_idempotency_key_organisation_id_organisation")
        ),
        sa.PrimaryKeyConstraint("organisation_id", "principal", "key", name=op.f("pk_idempotency_key")),
    )
    op.create_table(
        "mail",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("recipient", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("body", sa.String(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("error", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name=op.f("fk_mail_organisation_id_organisation")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mail")),
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=True),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("topic", sa.String(), nullable=False),
        sa.Column("payload", postgresql.JSONB(astext_type=Text()), nullable=False),
        sa.Column("traceparent", sa.String(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name=op.f("fk_outbox_organisation_id_organisation")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
    )
    op.create_index("ix_outbox_seq", "outbox", ["seq"], unique=True, postgresql_where=sa.text("seq is not null"))
    op.create_index("ix_outbox_unnumbered", "outbox", ["id"], unique=False, postgresql_where=sa.text("seq is null"))
    for table in FENCED:
        fence(table)
    children = "parent_id = (select nullif(current_setting('hub.org', true), '')::uuid)"
    fence("organisation", read=READ.replace("organisation_id", "id"), write=children)
    operation.install()


def downgrade() -> None:
    operation.remove()
    op.drop_index("ix_outbox_unnumbered", table_name="outbox", postgresql_where=sa.text("seq is null"))
    op.drop_index("ix_outbox_seq", table_name="outbox", postgresql_where=sa.text("seq is not null"))
    op.drop_table("outbox")
    op.drop_table("mail")
    op.drop_table("idempotency_key")
    op.drop_table("organisation")
