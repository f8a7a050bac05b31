"""Strong sign-in: passkeys, authenticator apps, recovery codes, known devices, and policies that sessions must meet."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from hub.migrations.fences import APP_ROLE, fence

revision = "20261124_13"
down_revision = "20261124_11"

ME = "(select nullif(current_setting('hub.person', true), '')::uuid)"

FUNCTIONS = {
    # The strictest of what the organisation and those above it ask; always one row.
    "identity_policy(given uuid)": """
        returns table (second_factor text, session_hours int, idle_minutes int, allow_password boolean)
        language sql stable as $$
        with recursive upward (id, parent_id) as (
            select o.id, o.parent_id from organisation o where o.id = given
            union all
            select o.id, o.parent_id from upward u join organisation o on o.id = u.parent_id
        )
        select case when bool_or(y.second_factor = 'passkey') then 'passkey'
                    when bool_or(y.second_factor = 'any') then 'any' else 'none' end,
               min(y.session_hours), min(y.idle_minutes), coalesce(bool_and(y.allow_password), true)
        from upward u join sign_in_policy y on y.organisation_id = u.id $$""",
    # Which of a browser's device tokens is this person's.
    "identity_known_device(whom uuid, tokens bytea[])": """
        returns bytea language sql stable as $$
        select token_hash from device where person_id = whom and token_hash = any (tokens) limit 1 $$""",
    "identity_passkey(given bytea)": """
        returns table (id uuid, person_id uuid, public_key bytea) language sql stable as $$
        select k.id, k.person_id, k.public_key from passkey k join person p on p.id = k.person_id
        where k.credential_id = given and p.disabled_at is null $$""",
    "identity_challenge(given bytea, browser bytea, what text, whom uuid, seconds int)": """
        returns void language sql as $$
        insert into webauthn_challenge (challenge, browser_hash, purpose, person_id, expires_at)
        values (given, browser, what, whom, now() + make_interval(secs => seconds)) $$""",
    # Gone with its first use, whatever comes of it.
    "identity_answer_challenge(given bytea, browser bytea)": """
        returns table (purpose text, person_id uuid) language sql as $$
        delete from webauthn_challenge where challenge = given and browser_hash = browser and expires_at > now()
        returning purpose, person_id $$""",
    "identity_pend(given bytea, whom uuid, methods text[], seconds int)": """
        returns timestamptz language sql as $$
        insert into pending_sign_in (token_hash, person_id, amr, expires_at)
        values (given, whom, methods, now() + make_interval(secs => seconds)) returning expires_at $$""",
    "identity_pending(given bytea)": """
        returns table (person_id uuid, amr text[], expires_at timestamptz) language sql stable as $$
        select s.person_id, s.amr, s.expires_at from pending_sign_in s join person p on p.id = s.person_id
        where s.token_hash = given and s.expires_at > now() and p.disabled_at is null $$""",
    "identity_try_pending(given bytea, most int)": """
        returns table (person_id uuid, amr text[]) language sql as $$
        update pending_sign_in s set tries = tries + 1 from person p
        where s.token_hash = given and s.expires_at > now() and s.tries < most
          and p.id = s.person_id and p.disabled_at is null
        returning s.person_id, s.amr $$""",
    # Of many at once one gets it.
    "identity_finish_pending(given bytea)": """
        returns uuid language sql as $$
        delete from pending_sign_in where token_hash = given and expires_at > now() returning person_id $$""",
    # Every factor and session of a person, by an administrator of an organisation that keeps the whole person.
    "identity_reset_factors(whom uuid)": """
        returns bigint language sql as $$
        with allowed as (
            select whom as id where (identity_keepers(whom))[1]
                = any (coalesce(nullif(current_setting('hub.orgs', true), ''), '{}')::uuid[])
        ), keys as (
            delete from passkey k using allowed a where k.person_id = a.id returning 1
        ), apps as (
            delete from totp t using allowed a where t.person_id = a.id returning 1
        ), codes as (
            delete from recovery_code c using allowed a where c.person_id = a.id returning 1
        ), sessions as (
            delete from login_session l using allowed a where l.person_id = a.id returning 1
        ), waiting as (
            delete from pending_sign_in s using allowed a where s.person_id = a.id returning 1
        )
        select (select count(*) from keys) + (select count(*) from apps) $$""",
    "identity_forget_strong(device_days int)": """
        returns bigint language sql as $$
        with gone_pending as (
            delete from pending_sign_in where expires_at < now() returning 1
        ), gone_challenges as (
            delete from webauthn_challenge where expires_at < now() returning 1
        ), gone_devices as (
            delete from device where last_seen_at < now() - make_interval(days => device_days) returning 1
        )
        select (select count(*) from gone_pending) + (select count(*) from gone_challenges)
             + (select count(*) from gone_devices) $$""",
}
PERSONAL = ("passkey", "totp", "recovery_code", "device")


def upgrade() -> None:
    _factors()
    _ceremonies()
    _policy()
    for table in PERSONAL:
        fence(table, read=f"person_id = {ME}", write=f"person_id = {ME}")
    fence("sign_in_policy")
    # The functions run as the owner, whom forced row security binds as well.
    for table in (*PERSONAL, "sign_in_policy"):
        op.execute(f"create policy {table}_owner on {table} to current_user using (true) with check (true)")
    op.add_column("login_session", _texts("amr", server_default=sa.text("'{}'")))
    op.add_column("login_session", _now("authenticated_at"))
    op.add_column("login_session", _at("stepped_up_at"))
    op.execute("update login_session set amr = '{pwd}', authenticated_at = created_at")
    for signature, body in FUNCTIONS.items():
        _define(signature, body)
    op.execute("drop function identity_knows_address(uuid, text)")


def _define(signature: str, body: str) -> None:
    op.execute(f"create function {signature} {body} security definer set search_path = pg_catalog, public, pg_temp")
    op.execute(f"revoke all on function {_bare(signature)} from public")
    op.execute(f"grant execute on function {_bare(signature)} to {APP_ROLE}")


def _bare(signature: str) -> str:
    """`f(a uuid, b text)` → `f(uuid, text)`."""
    name, arguments = signature.rstrip(")").split("(")
    return f"{name}({', '.join(a.split()[-1] for a in arguments.split(',') if a.strip())})"


def _now(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False)


def _at(name: str, nullable: bool = True) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _bytes(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.LargeBinary(), nullable=False)


def _texts(name: str, **more: object) -> sa.Column[object]:
    return sa.Column(name, postgresql.ARRAY(sa.TEXT()), nullable=False, **more)  # type: ignore[arg-type]


def _person(table: str, nullable: bool = False) -> list[sa.schema.SchemaItem]:
    name = op.f(f"fk_{table}_person_id_person")
    return [
        sa.Column("person_id", sa.Uuid(), nullable=nullable),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=name, ondelete="CASCADE"),
    ]


def _factors() -> None:
    op.create_table(
        "passkey",
        sa.Column("id", sa.Uuid(), nullable=False),
        *_person("passkey"),
        _bytes("credential_id"),
        _bytes("public_key"),
        sa.Column("sign_count", sa.BigInteger(), nullable=False),
        sa.Column("is_synced", sa.Boolean(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        _now("created_at"),
        _at("last_used_at"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_passkey")),
        sa.UniqueConstraint("credential_id", name=op.f("uq_passkey_credential_id")),
    )
    op.create_index(op.f("ix_passkey_person_id"), "passkey", ["person_id"])
    op.create_table(
        "totp",
        *_person("totp"),
        _bytes("secret"),
        sa.Column("last_step", sa.BigInteger(), nullable=False),
        _at("confirmed_at"),
        _now("created_at"),
        sa.PrimaryKeyConstraint("person_id", name=op.f("pk_totp")),
    )
    op.create_table(
        "recovery_code",
        *_person("recovery_code"),
        _bytes("code_hash"),
        _at("used_at"),
        _now("created_at"),
        sa.PrimaryKeyConstraint("person_id", "code_hash", name=op.f("pk_recovery_code")),
    )
    op.create_table(
        "device",
        sa.Column("id", sa.Uuid(), nullable=False),
        *_person("device"),
        _bytes("token_hash"),
        sa.Column("name", sa.String(), nullable=False),
        _now("created_at"),
        _now("last_seen_at"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_device")),
        sa.UniqueConstraint("person_id", "token_hash", name=op.f("uq_device_person_id_token_hash")),
    )


def _ceremonies() -> None:
    """Nobody is known yet who could be bound: no right on these tables, the functions are the only way to them."""
    op.create_table(
        "pending_sign_in",
        _bytes("token_hash"),
        *_person("pending_sign_in"),
        _texts("amr"),
        sa.Column("tries", sa.Integer(), server_default=sa.text("0"), nullable=False),
        _at("expires_at", nullable=False),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_pending_sign_in")),
    )
    op.create_table(
        "webauthn_challenge",
        _bytes("challenge"),
        _bytes("browser_hash"),
        sa.Column("purpose", sa.String(), nullable=False),
        *_person("webauthn_challenge", nullable=True),
        _at("expires_at", nullable=False),
        sa.PrimaryKeyConstraint("challenge", name=op.f("pk_webauthn_challenge")),
    )


def _policy() -> None:
    op.create_table(
        "sign_in_policy",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("second_factor", sa.String(), nullable=False),
        sa.Column("session_hours", sa.Integer(), nullable=True),
        sa.Column("idle_minutes", sa.Integer(), nullable=True),
        sa.Column("allow_password", sa.Boolean(), nullable=False),
        sa.CheckConstraint("second_factor in ('none', 'any', 'passkey')", name=op.f("ck_sign_in_policy_second_factor")),
        sa.CheckConstraint("session_hours > 0", name=op.f("ck_sign_in_policy_session_hours")),
        sa.CheckConstraint("idle_minutes > 0", name=op.f("ck_sign_in_policy_idle_minutes")),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name=op.f("fk_sign_in_policy_organisation_id_organisation")
        ),
        sa.PrimaryKeyConstraint("organisation_id", name=op.f("pk_sign_in_policy")),
    )


def downgrade() -> None:
    _define(
        "identity_knows_address(given uuid, at text)",
        "returns boolean language sql stable as $$ "
        "select exists (select from login_session where person_id = given and address = at) $$",
    )
    for signature in FUNCTIONS:
        op.execute(f"drop function {_bare(signature)}")
    for column in ("amr", "authenticated_at", "stepped_up_at"):
        op.drop_column("login_session", column)
    for table in (*PERSONAL, "pending_sign_in", "webauthn_challenge", "sign_in_policy"):
        op.drop_table(table)
