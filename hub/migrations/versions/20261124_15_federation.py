"""Federation: providers and domains of organisations, who signed in there; SCIM: tokens, users and groups."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from hub.migrations.fences import APP_ROLE, READ, fence

revision = "20261124_15"
down_revision = "20261124_14"

OPEN = "o.disabled_at is null and (g.closed_at is null or g.closed_at > now())"
FUNCTIONS = {
    # Where people of a domain sign in. It depends on the domain alone, so that it tells nothing of any account.
    "federation_home(given text)": f"""
        returns table (provider_id uuid, organisation_id uuid) language sql stable as $$
        select o.id, o.organisation_id from verified_domain d
        join identity_provider o on o.organisation_id = d.organisation_id
        join organisation g on g.id = o.organisation_id
        where d.domain = given and d.verified_at is not null and {OPEN} order by o.created_at, o.id limit 1 $$""",
    "federation_provider(given uuid)": f"""
        returns uuid language sql stable as $$
        select o.organisation_id from identity_provider o join organisation g on g.id = o.organisation_id
        where o.id = given and {OPEN} $$""",
    # The provider that the person's home wants its people to sign in at, and nowhere else.
    "federation_enforced(person uuid)": f"""
        returns uuid language sql stable as $$
        select o.id from person p join identity_provider o on o.organisation_id = p.organisation_id
        join organisation g on g.id = o.organisation_id
        join verified_domain d on d.organisation_id = p.organisation_id
        where p.id = person and o.is_enforced and {OPEN}
          and d.verified_at is not null and d.domain = split_part(p.email, '@', 2)
        order by o.created_at, o.id limit 1 $$""",
    "federation_domains()": """
        returns table (id uuid, organisation_id uuid) language sql stable as $$
        select d.id, d.organisation_id from verified_domain d
        where d.verified_at is not null order by d.last_checked_at nulls first, d.id $$""",
    "federation_forget()": """
        returns bigint language sql as $$
        with states as (delete from login_state where expires_at < now() - interval '1 day' returning 1),
             tokens as (delete from logout_token where expires_at < now() returning 1)
        select (select count(*) from states) + (select count(*) from tokens) $$""",
    # At most once a minute, and never waiting for another request with the same token.
    "scim_authenticate(given bytea)": """
        returns table (id uuid, organisation_id uuid, grantable text[], made_by uuid) language sql as $$
        update scim_token set last_used_at = now() where scim_token.id = (
            select t.id from scim_token t where t.token_hash = given
              and (t.last_used_at is null or t.last_used_at < now() - interval '1 minute') for update skip locked);
        select t.id, t.organisation_id, t.grantable, t.made_by from scim_token t
        join organisation g on g.id = t.organisation_id
        where t.token_hash = given and t.revoked_at is null and t.expires_at > now()
          and (g.closed_at is null or g.closed_at > now()) $$""",
}
# Of each table the functions above touch; they run as the owner, whom forced row security binds as well.
OPENED = ("identity_provider", "verified_domain", "login_state", "logout_token", "scim_token")
FENCED = (
    "identity_provider", "verified_domain", "federated_identity", "login_state", "federated_session", "logout_token",
    "scim_token", "scim_user", "scim_group", "scim_group_member",
)  # fmt: skip

# A person sees their own, whomever they act for.
OWN = ("federated_identity", "federated_session")
ME = "(select nullif(current_setting('hub.person', true), '')::uuid)"


def upgrade() -> None:
    _providers()
    _sign_ins()
    _tokens()
    _groups()
    for table in FENCED:
        fence(table, read=f"{READ} or person_id = {ME}" if table in OWN else READ)
    for table in OPENED:
        op.execute(f"create policy {table}_owner on {table} to current_user using (true) with check (true)")
    for signature, body in FUNCTIONS.items():
        op.execute(f"create function {signature} {body} security definer set search_path = pg_catalog, public, pg_temp")
        op.execute(f"revoke all on function {_bare(signature)} from public")
        op.execute(f"grant execute on function {_bare(signature)} to {APP_ROLE}")
    op.execute(
        "update membership set scopes = array_append(scopes, 'federation:write') where 'people:write' = any (scopes)"
    )


def _bare(signature: str) -> str:
    """`f(a uuid, b text)` → `f(uuid, text)`."""
    name, arguments = signature.rstrip(")").split("(")
    return f"{name}({', '.join(a.split()[-1] for a in arguments.split(',') if a.strip())})"


def _text(name: str, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.String(), nullable=nullable)


def _many(name: str) -> sa.Column[object]:
    return sa.Column(name, postgresql.ARRAY(sa.TEXT()), nullable=False)


def _bytes(name: str, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.LargeBinary(), nullable=nullable)


def _json(name: str) -> sa.Column[object]:
    return sa.Column(name, postgresql.JSONB(astext_type=sa.Text()), nullable=False)


def _is(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.Boolean(), nullable=False)


def _now(name: str = "created_at") -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False)


def _at(name: str, nullable: bool = True) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _reference(table: str, column: str, to: str, nullable: bool = False) -> list[sa.schema.SchemaItem]:
    name = op.f(f"fk_{table}_{column}_{to}")
    cascade = None if to == "organisation" else "CASCADE"
    return [
        sa.Column(column, sa.Uuid(), nullable=nullable),
        sa.ForeignKeyConstraint([column], [f"{to}.id"], name=name, ondelete=cascade),
    ]


def _owned(table: str, is_keyed: bool = True) -> list[sa.schema.SchemaItem]:
    """The organisation, and an id as the key."""
    key: list[sa.schema.SchemaItem] = [sa.Column("id", sa.Uuid(), nullable=False), _key(table, "id")]
    return [*(key if is_keyed else []), *_reference(table, "organisation_id", "organisation")]


def _key(table: str, *columns: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint(*columns, name=op.f(f"pk_{table}"))


def _unique(table: str, *columns: str) -> sa.UniqueConstraint:
    return sa.UniqueConstraint(*columns, name=op.f(f"uq_{table}_{'_'.join(columns)}"))


def _providers() -> None:
    op.create_table(
        "identity_provider",
        *_owned("identity_provider"),
        *(_text(n) for n in ("name", "issuer", "client_id")),
        _bytes("client_secret", nullable=True),
        _many("scopes"),
        _text("role_claim"),
        _json("role_mapping"),
        _many("default_roles"),
        _is("is_authoritative"),
        _is("is_enforced"),
        _at("disabled_at"),
        _now(),
        _unique("identity_provider", "organisation_id", "issuer", "client_id"),
    )
    op.create_table(
        "verified_domain",
        *_owned("verified_domain"),
        *(_text(n) for n in ("domain", "token", "method")),
        *(_at(n) for n in ("verified_at", "last_checked_at", "missing_since")),
        _now(),
        sa.CheckConstraint("method in ('dns', 'file')", name=op.f("ck_verified_domain_method")),
        _unique("verified_domain", "organisation_id", "domain"),
    )
    where = sa.text("verified_at is not null")
    op.create_index("ix_verified_domain_once", "verified_domain", ["domain"], unique=True, postgresql_where=where)


def _sign_ins() -> None:
    op.create_table(
        "federated_identity",
        *_owned("federated_identity", is_keyed=False),
        *_reference("federated_identity", "provider_id", "identity_provider"),
        _text("subject"),
        *_reference("federated_identity", "person_id", "person"),
        _now(),
        _at("last_used_at"),
        _key("federated_identity", "provider_id", "subject"),
        _unique("federated_identity", "provider_id", "person_id"),
    )
    op.create_index(op.f("ix_federated_identity_person_id"), "federated_identity", ["person_id"])
    op.create_table(
        "login_state",
        _bytes("state_hash"),
        _key("login_state", "state_hash"),
        *_owned("login_state", is_keyed=False),
        *_reference("login_state", "provider_id", "identity_provider"),
        *_reference("login_state", "person_id", "person", nullable=True),
        _bytes("browser_hash"),
        _bytes("secrets"),
        _at("expires_at", nullable=False),
        _at("used_at"),
    )
    op.create_table(
        "federated_session",
        *_reference("federated_session", "session_id", "login_session"),
        _key("federated_session", "session_id"),
        *_owned("federated_session", is_keyed=False),
        *_reference("federated_session", "provider_id", "identity_provider"),
        *_reference("federated_session", "person_id", "person"),
        _text("sid"),
        _text("subject"),
        _bytes("logout_address", nullable=True),
    )
    op.create_index(op.f("ix_federated_session_provider_id_subject"), "federated_session", ["provider_id", "subject"])
    op.create_table(
        "logout_token",
        *_owned("logout_token", is_keyed=False),
        *_reference("logout_token", "provider_id", "identity_provider"),
        _bytes("jti_hash"),
        _at("expires_at", nullable=False),
        _key("logout_token", "provider_id", "jti_hash"),
    )


def _tokens() -> None:
    op.create_table(
        "scim_token",
        *_owned("scim_token"),
        _text("name"),
        _bytes("token_hash"),
        _many("grantable"),
        sa.Column("made_by", sa.Uuid(), nullable=False),
        _at("expires_at", nullable=False),
        *(_at(n) for n in ("last_used_at", "revoked_at")),
        _now(),
        _unique("scim_token", "token_hash"),
    )


def _groups() -> None:
    op.create_table(
        "scim_user",
        *_owned("scim_user", is_keyed=False),
        *_reference("scim_user", "person_id", "person"),
        *(_text(n) for n in ("user_name", "external_id")),
        _json("attributes"),
        _now("updated_at"),
        _key("scim_user", "organisation_id", "person_id"),
        _unique("scim_user", "organisation_id", "user_name"),
    )
    op.create_table(
        "scim_group",
        *_owned("scim_group"),
        *(_text(n) for n in ("display_name", "external_id")),
        _many("roles"),
        _now(),
        _now("updated_at"),
        _unique("scim_group", "organisation_id", "display_name"),
    )
    op.create_table(
        "scim_group_member",
        *_owned("scim_group_member", is_keyed=False),
        *_reference("scim_group_member", "group_id", "scim_group"),
        *_reference("scim_group_member", "person_id", "person"),
        _key("scim_group_member", "group_id", "person_id"),
    )
    op.create_index(op.f("ix_scim_group_member_person_id"), "scim_group_member", ["person_id"])


def downgrade() -> None:
    for signature in FUNCTIONS:
        op.execute(f"drop function {_bare(signature)}")
    for table in reversed(FENCED):
        op.drop_table(table)
    op.execute("update membership set scopes = array_remove(scopes, 'federation:write')")
