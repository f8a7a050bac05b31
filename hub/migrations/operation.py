"""What the kernel's migration adds beside its tables: the job queue, the outbox relay's functions, the founding of
the group. Definer functions belong to the owner, whom row security binds too: a policy of its own lets it through."""

from __future__ import annotations

from alembic import op
from procrastinate.schema import SchemaManager

from hub.migrations.fences import APP_ROLE

RELAY = """
create sequence outbox_seq;

create policy outbox_relay on outbox to current_user using (true) with check (true);

create function outbox_number(most int) returns setof outbox
language sql security definer set search_path = pg_catalog, public, pg_temp as $$
    with fresh as (select id from outbox where seq is null order by id limit most for update),
         numbered as (select id, nextval('outbox_seq') as seq from (select id from fresh order by id) ordered)
    update outbox set seq = numbered.seq from numbered where outbox.id = numbered.id returning outbox.*
$$;

create function outbox_forget(days int) returns bigint
language sql security definer set search_path = pg_catalog, public, pg_temp as $$
    with gone as (
        delete from outbox where seq is not null and created_at < clock_timestamp() - make_interval(days => days)
        returning 1)
    select count(*) from gone
$$;

-- Whoever inserts, the relay wakes: one notification per statement, sent by PostgreSQL at commit.
create function outbox_notify() returns trigger language plpgsql set search_path = pg_catalog as $$
begin
    perform pg_notify('outbox', '');
    return null;
end $$;
create trigger outbox_notify after insert on outbox for each statement execute function outbox_notify();

-- Ids only: metrics, retention and the relay pass over all organisations, bound to them like any reader.
create function all_organisations() returns uuid[]
language sql stable security definer set search_path = pg_catalog, public, pg_temp as $$
    select coalesce(array_agg(id order by id), '{}') from organisation
$$;

create policy organisation_root on organisation to current_user using (true) with check (parent_id is null);
"""

UNDO_RELAY = """
drop function outbox_number(int);
drop function outbox_forget(int);
drop function outbox_notify() cascade;
drop function all_organisations();
drop policy outbox_relay on outbox;
drop policy organisation_root on organisation;
drop sequence outbox_seq;
"""

FUNCTIONS = ("outbox_number(int)", "outbox_forget(int)", "all_organisations()")
JOB_TABLES = "procrastinate_jobs, procrastinate_events, procrastinate_workers, procrastinate_periodic_defers"

UNDO_JOBS = f"""
drop table {JOB_TABLES} cascade;
do $$
declare thing record;
begin
    for thing in select oid::regprocedure as name from pg_proc
                 where proname like 'procrastinate%' and pronamespace = 'public'::regnamespace
    loop execute format('drop function %s cascade', thing.name); end loop;
end $$;
drop type procrastinate_job_to_defer_v1, procrastinate_job_status, procrastinate_job_event_type;
"""


def install() -> None:
    """The queue's schema comes from its package, so that a fresh database always fits the installed version."""
    _run(SchemaManager.get_schema())
    _run(RELAY)
    op.execute(f"grant select, insert, update, delete on {JOB_TABLES} to {APP_ROLE}")
    op.execute(f"grant usage, select on all sequences in schema public to {APP_ROLE}")
    op.execute(f"grant select on alembic_version to {APP_ROLE}")
    op.execute(f"revoke update, delete on outbox from {APP_ROLE}")
    for function in FUNCTIONS:
        op.execute(f"revoke all on function {function} from public")
        op.execute(f"grant execute on function {function} to {APP_ROLE}")


def remove() -> None:
    _run(UNDO_RELAY)
    _run(UNDO_JOBS)


def _run(statements: str) -> None:
    """Several statements, sent as they are: percent signs in them are no placeholders."""
    cursor = op.get_bind().connection.cursor()
    cursor.execute(statements)
    cursor.close()
