-- How people come to organisations and leave them: invitations, grants to partners, new addresses, united accounts.
-- Whatever works once is one UPDATE … RETURNING.

-- An invitation that can still be used: whoever made it administers the organisation still.
create function identity_is_invited(i invitation) returns boolean language sql stable as $$
    select i.used_at is null and i.revoked_at is null and i.expires_at > now() and organisation_is_open(i.organisation_id)
       and identity_administers(i.invited_by, i.organisation_id)
$$;

-- What a link opens, without spending it. `is_proven`: it was mailed to `email`, so whoever opened it reads that mail.
create function identity_invitation(given bytea, proof bytea)
returns table (id uuid, organisation_id uuid, kind text, name_zh text, name_en text, roles text[], email text,
               name text, locale text, invited_by text, is_proven boolean, account_id uuid)
language sql stable security definer set search_path = pg_catalog, public, pg_temp as $$
    select i.id, o.id, o.kind, o.name_zh, o.name_en, i.roles, i.email, i.name, i.locale, p.name,
           coalesce(i.proof_hash = proof, false),
           case when i.proof_hash = proof then (select a.id from identity_account(i.email) a) end
    from invitation i join organisation o on o.id = i.organisation_id join person p on p.id = i.invited_by
    where i.token_hash = given and identity_is_invited(i)
$$;

create function identity_redeem_invitation(given bytea)
returns table (id uuid, organisation_id uuid, kind text, roles text[])
language sql security definer set search_path = pg_catalog, public, pg_temp as $$
    update invitation i set used_at = now() from organisation o
    where i.token_hash = given and i.used_at is null and identity_is_invited(i) and o.id = i.organisation_id
    returning i.id, o.id, o.kind, i.roles
$$;

-- Whoever holds the link says where to mail it.
create function identity_address_invitation(given bytea, address text, proof bytea)
returns table (organisation_id uuid, locale text, name text)
language sql security definer set search_path = pg_catalog, public, pg_temp as $$
    update invitation i set email = address, proof_hash = proof
    where i.token_hash = given and i.used_at is null and identity_is_invited(i)
    returning i.organisation_id, i.locale, i.name
$$;

-- An open organisation by its exact key: whom one grants something.
create function identity_partner(given text) returns table (id uuid, kind text, name_zh text, name_en text)
language sql stable security definer set search_path = pg_catalog, public, pg_temp as $$
    select id, kind, name_zh, name_en from organisation where key = given and organisation_is_open(id)
$$;

-- Grants that the caller's organisations gave or were given, with the names of both sides.
create function identity_partner_grants()
returns table (id uuid, organisation_id uuid, giver_key text, giver_zh text, giver_en text, giver_kind text,
               partner_id uuid, partner_key text, partner_zh text, partner_en text, roles text[], scopes text[],
               expires_at timestamptz, revoked_at timestamptz, created_at timestamptz, is_live boolean, is_given boolean,
               people int)
language sql stable security definer set search_path = pg_catalog, public, pg_temp as $$
    with bound as (select coalesce(nullif(current_setting('hub.orgs', true), ''), '{}')::uuid[] as orgs)
    select g.id, a.id, a.key, a.name_zh, a.name_en, a.kind, p.id, p.key, p.name_zh, p.name_en, g.roles, g.scopes,
           g.expires_at, g.revoked_at, g.created_at,
           g.revoked_at is null and (g.expires_at is null or g.expires_at > now())
               and organisation_is_open(a.id) and organisation_is_open(p.id),
           a.id = any (b.orgs),
           (select count(*)::int from membership m where m.organisation_id = a.id and m.via_id = p.id
               and g.revoked_at is null)
    from bound b join partner_grant g on g.organisation_id = any (b.orgs) or g.partner_id = any (b.orgs)
    join organisation a on a.id = g.organisation_id join organisation p on p.id = g.partner_id
    order by g.created_at desc, g.id
$$;

-- Who of the partner has access by a grant: for both sides. What they may do is what both sides allow.
create function identity_partner_people(given uuid)
returns table (person_id uuid, name text, email text, scopes text[], created_at timestamptz)
language sql stable security definer set search_path = pg_catalog, public, pg_temp as $$
    with bound as (select coalesce(nullif(current_setting('hub.orgs', true), ''), '{}')::uuid[] as orgs)
    select p.id, p.name, p.email, live.scopes, m.created_at
    from bound b join partner_grant g on g.id = given and (g.organisation_id = any (b.orgs) or g.partner_id = any (b.orgs))
    join membership m on m.organisation_id = g.organisation_id and m.via_id = g.partner_id and g.revoked_at is null
    join person p on p.id = m.person_id
    left join lateral (select l.scopes from identity_memberships(p.id) l
                       where l.organisation_id = m.organisation_id and l.via_id = m.via_id) live on true
    order by p.name, p.id
$$;

-- The acting partner lets one of its own people use a grant; false where it may not, or the person acts for the giver
-- already by another way.
create function identity_assign_partner(given uuid, whom uuid, wanted text[]) returns boolean
language sql security definer set search_path = pg_catalog, public, pg_temp as $$
    with made as (
        insert into membership as m (organisation_id, person_id, scopes, via_id)
        select g.organisation_id, own.person_id,
               array(select unnest(wanted) intersect select unnest(g.scopes) order by 1), g.partner_id
        from partner_grant g join membership own on own.organisation_id = g.partner_id and own.person_id = whom
        where g.id = given and g.partner_id = nullif(current_setting('hub.org', true), '')::uuid
          and g.revoked_at is null and (g.expires_at is null or g.expires_at > now())
          and own.via_id is null and own.disabled_at is null
          and organisation_is_open(g.organisation_id) and organisation_is_open(g.partner_id)
        on conflict (organisation_id, person_id) do update set scopes = excluded.scopes where m.via_id = excluded.via_id
        returning 1)
    select exists (select from made)
$$;

-- Either side ends one person's access.
create function identity_unassign_partner(given uuid, whom uuid) returns boolean
language sql security definer set search_path = pg_catalog, public, pg_temp as $$
    with gone as (
        delete from membership m using partner_grant g
        where g.id = given and m.organisation_id = g.organisation_id and m.via_id = g.partner_id and m.person_id = whom
          and nullif(current_setting('hub.org', true), '')::uuid in (g.organisation_id, g.partner_id)
        returning 1)
    select exists (select from gone)
$$;

-- Makes the mailed address the sign-in name; null `person_id`: the address was taken meanwhile. Links on their way to
-- the old address open nothing any more.
create function identity_redeem_email(given bytea, undo bytea)
returns table (person_id uuid, email text, old_email text, name text, locale text)
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
begin
    return query
    with used as (
        update email_change c set used_at = now(), undo_hash = undo, undo_until = now() + interval '7 days',
               old_email = p.email
        from person p
        where c.token_hash = given and c.used_at is null and c.expires_at > now() and p.id = c.person_id
          and p.disabled_at is null and not identity_is_taken(c.email)
        returning c.id, p.id as person_id, c.email, p.email as old_email, p.name, p.locale
    ), older as (
        update email_change c set expires_at = now() from used
        where c.person_id = used.person_id and c.id <> used.id and c.used_at is null
    ), links as (
        update one_time_link l set used_at = now() from used where l.person_id = used.person_id and l.used_at is null
    ), named as (
        update person p set email = used.email from used where p.id = used.person_id
    )
    select used.person_id, used.email::text, used.old_email::text, used.name::text, used.locale::text from used;
end
$$;

-- Whoever still reads the old address takes the account back: with every session, link and later change undone.
create function identity_undo_email(given bytea) returns table (person_id uuid, email text)
language sql security definer set search_path = pg_catalog, public, pg_temp as $$
    with undone as (
        update email_change c set undone_at = now() from person p
        where c.undo_hash = given and c.undone_at is null and c.undo_until > now() and p.id = c.person_id
        returning c.id, c.person_id, c.old_email
    ), later as (
        update email_change c set expires_at = now(), undone_at = now() from undone u
        where c.person_id = u.person_id and c.id <> u.id
    ), links as (
        update one_time_link l set used_at = now() from undone u where l.person_id = u.person_id and l.used_at is null
    ), sessions as (
        delete from login_session s using undone u where s.person_id = u.person_id
    ), named as (
        update person p set email = u.old_email from undone u where p.id = u.person_id
    )
    select person_id, old_email from undone
$$;

-- Unites the account that made the token with the bound person, who stays: memberships move, sessions and links end, the
-- other one's e-mail leads to this one. A membership of one's own is kept before one by way of a partner.
create function identity_merge(given bytea)
returns table (merged_id uuid) language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
declare
    stays uuid := nullif(current_setting('hub.person', true), '')::uuid;
    goes uuid;
begin
    update account_merge m set used_at = now() from person p
    where m.token_hash = given and m.used_at is null and m.expires_at > now() and p.id = m.person_id
      and p.disabled_at is null and p.id <> stays and exists (select from person s where s.id = stays)
    returning m.person_id into goes;
    if goes is null then return; end if;
    insert into membership as m (organisation_id, person_id, scopes, via_id, created_at)
    select organisation_id, stays, old.scopes, old.via_id, old.created_at from membership old
    where old.person_id = goes and old.disabled_at is null
    on conflict (organisation_id, person_id) do update set
        via_id = case when excluded.via_id is null then null else m.via_id end,
        scopes = case when m.via_id is not distinct from excluded.via_id
                      then array(select unnest(m.scopes) union select unnest(excluded.scopes) order by 1)
                      when m.via_id is null then m.scopes else excluded.scopes end
    where m.disabled_at is null and (m.via_id is null or excluded.via_id is null or m.via_id = excluded.via_id);
    delete from membership where person_id = goes;
    delete from one_time_link where person_id = goes;
    delete from email_change where person_id = goes and used_at is null;
    update person set merged_into_id = stays where id = goes or merged_into_id = goes;
    update person set password_hash = null, disabled_at = now() where id = goes;
    merged_id := goes;
    return next;
end
$$;

-- Forgets a person and keeps the row's id, so that what points at it goes on pointing at somebody. All that hangs on the
-- person by a cascading key goes: memberships, sessions, links, factors. The caller must act for one of the keepers.
create function identity_erase(given uuid, pseudonym text) returns boolean
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
declare
    before text := current_setting('hub.person', true);
    address text;
    held record;
begin
    select email into address from person where id = given and erased_at is null
      and nullif(current_setting('hub.org', true), '')::uuid = any (identity_keepers(given)) for update;
    if address is null then return false; end if;
    perform set_config('hub.person', given::text, true);
    for held in
        select c.conrelid::regclass as place, a.attname as column from pg_constraint c
        join pg_attribute a on a.attrelid = c.conrelid and a.attnum = c.conkey[1]
        where c.contype = 'f' and c.confrelid = 'person'::regclass and c.confdeltype = 'c'
    loop execute format('delete from %s where %I = $1', held.place, held.column) using given; end loop;
    perform set_config('hub.person', coalesce(before, ''), true);
    delete from mail where recipient = address;
    update invitation set email = null, proof_hash = null, name = null where email = address;
    update person set email = pseudonym || '@erased.invalid', name = pseudonym, password_hash = null,
           disabled_at = coalesce(disabled_at, now()), erased_at = now()
    where id = given;
    -- Accounts that were merged into this one bear the same person's addresses.
    update person set email = id::text || '@erased.invalid', name = pseudonym, erased_at = now() where merged_into_id = given;
    return true;
end
$$;

-- Addresses are kept no longer than they are of use: of invitations that are over, of changes that cannot be undone.
create function identity_forget_joining(days int) returns bigint
language sql security definer set search_path = pg_catalog, public, pg_temp as $$
    with gone_invitations as (
        delete from invitation where coalesce(used_at, revoked_at, expires_at) < now() - make_interval(days => days)
        returning 1
    ), gone_changes as (
        delete from email_change where greatest(expires_at, undo_until) < now() - make_interval(days => days) returning 1
    ), gone_merges as (
        delete from account_merge where expires_at < now() returning 1
    )
    select (select count(*) from gone_invitations) + (select count(*) from gone_changes)
         + (select count(*) from gone_merges)
$$;
