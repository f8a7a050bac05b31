-- Every person is known to the audit log by a pseudonym alone.
create function audit_subject_made() returns trigger
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
begin
    insert into audit_subject (pseudonym, person_id) values (gen_random_uuid(), new.id);
    return null;
end $$;
create trigger audit_subject_made after insert on person for each row execute function audit_subject_made();

-- The only way into the log. It writes into the logs of organisations the caller does not act for, in the name of the
-- bound caller or of nobody. An event that concerns no organisation known stands in the log of the group.
create function audit_record(events jsonb) returns void
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
declare me uuid := nullif(current_setting('hub.person', true), '')::uuid;
begin
    if exists (select from jsonb_array_elements(events) e where (e ->> 'actor')::uuid <> coalesce(me, '00000000-0000-0000-0000-000000000000')) then
        raise insufficient_privilege using message = 'An audit event names another actor than the bound caller.';
    end if;
    insert into audit_event (organisation_id, event_id, at, action, actor_kind, actor, acting_for, object_kind,
                             object_id, detail, request_id, trace_id, network)
    select o.id, e.event_id, e.at, e.action, e.actor_kind,
           case when e.actor_kind = 'person' then who.pseudonym else e.actor end, coalesce(acting.key, ''), e.object_kind,
           case when e.object_kind = 'person' then coalesce(whom.pseudonym::text, '') else e.object_id end,
           e.detail, e.request_id, e.trace_id, e.network
    from jsonb_to_recordset(events) as e(event_id uuid, at timestamptz, organisations uuid[], action text,
        actor_kind text, actor uuid, acting_for uuid, object_kind text, object_id text, detail jsonb, request_id text,
        trace_id text, network text)
    cross join lateral (
        select distinct unnest(case when cardinality(e.organisations) > 0 then e.organisations
            else array(select g.id from organisation g where g.parent_id is null order by g.created_at limit 1) end)
    ) as o(id)
    left join audit_subject who on who.person_id = e.actor
    left join audit_subject whom on whom.person_id = case when e.object_kind = 'person' then nullif(e.object_id, '')::uuid end
    left join organisation acting on acting.id = e.acting_for;
end $$;

-- One more seal of an organisation's chain. The primary key lets one of several win; the sealer waits for its turn.
create function audit_close(org uuid, given bigint, at timestamptz, ids uuid[], leaves bytea[], before bytea,
                            made bytea, signed bytea) returns void
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
declare
    closed bigint;
    head record;
begin
    select s.number, s.digest into head from (
        select number, digest from audit_seal where organisation_id = org
        union all select number, digest from audit_anchor where organisation_id = org) s
    order by s.number desc limit 1;
    if given <> coalesce(head.number, 0) + 1 or before <> coalesce(head.digest, ''::bytea)
        or abs(extract(epoch from clock_timestamp() - at)) > 300 or cardinality(ids) <> cardinality(leaves) then
        raise serialization_failure using message = 'The seal does not follow the last one of this organisation.';
    end if;
    insert into audit_seal (organisation_id, number, sealed_at, events, digests, previous, digest, mark)
    values (org, given, at, ids, leaves, before, made, signed);
    update audit_event e set seal = given, position = s.place
    from unnest(ids) with ordinality as s(event_id, place)
    where e.organisation_id = org and e.event_id = s.event_id and e.seal is null;
    get diagnostics closed = row_count;
    if closed <> cardinality(ids) then
        raise serialization_failure using message = 'A row of the seal is sealed already, or not there.';
    end if;
end $$;

-- Whole seals past their days, never younger than half a year, whatever the program asks. The last one becomes the
-- anchor that the chain goes on from.
create function audit_forget(org uuid, days int) returns table (number bigint, digest bytea, events bigint)
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
#variable_conflict use_column
declare
    last audit_seal;
    gone bigint;
begin
    select * into last from audit_seal
    where organisation_id = org and sealed_at < now() - make_interval(days => greatest(days, 180))
    order by number desc limit 1;
    if last.number is null then return; end if;
    insert into audit_anchor (organisation_id, number, digest, sealed_at, forgotten_at)
    values (org, last.number, last.digest, last.sealed_at, now())
    on conflict (organisation_id) do update set number = excluded.number, digest = excluded.digest,
        sealed_at = excluded.sealed_at, forgotten_at = excluded.forgotten_at;
    delete from audit_event where organisation_id = org and seal <= last.number;
    get diagnostics gone = row_count;
    delete from audit_seal where organisation_id = org and number <= last.number;
    return query select last.number, last.digest, gone;
end $$;

create function audit_forget_person(person uuid) returns boolean
language sql security definer set search_path = pg_catalog, public, pg_temp as $$
    with gone as (delete from audit_subject where person_id = person returning 1) select exists (select from gone)
$$;

-- Append-only, for the owner too: a row is sealed once, and goes when it lies behind the anchor.
create function audit_keep_event() returns trigger language plpgsql set search_path = pg_catalog, public, pg_temp as $$
declare before audit_event;
begin
    if tg_op = 'UPDATE' then
        before := new;
        before.seal := null;
        before.position := null;
        if new.seal is not null and new.position is not null and before is not distinct from old then return new; end if;
    elsif tg_op = 'DELETE' then
        if exists (select from audit_anchor a where a.organisation_id = old.organisation_id and old.seal <= a.number)
        then return old; end if;
    end if;
    raise restrict_violation using message = 'The audit log is append-only.';
end $$;

create function audit_keep_seal() returns trigger language plpgsql set search_path = pg_catalog, public, pg_temp as $$
begin
    if tg_op = 'DELETE' then
        if exists (select from audit_anchor a where a.organisation_id = old.organisation_id and old.number <= a.number)
        then return old; end if;
    end if;
    raise restrict_violation using message = 'Seals of the audit log are never changed.';
end $$;

create function audit_keep_anchor() returns trigger language plpgsql set search_path = pg_catalog, public, pg_temp as $$
begin
    if tg_op = 'UPDATE' then
        if new.organisation_id = old.organisation_id and new.number > old.number then return new; end if;
    end if;
    raise restrict_violation using message = 'The anchor of the audit log only moves on.';
end $$;

create trigger audit_keep before update or delete on audit_event for each row execute function audit_keep_event();
create trigger audit_keep before update or delete on audit_seal for each row execute function audit_keep_seal();
create trigger audit_keep before update or delete on audit_anchor for each row execute function audit_keep_anchor();
create trigger audit_keep_all before truncate on audit_event for each statement execute function audit_keep_event();
create trigger audit_keep_all before truncate on audit_seal for each statement execute function audit_keep_seal();
create trigger audit_keep_all before truncate on audit_anchor for each statement execute function audit_keep_anchor();
