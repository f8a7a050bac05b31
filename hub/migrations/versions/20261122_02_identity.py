"""Identity: people, memberships, sessions, one-time links, agents; what may be asked before anyone is known."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from hub.migrations.fences import APP_ROLE, READ, WRITE, fence, grant

revision = "20261122_02"
down_revision = "20261122_01"

ME = "(select nullif(current_setting('hub.person', true), '')::uuid)"

FUNCTIONS = {
    # Who holds this session, for whom it acts, by which membership (the nearest above), and what that lets it read.
    "identity_session(given bytea)": """
        returns table (session_id uuid, csrf text, person_id uuid, email text, name text, locale text, zone text,
                       theme text, density text, organisation_id uuid, kind text, scopes text[], readable uuid[])
        language sql stable as $$
        with recursive signed_in as (
            select l.id, l.csrf, l.organisation_id, p.id as person_id, p.email, p.name, p.locale, p.zone, p.theme,
                   p.density
            from login_session l join person p on p.id = l.person_id
            where l.token_hash = given and l.expires_at > now() and p.disabled_at is null
        ), upward (id, parent_id, kind, height) as (
            select o.id, o.parent_id, o.kind, 0 from signed_in s join organisation o on o.id = s.organisation_id
            where o.closed_at is null or o.closed_at > now()
            union all
            select o.id, o.parent_id, o.kind, u.height + 1 from upward u join organisation o on o.id = u.parent_id
        ), member as (
            select m.organisation_id, m.scopes, u.kind from upward u
            join signed_in s on true
            join membership m on m.organisation_id = u.id and m.person_id = s.person_id
            order by u.height limit 1
        ), downward (id) as (
            select m.organisation_id from member m
            union all
            select o.id from downward d join organisation o on o.parent_id = d.id
        )
        select s.id, s.csrf, s.person_id, s.email, s.name, s.locale, s.zone, s.theme, s.density, s.organisation_id,
               m.kind, m.scopes, (select array_agg(id) from downward)
        from signed_in s cross join member m $$""",
    # Every organisation the bound person may act for: those of a membership and all below them.
    "identity_my_organisations()": """
        returns table (id uuid, key text, kind text, name_zh text, name_en text) language sql stable as $$
        with recursive covered (id) as (
            select m.organisation_id from membership m
            where m.person_id = nullif(current_setting('hub.person', true), '')::uuid
            union
            select o.id from covered c join organisation o on o.parent_id = c.id
        )
        select o.id, o.key, o.kind, o.name_zh, o.name_en from covered c join organisation o on o.id = c.id
        where o.closed_at is null or o.closed_at > now() order by o.rank, o.key $$""",
    # At most once a minute, and never waiting for another request of the same session.
    "identity_session_seen(given uuid)": """
        returns void language sql as $$
        update login_session set last_seen_at = now() where id = (
            select id from login_session where id = given and last_seen_at < now() - interval '1 minute'
            for update skip locked) $$""",
    "identity_account(given text)": """
        returns table (id uuid, organisation_id uuid, password_hash text, name text, locale text)
        language sql stable as $$
        select id, organisation_id, password_hash, name, locale from person
        where email = given and disabled_at is null $$""",
    "identity_is_key(given text)": """
        returns boolean language sql stable as $$ select exists (select from organisation where key = given) $$""",
    "identity_is_taken(given text)": """
        returns boolean language sql stable as $$ select exists (select from person where email = given) $$""",
    "identity_knows_address(given uuid, at text)": """
        returns boolean language sql stable as $$
        select exists (select from login_session where person_id = given and address = at) $$""",
    # The organisations at or above the person's home and all their memberships, the nearest first: whoever administers
    # one of them may give the person a new password, and so is given nothing beyond what is theirs.
    "identity_keepers(given uuid)": """
        returns uuid[] language sql stable as $$
        with recursive place (id) as (
            select organisation_id from person where person.id = given
            union
            select organisation_id from membership where person_id = given
        ), upward (origin, id, height) as (
            select id, id, 0 from place
            union all
            select u.origin, o.parent_id, u.height + 1 from upward u join organisation o on o.id = u.id
            where o.parent_id is not null
        ), above (id, height) as (
            select id, max(height) from upward group by id having count(*) = (select count(*) from place)
        )
        select array_agg(id order by height) from above $$""",
    "identity_link(given bytea)": """
        returns table (person_id uuid, email text, locale text, purpose text) language sql stable as $$
        select p.id, p.email, p.locale, l.purpose from one_time_link l join person p on p.id = l.person_id
        where l.token_hash = given and l.used_at is null and l.expires_at > now() and p.disabled_at is null
          and l.organisation_id = any (identity_keepers(p.id)) $$""",
    "identity_redeem_link(given bytea)": """
        returns table (person_id uuid, organisation_id uuid, purpose text) language sql as $$
        with used as (
            update one_time_link l set used_at = now() from person p
            where l.token_hash = given and l.used_at is null and l.expires_at > now()
              and p.id = l.person_id and p.disabled_at is null and l.organisation_id = any (identity_keepers(p.id))
            returning l.id, p.id as person_id, p.organisation_id, l.purpose
        ), older as (
            update one_time_link l set used_at = now() from used
            where l.person_id = used.person_id and l.id <> used.id and l.used_at is null
        )
        select person_id, organisation_id, purpose from used $$""",
    "identity_agent(given uuid)": """
        returns table (organisation_id uuid, name text, public_jwk jsonb, is_disabled boolean, granted uuid[])
        language sql stable as $$
        select a.organisation_id, a.name, a.public_jwk, a.disabled_at is not null,
               coalesce((select array_agg(distinct g.organisation_id) from agent_grant g where g.agent_id = a.id), '{}')
        from agent a where a.id = given $$""",
    "identity_enrol(given bytea, jwk jsonb)": """
        returns table (agent_id uuid, organisation_id uuid) language sql as $$
        update agent set public_jwk = jwk, enrol_hash = null, enrol_expires_at = null, enrolled_at = now()
        where enrol_hash = given and enrol_expires_at > now() and disabled_at is null
        returning id, organisation_id $$""",
    # What has ended. Sessions are kept a while: they tell from where an account signs in.
    "identity_forget(days int)": """
        returns bigint language sql as $$
        with gone_sessions as (
            delete from login_session where expires_at < now() - make_interval(days => days) returning 1
        ), gone_links as (
            delete from one_time_link where expires_at < now() - make_interval(days => days) returning 1
        ), gone_nonces as (
            delete from agent_nonce where expires_at < now() returning 1
        ), gone_counts as (
            delete from sign_in_failure where since < now() - interval '1 day' returning 1
        )
        select (select count(*) from gone_sessions) + (select count(*) from gone_links)
             + (select count(*) from gone_nonces) + (select count(*) from gone_counts) $$""",
    # The first organisation of an empty database; null where there is one already.
    "identity_found_group(new_id uuid, new_key text, zh text, en text, money text, at_zone text)": """
        returns uuid language sql as $$
        insert into organisation (id, key, kind, name_zh, name_en, seal, letter, rank, currency, zone)
        select new_id, new_key, 'group', zh, en, '', '', 0, money, at_zone
        where not exists (select from organisation)
        returning id $$""",
    # The group, as long as nobody can sign in.
    "identity_orphan_group()": """
        returns uuid language sql stable as $$
        select id from organisation where parent_id is null
          and not exists (select from person where password_hash is not null)
        order by created_at limit 1 $$""",
}

# Organisations are open to the owner already.
OPENED = ("person", "membership", "login_session", "one_time_link", "agent", "agent_grant", "agent_nonce")


def upgrade() -> None:
    _people()
    _sessions()
    _agents()
    _fences()
    for signature, body in FUNCTIONS.items():
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


def _organisation(table: str) -> list[sa.schema.SchemaItem]:
    return [
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name=op.f(f"fk_{table}_organisation_id_organisation")
        ),
    ]


def _owned(table: str, owner: str) -> list[sa.schema.SchemaItem]:
    name = op.f(f"fk_{table}_{owner}_id_{owner}")
    return [
        sa.Column(f"{owner}_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint([f"{owner}_id"], [f"{owner}.id"], name=name, ondelete="CASCADE"),
    ]


def _people() -> None:
    op.create_table(
        "person",
        sa.Column("id", sa.Uuid(), nullable=False),
        *_organisation("person"),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("password_hash", sa.String(), nullable=True),
        sa.Column("locale", sa.String(), nullable=False),
        sa.Column("zone", sa.String(), nullable=False),
        sa.Column("theme", sa.String(), nullable=False),
        sa.Column("density", sa.String(), nullable=False),
        _at("disabled_at"),
        _now("created_at"),
        sa.CheckConstraint("locale in ('zh', 'en')", name=op.f("ck_person_locale")),
        sa.CheckConstraint("theme in ('system', 'light', 'dark')", name=op.f("ck_person_theme")),
        sa.CheckConstraint("density in ('roomy', 'standard', 'compact')", name=op.f("ck_person_density")),
        sa.CheckConstraint("email = lower(email)", name=op.f("ck_person_email")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_person")),
        sa.UniqueConstraint("email", name=op.f("uq_person_email")),
    )
    op.create_index(op.f("ix_person_organisation_id"), "person", ["organisation_id"])
    op.create_table(
        "membership",
        *_organisation("membership"),
        *_owned("membership", "person"),
        sa.Column("scopes", postgresql.ARRAY(sa.TEXT()), nullable=False),
        _now("created_at"),
        sa.PrimaryKeyConstraint("organisation_id", "person_id", name=op.f("pk_membership")),
    )
    op.create_index(op.f("ix_membership_person_id"), "membership", ["person_id"])


def _sessions() -> None:
    op.create_table(
        "login_session",
        sa.Column("id", sa.Uuid(), nullable=False),
        *_organisation("login_session"),
        *_owned("login_session", "person"),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("csrf", sa.String(), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("browser", sa.String(), nullable=False),
        _now("created_at"),
        _now("last_seen_at"),
        _at("expires_at", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_login_session")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_login_session_token_hash")),
    )
    op.create_index(op.f("ix_login_session_person_id"), "login_session", ["person_id"])
    op.create_table(
        "one_time_link",
        sa.Column("id", sa.Uuid(), nullable=False),
        *_organisation("one_time_link"),
        *_owned("one_time_link", "person"),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("purpose", sa.String(), nullable=False),
        _at("expires_at", nullable=False),
        _at("used_at"),
        _now("created_at"),
        sa.CheckConstraint("purpose in ('set_password', 'reset', 'admin')", name=op.f("ck_one_time_link_purpose")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_one_time_link")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_one_time_link_token_hash")),
    )
    op.create_index(op.f("ix_one_time_link_person_id"), "one_time_link", ["person_id"])
    op.create_table(
        "sign_in_failure",
        sa.Column("door", sa.LargeBinary(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        _at("since", nullable=False),
        sa.PrimaryKeyConstraint("door", name=op.f("pk_sign_in_failure")),
    )


def _agents() -> None:
    op.create_table(
        "agent",
        sa.Column("id", sa.Uuid(), nullable=False),
        *_organisation("agent"),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("enrol_hash", sa.LargeBinary(), nullable=True),
        _at("enrol_expires_at"),
        sa.Column("public_jwk", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        _at("enrolled_at"),
        _at("disabled_at"),
        _at("last_seen_at"),
        sa.Column(
            "health", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        _now("created_at"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agent")),
        sa.UniqueConstraint("organisation_id", "name", name=op.f("uq_agent_organisation_id_name")),
        sa.UniqueConstraint("enrol_hash", name=op.f("uq_agent_enrol_hash")),
    )
    op.create_table(
        "agent_grant",
        *_organisation("agent_grant"),
        *_owned("agent_grant", "agent"),
        sa.Column("system", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("organisation_id", "agent_id", "system", name=op.f("pk_agent_grant")),
    )
    op.create_index(op.f("ix_agent_grant_agent_id"), "agent_grant", ["agent_id"])
    op.create_table(
        "agent_nonce",
        *_owned("agent_nonce", "agent"),
        sa.Column("jti", sa.String(), nullable=False),
        _at("expires_at", nullable=False),
        sa.PrimaryKeyConstraint("agent_id", "jti", name=op.f("pk_agent_nonce")),
    )


def _fences() -> None:
    """An agent is bound as `hub.person` too: the setting names the caller, whoever it is."""
    fence("membership", read=f"{READ} or person_id = {ME}")
    fence("person", read=f"{READ} or id = {ME} or id in (select m.person_id from membership m)")
    op.execute(f"create policy person_self on person for update using (id = {ME}) with check (id = {ME})")
    fence("login_session", read=f"person_id = {ME}", write=f"person_id = {ME}")
    fence("one_time_link")
    fence("agent", read=f"{READ} or id = {ME}")
    op.execute(f"create policy agent_self on agent for update using (id = {ME}) with check (id = {ME})")
    fence("agent_grant", read=f"{READ} or agent_id = {ME}", write=WRITE)
    fence("agent_nonce", read=f"agent_id = {ME}", write=f"agent_id = {ME}")
    grant("sign_in_failure")
    # The functions above run as the owner, whom forced row security binds as well: this opens the tables to it.
    for table in OPENED:
        op.execute(f"create policy {table}_owner on {table} to current_user using (true) with check (true)")


def downgrade() -> None:
    for signature in FUNCTIONS:
        op.execute(f"drop function {_bare(signature)}")
    op.execute("drop policy person_read on person")
    tables = ("agent_nonce", "agent_grant", "agent", "sign_in_failure", "one_time_link", "login_session", "membership")
    for table in (*tables, "person"):
        op.drop_table(table)
