-- Who may act for which organisation. What ends (a membership, a grant to a partner, an organisation) ends here, in the
-- functions everything else asks, so that no caller can forget it.

-- No organisation at or above this one is closed.
create function organisation_is_open(given uuid) returns boolean language sql stable as $$
    with recursive upward (parent_id, is_open) as (
        select parent_id, closed_at is null or closed_at > now() from organisation where id = given
        union all
        select o.parent_id, o.closed_at is null or o.closed_at > now()
        from upward u join organisation o on o.id = u.parent_id
    )
    select coalesce(bool_and(is_open), false) from upward
$$;

-- Those closed by now, with all below them: what they hold is history.
create function closed_organisations() returns uuid[] language sql stable as $$
    with recursive shut (id) as (
        select id from organisation where closed_at <= now()
        union
        select o.id from shut s join organisation o on o.parent_id = s.id
    )
    select coalesce(array_agg(id), '{}') from shut
$$;

-- The person's memberships in force. One by way of a partner lives as long as the grant to the partner, the partner, and
-- the person's own membership there; it carries what was assigned and is granted.
create function identity_memberships(given uuid)
returns table (organisation_id uuid, via_id uuid, scopes text[], created_at timestamptz) language sql stable as $$
    select m.organisation_id, m.via_id,
           case when m.via_id is null then m.scopes
                else array(select unnest(m.scopes) intersect select unnest(g.scopes) order by 1) end,
           m.created_at
    from membership m
    left join partner_grant g on g.organisation_id = m.organisation_id and g.partner_id = m.via_id
                             and g.revoked_at is null and (g.expires_at is null or g.expires_at > now())
    where m.person_id = given and m.disabled_at is null
      and (m.via_id is null
           or g.id is not null and organisation_is_open(m.via_id) and exists (
               select from membership own where own.organisation_id = m.via_id and own.person_id = given
                 and own.via_id is null and own.disabled_at is null))
$$;

-- What a person may do for an organisation, by which membership (one's own before a partner's, then the nearest above),
-- and what they read there: that organisation and those below it; by way of a partner, that organisation alone.
create function identity_acting(who uuid, org uuid)
returns table (kind text, scopes text[], readable uuid[], via_id uuid) language sql stable as $$
    with recursive upward (id, parent_id, height) as (
        select o.id, o.parent_id, 0 from organisation o where o.id = org and organisation_is_open(o.id)
        union all
        select o.id, o.parent_id, u.height + 1 from upward u join organisation o on o.id = u.parent_id
    ), member as (
        select m.scopes, m.via_id from identity_memberships(who) m join upward u on u.id = m.organisation_id
        where m.via_id is null or u.height = 0
        order by m.via_id is not null, u.height limit 1
    ), downward (id, via_id) as (
        select org, m.via_id from member m
        union all
        select o.id, null::uuid from downward d join organisation o on o.parent_id = d.id where d.via_id is null
    )
    select o.kind, m.scopes, (select array_agg(d.id) from downward d), m.via_id
    from member m cross join organisation o where o.id = org
$$;

-- What the sign-in policy of an organisation and of those above it misses in a sign-in by these methods (RFC 8176).
create function identity_unmet(org uuid, amr text[]) returns text[] language sql stable as $$
    select array_remove(array[
               case when y.second_factor = 'passkey' and not 'pop' = any (amr) then 'passkey'
                    when y.second_factor = 'any' and not 'mfa' = any (amr) then 'second_factor' end,
               case when not y.allow_password and 'pwd' = any (amr) then 'passwordless' end], null)
    from identity_policy(org) y
$$;

-- Who holds this session and what it may do. One that is older, or longer idle, than the policy lets it be is none. Until
-- the organisation is chosen, and where the policy misses something, it may change its own settings and nothing else.
create function identity_session(given bytea)
returns table (session_id uuid, csrf text, person_id uuid, email text, name text, locale text, zone text, theme text,
               density text, organisation_id uuid, kind text, scopes text[], readable uuid[], via_id uuid,
               amr text[], authenticated_at timestamptz, stepped_up_at timestamptz, unmet text[])
language sql stable security definer set search_path = pg_catalog, public, pg_temp as $$
    select l.id, l.csrf, p.id, p.email, p.name, p.locale, p.zone, p.theme, p.density,
           case when l.is_chosen then l.organisation_id end, a.kind,
           case when l.is_chosen and u.unmet = '{}' then a.scopes else '{settings:self}' end,
           case when not l.is_chosen then '{}' when u.unmet = '{}' then a.readable else array[l.organisation_id] end,
           a.via_id, l.amr, l.authenticated_at, l.stepped_up_at, case when l.is_chosen then u.unmet else '{}' end
    from login_session l
    join person p on p.id = l.person_id and p.disabled_at is null
    cross join lateral identity_acting(p.id, l.organisation_id) a
    cross join lateral identity_policy(l.organisation_id) y
    cross join lateral (select identity_unmet(l.organisation_id, l.amr) as unmet) u
    where l.token_hash = given and l.expires_at > now()
      and coalesce(l.authenticated_at + make_interval(hours => y.session_hours) > now(), true)
      and coalesce(l.last_seen_at + make_interval(mins => y.idle_minutes) > now(), true)
$$;

-- Every organisation the bound person may act for: those of a membership, all below them, those that granted a partner
-- of theirs something. `member_since` is null where only a membership above covers it.
create function identity_my_organisations()
returns table (id uuid, key text, kind text, name_zh text, name_en text, seal text, letter text, via_id uuid,
               via_zh text, via_en text, member_since timestamptz, is_home boolean, is_last boolean)
language sql stable security definer set search_path = pg_catalog, public, pg_temp as $$
    with recursive me as (
        select p.id, p.organisation_id, p.last_organisation_id from person p
        where p.id = nullif(current_setting('hub.person', true), '')::uuid
    ), mine as (
        select m.* from me cross join lateral identity_memberships(me.id) m
    ), covered (id, via_id) as (
        select mine.organisation_id, mine.via_id from mine
        union
        select o.id, null::uuid from covered c join organisation o on o.parent_id = c.id where c.via_id is null
    ), named as (
        select distinct on (c.id) c.id, c.via_id from covered c where organisation_is_open(c.id)
        order by c.id, c.via_id nulls first
    )
    select o.id, o.key, o.kind, o.name_zh, o.name_en, o.seal, o.letter, n.via_id, v.name_zh, v.name_en,
           mine.created_at, mine.via_id is null and o.id = me.organisation_id and mine.organisation_id is not null,
           o.id is not distinct from me.last_organisation_id
    from named n cross join me join organisation o on o.id = n.id
    left join organisation v on v.id = n.via_id
    left join mine on mine.organisation_id = n.id and mine.via_id is not distinct from n.via_id
    order by o.rank, o.key
$$;

-- Whoever administers people of this organisation or of one above it by a membership of their own.
create function identity_administers(given uuid, place uuid) returns boolean language sql stable as $$
    with recursive upward (id, parent_id) as (
        select id, parent_id from organisation where id = place
        union all
        select o.id, o.parent_id from upward u join organisation o on o.id = u.parent_id
    )
    select exists (
        select from person p cross join lateral identity_memberships(p.id) m join upward u on u.id = m.organisation_id
        where p.id = given and p.disabled_at is null and m.via_id is null and 'people:write' = any (m.scopes))
$$;

-- Who asks by e-mail: the account itself, or the one it was merged into.
create or replace function identity_account(given text)
returns table (id uuid, organisation_id uuid, password_hash text, name text, locale text)
language sql stable security definer set search_path = pg_catalog, public, pg_temp as $$
    select a.id, a.organisation_id, a.password_hash, a.name, a.locale
    from person p join person a on a.id = coalesce(p.merged_into_id, p.id)
    where p.email = given and a.disabled_at is null
$$;

-- An address that was given up can be taken back for a while; until then nobody else gets it.
create or replace function identity_is_taken(given text) returns boolean
language sql stable security definer set search_path = pg_catalog, public, pg_temp as $$
    select exists (select from person where email = given)
        or exists (select from email_change where old_email = given and undo_until > now() and undone_at is null)
$$;

-- Whoever may give a new password is given nothing beyond what is theirs: a partner's own administrators assign what
-- their people may do elsewhere anyway, so that does not count.
create or replace function identity_keepers(given uuid) returns uuid[]
language sql stable security definer set search_path = pg_catalog, public, pg_temp as $$
    with recursive place (id) as (
        select organisation_id from person where person.id = given
        union
        select organisation_id from membership where person_id = given and via_id is null
    ), upward (origin, id, height) as (
        select id, id, 0 from place
        union all
        select u.origin, o.parent_id, u.height + 1 from upward u join organisation o on o.id = u.id
        where o.parent_id is not null
    ), above (id, height) as (
        select id, max(height) from upward group by id having count(*) = (select count(*) from place)
    )
    select array_agg(id order by height) from above
$$;

create or replace function identity_agent(given uuid)
returns table (organisation_id uuid, name text, public_jwk jsonb, is_disabled boolean, granted uuid[])
language sql stable security definer set search_path = pg_catalog, public, pg_temp as $$
    select a.organisation_id, a.name, a.public_jwk,
           a.disabled_at is not null or not organisation_is_open(a.organisation_id),
           coalesce((select array_agg(distinct g.organisation_id) from agent_grant g
                     where g.agent_id = a.id and organisation_is_open(g.organisation_id)), '{}')
    from agent a where a.id = given
$$;

create or replace function identity_enrol(given bytea, jwk jsonb) returns table (agent_id uuid, organisation_id uuid)
language sql security definer set search_path = pg_catalog, public, pg_temp as $$
    update agent set public_jwk = jwk, enrol_hash = null, enrol_expires_at = null, enrolled_at = now()
    where enrol_hash = given and enrol_expires_at > now() and disabled_at is null
      and organisation_is_open(agent.organisation_id)
    returning id, organisation_id
$$;

-- Sessions end with what they stand on, and do not come back with it. Of an organisation: those that act for it or for
-- one below it.
create function identity_end_sessions(place uuid, whose uuid) returns void language sql as $$
    with recursive downward (id) as (
        select place
        union
        select o.id from downward d join organisation o on o.parent_id = d.id
    )
    delete from login_session where organisation_id in (select id from downward)
      and (whose is null or person_id = whose)
$$;

create function identity_ended() returns trigger
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
begin
    case tg_table_name
        when 'person' then delete from login_session where person_id = new.id;
        when 'membership' then perform identity_end_sessions(old.organisation_id, old.person_id);
        when 'organisation' then perform identity_end_sessions(new.id, null);
        when 'partner_grant' then
            delete from membership where organisation_id = new.organisation_id and via_id = new.partner_id;
    end case;
    return null;
end
$$;
create trigger person_ended after update of disabled_at on person
    for each row when (new.disabled_at is not null) execute function identity_ended();
create trigger membership_gone after delete on membership for each row execute function identity_ended();
create trigger membership_disabled after update of disabled_at on membership
    for each row when (new.disabled_at is not null) execute function identity_ended();
-- A day still to come ends nothing yet; whoever is reopened signs in anew.
create trigger organisation_ended after update of closed_at on organisation for each row
    when (new.closed_at <= clock_timestamp() or old.closed_at <= clock_timestamp()) execute function identity_ended();
create trigger partner_grant_ended after update of revoked_at on partner_grant
    for each row when (new.revoked_at is not null) execute function identity_ended();

-- Current stock of whoever still belongs to the group, with the reader's own rights.
create view live_holding with (security_invoker = true) as
    select * from holding where organisation_id <> all ((select closed_organisations())::uuid[]);
