"""The OpenID provider: clients, grants, codes and tokens as digests, signing keys; what ends a grant."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from hub.migrations.fences import APP_ROLE, READ, WRITE, fence, grant
from hub.migrations.scripts import drop_functions, run_script

revision = "20261124_17"
down_revision = "20261124_16"

ME = "(select nullif(current_setting('hub.person', true), '')::uuid)"
# Organisations, people, memberships and sessions are open to the owner already.
OPENED = ("oauth_client", "oauth_client_secret", "oauth_grant", "oauth_consent", "oauth_registration_token")
TEXTS = postgresql.ARRAY(sa.TEXT())


def upgrade() -> None:
    _clients()
    _grants()
    _tokens()
    fence("oauth_client")
    fence("oauth_client_secret")
    fence("oauth_registration_token")
    mine = f"({WRITE} or person_id = {ME})"
    fence("oauth_grant", read=f"{READ} or person_id = {ME}", write=mine)
    fence("oauth_consent", read=f"{READ} or person_id = {ME}", write=mine)
    grant("oauth_signing_key", "select, insert, update")
    for table in OPENED:
        op.execute(f"create policy {table}_owner on {table} to current_user using (true) with check (true)")
    run_script("oauth")
    run_script("oauth_endings")
    _close()


def _close() -> None:
    """They run as the owner, and only the application may call them."""
    op.execute(
        f"""
        do $$
        declare f record;
        begin
            for f in select p.oid::regprocedure as name, p.proname from pg_proc p
                     where p.pronamespace = 'public'::regnamespace
                       and p.proname like 'oauth%'
            loop
                execute format('alter function %s security definer', f.name);
                execute format('alter function %s set search_path = pg_catalog, public, pg_temp', f.name);
                execute format('revoke all on function %s from public', f.name);
                if f.proname not like '%\\_ended' then
                    execute format('grant execute on function %s to {APP_ROLE}', f.name);
                end if;
            end loop;
        end $$"""
    )


def _now(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False)


def _at(name: str, nullable: bool = True) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _of(table: str, column: str, other: str, cascade: str | None = None) -> list[sa.schema.SchemaItem]:
    key = op.f(f"fk_{table}_{column}_{other}")
    return [
        sa.Column(column, sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint([column], [f"{other}.id"], name=key, ondelete=cascade),
    ]


def _clients() -> None:
    op.create_table(
        "oauth_client",
        sa.Column("id", sa.Uuid(), nullable=False),
        *_of("oauth_client", "organisation_id", "organisation"),
        sa.Column("client_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("application_type", sa.String(), nullable=False),
        sa.Column("token_endpoint_auth_method", sa.String(), nullable=False),
        *(sa.Column(n, TEXTS, nullable=False) for n in ("redirect_uris", "post_logout_redirect_uris", "grant_types")),
        sa.Column("scopes", TEXTS, nullable=False),
        sa.Column("jwks", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("backchannel_logout_uri", sa.String(), nullable=True),
        sa.Column("is_trusted", sa.Boolean(), nullable=False),
        sa.Column("registration_hash", sa.LargeBinary(), nullable=True),
        _at("disabled_at"),
        _at("last_used_at"),
        _now("created_at"),
        sa.CheckConstraint("application_type in ('web', 'native')", name=op.f("ck_oauth_client_application_type")),
        sa.CheckConstraint(
            "token_endpoint_auth_method in ('none', 'client_secret_basic', 'client_secret_post', 'private_key_jwt')",
            name=op.f("ck_oauth_client_token_endpoint_auth_method"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_oauth_client")),
        sa.UniqueConstraint("client_id", name=op.f("uq_oauth_client_client_id")),
        sa.UniqueConstraint("registration_hash", name=op.f("uq_oauth_client_registration_hash")),
    )
    op.create_index(op.f("ix_oauth_client_organisation_id"), "oauth_client", ["organisation_id"])
    op.create_table(
        "oauth_client_secret",
        sa.Column("id", sa.Uuid(), nullable=False),
        *_of("oauth_client_secret", "organisation_id", "organisation"),
        *_of("oauth_client_secret", "client_id", "oauth_client", "CASCADE"),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=False),
        _at("expires_at"),
        _now("created_at"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_oauth_client_secret")),
    )
    op.create_index(op.f("ix_oauth_client_secret_client_id"), "oauth_client_secret", ["client_id"])
    op.create_table(
        "oauth_registration_token",
        sa.Column("id", sa.Uuid(), nullable=False),
        *_of("oauth_registration_token", "organisation_id", "organisation"),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("uses_left", sa.Integer(), nullable=False),
        _at("expires_at", nullable=False),
        _now("created_at"),
        sa.CheckConstraint("uses_left >= 0", name=op.f("ck_oauth_registration_token_uses_left")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_oauth_registration_token")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_oauth_registration_token_token_hash")),
    )


def _grants() -> None:
    op.create_table(
        "oauth_grant",
        sa.Column("id", sa.Uuid(), nullable=False),
        *_of("oauth_grant", "organisation_id", "organisation"),
        *_of("oauth_grant", "client_id", "oauth_client", "CASCADE"),
        *_of("oauth_grant", "person_id", "person", "CASCADE"),
        sa.Column("session_id", sa.Uuid(), nullable=True),
        sa.Column("scopes", TEXTS, nullable=False),
        sa.Column("is_offline", sa.Boolean(), nullable=False),
        _at("authenticated_at", nullable=False),
        sa.Column("amr", TEXTS, nullable=False),
        _at("expires_at", nullable=False),
        _at("revoked_at"),
        _now("created_at"),
        sa.CheckConstraint("is_offline or session_id is not null", name=op.f("ck_oauth_grant_session")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_oauth_grant")),
    )
    for column in ("person_id", "session_id", "client_id"):
        op.create_index(op.f(f"ix_oauth_grant_{column}"), "oauth_grant", [column])
    op.create_table(
        "oauth_consent",
        *_of("oauth_consent", "organisation_id", "organisation"),
        *_of("oauth_consent", "person_id", "person", "CASCADE"),
        *_of("oauth_consent", "client_id", "oauth_client", "CASCADE"),
        sa.Column("scopes", TEXTS, nullable=False),
        _now("created_at"),
        sa.PrimaryKeyConstraint("organisation_id", "person_id", "client_id", name=op.f("pk_oauth_consent")),
    )


def _tokens() -> None:
    """Digests that the functions alone read: the application has no right on these tables."""
    op.create_table(
        "oauth_code",
        sa.Column("code_hash", sa.LargeBinary(), nullable=False),
        *_of("oauth_code", "grant_id", "oauth_grant", "CASCADE"),
        sa.Column("redirect_uri", sa.String(), nullable=False),
        sa.Column("code_challenge", sa.String(), nullable=False),
        sa.Column("nonce", sa.String(), nullable=True),
        _at("expires_at", nullable=False),
        _at("used_at"),
        sa.PrimaryKeyConstraint("code_hash", name=op.f("pk_oauth_code")),
    )
    op.create_table(
        "oauth_refresh_token",
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        *_of("oauth_refresh_token", "grant_id", "oauth_grant", "CASCADE"),
        _at("expires_at", nullable=False),
        _at("used_at"),
        sa.Column("successor", sa.LargeBinary(), nullable=True),
        _now("created_at"),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_oauth_refresh_token")),
    )
    for table in ("oauth_code", "oauth_refresh_token"):
        op.create_index(op.f(f"ix_{table}_grant_id"), table, ["grant_id"])
    op.create_table(
        "oauth_device_code",
        sa.Column("device_hash", sa.LargeBinary(), nullable=False),
        sa.Column("user_code_hash", sa.LargeBinary(), nullable=False),
        *_of("oauth_device_code", "client_id", "oauth_client", "CASCADE"),
        sa.Column("scopes", TEXTS, nullable=False),
        sa.Column("wait", sa.Integer(), nullable=False),
        _at("polled_at"),
        _at("expires_at", nullable=False),
        _at("decided_at"),
        sa.Column("grant_id", sa.Uuid(), nullable=True),
        _at("used_at"),
        sa.PrimaryKeyConstraint("device_hash", name=op.f("pk_oauth_device_code")),
        sa.UniqueConstraint("user_code_hash", name=op.f("uq_oauth_device_code_user_code_hash")),
    )
    op.create_table(
        "oauth_spent",
        sa.Column("name", sa.String(), nullable=False),
        _at("expires_at", nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_oauth_spent")),
    )
    op.create_table(
        "oauth_signing_key",
        sa.Column("kid", sa.String(), nullable=False),
        sa.Column("alg", sa.String(), nullable=False),
        sa.Column("public_jwk", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("private_sealed", sa.LargeBinary(), nullable=False),
        _at("active_at", nullable=False),
        _at("ends_at", nullable=True),
        _now("created_at"),
        sa.PrimaryKeyConstraint("kid", name=op.f("pk_oauth_signing_key")),
    )


def downgrade() -> None:
    drop_functions("oauth_endings")
    drop_functions("oauth")
    for table in (
        "oauth_signing_key", "oauth_spent", "oauth_device_code", "oauth_refresh_token", "oauth_code", "oauth_consent",
        "oauth_grant", "oauth_registration_token", "oauth_client_secret", "oauth_client",
    ):  # fmt: skip
        op.drop_table(table)
