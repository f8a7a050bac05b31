"""Invitations, grants to partners, changed addresses, united accounts, organisations that leave."""

from __future__ import annotations

from importlib import import_module

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from hub.migrations.fences import APP_ROLE, fence, grant
from hub.migrations.scripts import drop_functions, run_script

revision = "20261124_14"
down_revision = "20261124_13"

ME = "(select nullif(current_setting('hub.person', true), '')::uuid)"
SCRIPTS = ("organisations", "joining")
# Their results have more columns than before.
WIDENED = ("identity_session(bytea)", "identity_my_organisations()")
REPLACED = ("identity_account", "identity_is_taken", "identity_keepers", "identity_agent", "identity_enrol")
CALLED = (
    *WIDENED,
    "identity_unmet(uuid, text[])",
    "closed_organisations()",
    "identity_invitation(bytea, bytea)",
    "identity_redeem_invitation(bytea)",
    "identity_address_invitation(bytea, text, bytea)",
    "identity_partner(text)",
    "identity_partner_grants()",
    "identity_partner_people(uuid)",
    "identity_assign_partner(uuid, uuid, text[])",
    "identity_unassign_partner(uuid, uuid)",
    "identity_redeem_email(bytea, bytea)",
    "identity_undo_email(bytea)",
    "identity_merge(bytea)",
    "identity_erase(uuid, text)",
    "identity_forget_joining(int)",
)
# What definer functions alone call.
INNER = (
    "organisation_is_open(uuid)",
    "identity_memberships(uuid)",
    "identity_acting(uuid, uuid)",
    "identity_administers(uuid, uuid)",
    "identity_is_invited(invitation)",
    "identity_end_sessions(uuid, uuid)",
    "identity_ended()",
)
TABLES = ("account_merge", "email_change", "organisation_export", "partner_grant", "invitation")
ADDED = (
    ("person", "merged_into_id"),
    ("person", "last_organisation_id"),
    ("person", "erased_at"),
    ("membership", "via_id"),
    ("membership", "disabled_at"),
    ("login_session", "is_chosen"),
)


def upgrade() -> None:
    _columns()
    _invitations()
    _partners()
    _addresses()
    _exports()
    for function in WIDENED:
        op.execute(f"drop function {function}")
    for script in SCRIPTS:
        run_script(script)
    for function in ("closed_organisations()", "identity_unmet(uuid, text[])"):
        op.execute(f"alter function {function} security definer set search_path = pg_catalog, public, pg_temp")
    for function in (*CALLED, *INNER):
        op.execute(f"revoke all on function {function} from public")
    for function in CALLED:
        op.execute(f"grant execute on function {function} to {APP_ROLE}")
    grant("live_holding", "select")
    op.execute("create policy mail_owner on mail to current_user using (true) with check (true)")


def _at(name: str, *, nullable: bool = True) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _now(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False)


def _to(table: str, column: str, target: str, ondelete: str | None = None) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_{column}_{target}")
    return sa.ForeignKeyConstraint([column], [f"{target}.id"], name=name, ondelete=ondelete)


def _columns() -> None:
    op.add_column("person", sa.Column("merged_into_id", sa.Uuid(), nullable=True))
    op.add_column("person", sa.Column("last_organisation_id", sa.Uuid(), nullable=True))
    op.add_column("person", _at("erased_at"))
    op.create_foreign_key(op.f("fk_person_merged_into_id_person"), "person", "person", ["merged_into_id"], ["id"])
    for table, column in (("person", "last_organisation_id"), ("membership", "via_id")):
        if table == "membership":
            op.add_column("membership", sa.Column("via_id", sa.Uuid(), nullable=True))
        op.create_foreign_key(op.f(f"fk_{table}_{column}_organisation"), table, "organisation", [column], ["id"])
    op.create_index(op.f("ix_person_merged_into_id"), "person", ["merged_into_id"])
    op.add_column("membership", _at("disabled_at"))
    op.add_column("login_session", sa.Column("is_chosen", sa.Boolean(), server_default=sa.text("true"), nullable=False))


def _invitations() -> None:
    op.create_table(
        "invitation",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("proof_hash", sa.LargeBinary(), nullable=True),
        sa.Column("roles", postgresql.ARRAY(sa.TEXT()), nullable=False),
        sa.Column("email", sa.String(), nullable=True),
        sa.Column("name", sa.String(), nullable=True),
        sa.Column("locale", sa.String(), nullable=False),
        sa.Column("invited_by", sa.Uuid(), nullable=False),
        _at("expires_at", nullable=False),
        _at("used_at"),
        sa.Column("used_by", sa.Uuid(), nullable=True),
        _at("revoked_at"),
        _now("created_at"),
        _to("invitation", "organisation_id", "organisation"),
        _to("invitation", "invited_by", "person"),
        _to("invitation", "used_by", "person"),
        sa.CheckConstraint("locale in ('zh', 'en')", name=op.f("ck_invitation_locale")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invitation")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_invitation_token_hash")),
    )
    op.create_index(op.f("ix_invitation_organisation_id"), "invitation", ["organisation_id"])
    fence("invitation")
    op.execute("create policy invitation_owner on invitation to current_user using (true) with check (true)")


def _partners() -> None:
    op.create_table(
        "partner_grant",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("partner_id", sa.Uuid(), nullable=False),
        sa.Column("roles", postgresql.ARRAY(sa.TEXT()), nullable=False),
        sa.Column("scopes", postgresql.ARRAY(sa.TEXT()), nullable=False),
        sa.Column("granted_by", sa.Uuid(), nullable=False),
        _at("expires_at"),
        _at("revoked_at"),
        _now("created_at"),
        _to("partner_grant", "organisation_id", "organisation"),
        _to("partner_grant", "partner_id", "organisation"),
        _to("partner_grant", "granted_by", "person"),
        sa.CheckConstraint("partner_id <> organisation_id", name=op.f("ck_partner_grant_partner")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_partner_grant")),
    )
    live = sa.text("revoked_at is null")
    pair = ["organisation_id", "partner_id"]
    op.create_index("uq_partner_grant_live", "partner_grant", pair, unique=True, postgresql_where=live)
    op.create_index(op.f("ix_partner_grant_partner_id"), "partner_grant", ["partner_id"])
    fence("partner_grant")
    op.execute("create policy partner_grant_owner on partner_grant for select to current_user using (true)")


def _addresses() -> None:
    op.create_table(
        "email_change",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("old_email", sa.String(), nullable=True),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("undo_hash", sa.LargeBinary(), nullable=True),
        _at("expires_at", nullable=False),
        _at("used_at"),
        _at("undo_until"),
        _at("undone_at"),
        _now("created_at"),
        _to("email_change", "person_id", "person", "CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_email_change")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_email_change_token_hash")),
        sa.UniqueConstraint("undo_hash", name=op.f("uq_email_change_undo_hash")),
    )
    op.create_index(op.f("ix_email_change_person_id"), "email_change", ["person_id"])
    op.create_index(op.f("ix_email_change_old_email"), "email_change", ["old_email"])
    op.create_table(
        "account_merge",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        _at("expires_at", nullable=False),
        _at("used_at"),
        _to("account_merge", "person_id", "person", "CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account_merge")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_account_merge_token_hash")),
    )
    op.create_index(op.f("ix_account_merge_person_id"), "account_merge", ["person_id"])
    for table in ("email_change", "account_merge"):
        fence(table, read=f"person_id = {ME}", write=f"person_id = {ME}")
        op.execute(f"create policy {table}_owner on {table} to current_user using (true) with check (true)")


def _exports() -> None:
    op.create_table(
        "organisation_export",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("error", sa.String(), nullable=True),
        sa.Column("rows", postgresql.JSONB(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=True),
        sa.Column("asked_by", sa.Uuid(), nullable=False),
        _now("asked_at"),
        _at("ended_at"),
        _to("organisation_export", "organisation_id", "organisation"),
        sa.CheckConstraint("state in ('waiting', 'ready', 'failed')", name=op.f("ck_organisation_export_state")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_organisation_export")),
    )
    op.create_index(op.f("ix_organisation_export_organisation_id"), "organisation_export", ["organisation_id"])
    fence("organisation_export")


def downgrade() -> None:
    op.execute("drop policy mail_owner on mail")
    op.execute("drop view live_holding")
    for script in reversed(SCRIPTS):
        drop_functions(script)
    old = import_module("hub.migrations.versions.20261122_02_identity")
    for signature, body in old.FUNCTIONS.items():
        if signature.split("(")[0] in REPLACED or old._bare(signature) in WIDENED:
            options = "security definer set search_path = pg_catalog, public, pg_temp"
            op.execute(f"create or replace function {signature} {body} {options}")
            op.execute(f"revoke all on function {old._bare(signature)} from public")
            op.execute(f"grant execute on function {old._bare(signature)} to {APP_ROLE}")
    for table in TABLES:
        op.drop_table(table)
    for table, column in ADDED:
        op.drop_column(table, column)
