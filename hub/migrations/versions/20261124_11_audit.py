"""The audit log: events that are only added, seals that chain them, pseudonyms for people; who may read it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from hub.migrations.fences import APP_ROLE, fence
from hub.migrations.scripts import drop_functions, run_script

revision = "20261124_11"
down_revision = "20261124_10"

TABLES = ("audit_subject", "audit_event", "audit_seal", "audit_anchor")
OPEN = (
    "audit_record(jsonb)",
    "audit_close(uuid, bigint, timestamptz, uuid[], bytea[], bytea, bytea, bytea)",
    "audit_forget(uuid, int)",
    "audit_forget_person(uuid)",
)
# What an administrator held so far; whoever holds all of it reads the log from now on.
ADMIN = "people:write,people:read,systems:write,batches:release,quarantine:write"


def upgrade() -> None:
    _tables()
    for table in TABLES:
        # Whoever may see the person may know the pseudonym.
        read = {"read": "person_id in (select id from person)"} if table == "audit_subject" else {}
        fence(table, **read, write="false")
        op.execute(f"revoke insert, update, delete on {table} from {APP_ROLE}")
        op.execute(f"create policy {table}_owner on {table} to current_user using (true) with check (true)")
    run_script("audit")
    op.execute("insert into audit_subject (pseudonym, person_id) select gen_random_uuid(), id from person")
    for function in (*OPEN, "audit_subject_made()"):
        op.execute(f"revoke all on function {function} from public")
    for function in OPEN:
        op.execute(f"grant execute on function {function} to {APP_ROLE}")
    op.execute(
        "update membership set scopes = array(select distinct unnest(scopes || '{audit:read}') order by 1) "
        f"where scopes @> '{{{ADMIN}}}'"
    )


def _organisation(table: str) -> list[sa.schema.SchemaItem]:
    name = op.f(f"fk_{table}_organisation_id_organisation")
    return [
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name=name),
    ]


def _at(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=False)


def _tables() -> None:
    op.create_table(
        "audit_subject",
        sa.Column("pseudonym", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["person_id"], ["person.id"], name=op.f("fk_audit_subject_person_id_person"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("pseudonym", name=op.f("pk_audit_subject")),
        sa.UniqueConstraint("person_id", name=op.f("uq_audit_subject_person_id")),
    )
    op.create_table(
        "audit_event",
        *_organisation("audit_event"),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        _at("at"),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("actor_kind", sa.String(), nullable=False),
        sa.Column("actor", sa.Uuid(), nullable=True),
        *(sa.Column(name, sa.String(), nullable=False) for name in ("acting_for", "object_kind", "object_id")),
        sa.Column("detail", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        *(sa.Column(name, sa.String(), nullable=False) for name in ("request_id", "trace_id", "network")),
        sa.Column("seal", sa.BigInteger(), nullable=True),
        sa.Column("position", sa.Integer(), nullable=True),
        sa.CheckConstraint(
            "actor_kind in ('person', 'agent', 'client', 'system', 'anonymous')",
            name=op.f("ck_audit_event_actor_kind"),
        ),
        sa.CheckConstraint("action ~ '^[a-z][a-z0-9_]{2,60}$'", name=op.f("ck_audit_event_action")),
        sa.PrimaryKeyConstraint("organisation_id", "event_id", name=op.f("pk_audit_event")),
    )
    op.create_index("ix_audit_event_seal", "audit_event", ["organisation_id", "seal", "event_id"])
    op.create_table(
        "audit_seal",
        *_organisation("audit_seal"),
        sa.Column("number", sa.BigInteger(), nullable=False),
        _at("sealed_at"),
        sa.Column("events", sa.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("digests", sa.ARRAY(sa.LargeBinary()), nullable=False),
        *(sa.Column(name, sa.LargeBinary(), nullable=False) for name in ("previous", "digest", "mark")),
        sa.PrimaryKeyConstraint("organisation_id", "number", name=op.f("pk_audit_seal")),
    )
    op.create_table(
        "audit_anchor",
        *_organisation("audit_anchor"),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        _at("sealed_at"),
        _at("forgotten_at"),
        sa.PrimaryKeyConstraint("organisation_id", name=op.f("pk_audit_anchor")),
    )


def downgrade() -> None:
    op.execute("update membership set scopes = array_remove(scopes, 'audit:read')")
    drop_functions("audit")
    for table in reversed(TABLES):
        op.drop_table(table)
