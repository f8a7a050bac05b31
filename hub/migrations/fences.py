"""Row security for tenant tables: the one statement every migration uses."""

from __future__ import annotations

from alembic import op

READ = "organisation_id = any ((select coalesce(nullif(current_setting('hub.orgs', true), ''), '{}')::uuid[])::uuid[])"
# Of rows that several organisations are party to, the owner among them.
PARTY = "parties && ((select coalesce(nullif(current_setting('hub.orgs', true), ''), '{}')::uuid[])::uuid[])"
WRITE = "organisation_id = (select nullif(current_setting('hub.org', true), '')::uuid)"

# The application role owns nothing and cannot bypass row security.
APP_ROLE = "hub_app"


def fence(table: str, read: str = READ, write: str = WRITE) -> None:
    """Rows are read by who may read their organisation, written by who acts for it; the owner is bound too."""
    op.execute(f"alter table {table} enable row level security")
    op.execute(f"alter table {table} force row level security")
    op.execute(f"create policy {table}_read on {table} for select using ({read})")
    op.execute(f"create policy {table}_insert on {table} for insert with check ({write})")
    op.execute(f"create policy {table}_update on {table} for update using ({write}) with check ({write})")
    op.execute(f"create policy {table}_delete on {table} for delete using ({write})")
    grant(table)


def fence_shared(table: str) -> None:
    """A table whose rows belong to one organisation and are read by every one in the column `parties` (uuid[], not
    null), which always names the owner: it alone writes, and takes a party back by leaving it out."""
    op.create_check_constraint(op.f(f"ck_{table}_parties"), table, "organisation_id = any (parties)")
    op.create_index(f"ix_{table}_parties", table, ["parties"], postgresql_using="gin")
    fence(table, read=PARTY)


def grant(table: str, rights: str = "select, insert, update, delete") -> None:
    op.execute(f"grant {rights} on {table} to {APP_ROLE}")
