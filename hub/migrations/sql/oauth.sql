-- What the OpenID provider asks before anyone is known. Codes and tokens come as digests; each is redeemed by one
-- statement that locks its row, so that of many at once one wins.

-- A client that may be used, with the digests of its living secrets. The agents' client exists from its first use on.
create function oauth_client_of(given text)
returns table (id uuid, organisation_id uuid, owner_zh text, owner_en text, readable uuid[], client_id text, name text,
               application_type text, token_endpoint_auth_method text, redirect_uris text[],
               post_logout_redirect_uris text[], grant_types text[], scopes text[], jwks jsonb, is_trusted boolean,
               secrets jsonb) language sql as $$
    insert into oauth_client (id, organisation_id, client_id, name, application_type, token_endpoint_auth_method,
                                  redirect_uris, post_logout_redirect_uris, grant_types, scopes, is_trusted)
    select gen_random_uuid(), o.id, given, 'hub-agent', 'native', 'none', '{}', '{}',
               '{urn:ietf:params:oauth:grant-type:device_code}', '{systems:write}', false
        from organisation o
        where given = 'hub-agent' and o.parent_id is null
          and not exists (select from oauth_client c where c.client_id = given)
        order by o.created_at limit 1
        on conflict (client_id) do nothing;
    with recursive covered (id) as (
        select c.organisation_id from oauth_client c where c.client_id = given
        union
        select o.id from covered v join organisation o on o.parent_id = v.id
    )
    select c.id, c.organisation_id, o.name_zh, o.name_en, (select array_agg(v.id) from covered v), c.client_id, c.name,
           c.application_type, c.token_endpoint_auth_method, c.redirect_uris, c.post_logout_redirect_uris,
           c.grant_types, c.scopes, c.jwks, c.is_trusted,
           (select jsonb_object_agg(s.id, encode(s.secret_hash, 'hex')) from oauth_client_secret s
            where s.client_id = c.id and (s.expires_at is null or s.expires_at > now()))
    from oauth_client c join organisation o on o.id = c.organisation_id
    where c.client_id = given and c.disabled_at is null and organisation_is_open(o.id)
$$;

-- A grant as long as it lives: its person, client, session and membership do, and the sign-in it was made on still
-- meets the organisation's policy.
create function oauth_grant_state(given uuid)
returns table (grant_id uuid, client_id text, person_id uuid, email text, name text, locale text, zone text, theme text,
               density text, home_id uuid, organisation_id uuid, kind text, scopes text[], held text[], readable uuid[],
               session_id uuid, is_offline boolean, authenticated_at timestamptz, amr text[])
language sql stable as $$
    select g.id, c.client_id, p.id, p.email, p.name, p.locale, p.zone, p.theme, p.density, p.organisation_id,
           g.organisation_id, a.kind, g.scopes, a.scopes, a.readable, g.session_id, g.is_offline, g.authenticated_at, g.amr
    from oauth_grant g
    join oauth_client c on c.id = g.client_id and c.disabled_at is null
    join organisation o on o.id = c.organisation_id and organisation_is_open(o.id)
    join person p on p.id = g.person_id and p.disabled_at is null
    cross join lateral identity_acting(p.id, g.organisation_id) a
    where g.id = given and g.revoked_at is null and g.expires_at > now()
      and identity_unmet(g.organisation_id, g.amr) = '{}'
      and (g.is_offline or exists (select from login_session l where l.id = g.session_id and l.expires_at > now()))
$$;

create function oauth_keep_code(given bytea, for_grant uuid, uri text, challenge text, once text, seconds int)
returns void language sql as $$
    insert into oauth_code (code_hash, grant_id, redirect_uri, code_challenge, nonce, expires_at)
    values (given, for_grant, uri, challenge, once, clock_timestamp() + make_interval(secs => seconds))
$$;

-- A code that comes twice was stolen: what the first redemption gave dies with it (RFC 9700 §4.2.4).
create function oauth_redeem_code(given bytea, client uuid)
returns table (grant_id uuid, redirect_uri text, code_challenge text, nonce text) language plpgsql as $$
begin
    return query
    update oauth_code c set used_at = clock_timestamp() from oauth_grant g
    where c.code_hash = given and c.used_at is null and c.expires_at > clock_timestamp()
      and g.id = c.grant_id and g.client_id = client
    returning c.grant_id, c.redirect_uri::text, c.code_challenge::text, c.nonce::text;
    if not found then
        update oauth_grant g set revoked_at = clock_timestamp() from oauth_code c
        where c.code_hash = given and c.used_at is not null and g.id = c.grant_id and g.client_id = client
          and g.revoked_at is null;
    end if;
end
$$;

create function oauth_keep_refresh(given bytea, for_grant uuid, idle_days int) returns void language sql as $$
    insert into oauth_refresh_token (token_hash, grant_id, expires_at)
    values (given, for_grant, clock_timestamp() + make_interval(days => idle_days))
$$;

-- Within the grace a token that comes again is answered as the first time: `successor` is the new token, masked with
-- the old one, so that only who holds the old one reads it. After the grace the whole grant dies.
create function oauth_rotate(given bytea, client uuid, next_hash bytea, masked bytea, idle_days int, grace int)
returns table (grant_id uuid, successor bytea) language plpgsql as $$
declare
    kept oauth_refresh_token;
begin
    select t.* into kept from oauth_refresh_token t join oauth_grant g on g.id = t.grant_id
    where t.token_hash = given and g.client_id = client and t.expires_at > clock_timestamp() for update of t;
    if not found then
        return;
    end if;
    if kept.used_at is null then
        update oauth_refresh_token t set used_at = clock_timestamp(), successor = masked where t.token_hash = given;
        perform oauth_keep_refresh(next_hash, kept.grant_id, idle_days);
        return query select kept.grant_id, masked;
    elsif kept.used_at > clock_timestamp() - make_interval(secs => grace) then
        return query select kept.grant_id, kept.successor;
    else
        update oauth_grant g set revoked_at = clock_timestamp() where g.id = kept.grant_id and g.revoked_at is null;
    end if;
end
$$;

create function oauth_refresh_grant(given bytea) returns table (grant_id uuid, expires_at timestamptz)
language sql stable as $$
    select t.grant_id, t.expires_at from oauth_refresh_token t
    where t.token_hash = given and t.used_at is null and t.expires_at > now()
$$;

create function oauth_revoke_grant(given uuid, client text) returns void language sql as $$
    update oauth_grant g set revoked_at = clock_timestamp() from oauth_client c
    where g.id = given and c.id = g.client_id and c.client_id = client and g.revoked_at is null
$$;

create function oauth_start_device(device bytea, code bytea, client uuid, wanted text[], seconds int, wait int)
returns void language sql as $$
    insert into oauth_device_code (device_hash, user_code_hash, client_id, scopes, wait, expires_at)
    values (device, code, client, wanted, wait, clock_timestamp() + make_interval(secs => seconds))
$$;

create function oauth_find_device(code bytea) returns table (client_id text, scopes text[]) language sql stable as $$
    select c.client_id, d.scopes from oauth_device_code d join oauth_client c on c.id = d.client_id
    where d.user_code_hash = code and d.decided_at is null and d.expires_at > now()
$$;

-- `for_grant` null: refused. Once.
create function oauth_decide_device(code bytea, for_grant uuid) returns boolean language sql as $$
    with decided as (
        update oauth_device_code d set decided_at = clock_timestamp(), grant_id = for_grant
        where d.user_code_hash = code and d.decided_at is null and d.expires_at > clock_timestamp()
        returning 1)
    select exists (select from decided)
$$;

-- RFC 8628 §3.5; who asks too often waits five seconds longer each time.
create function oauth_poll_device(given bytea, client uuid) returns table (state text, grant_id uuid)
language plpgsql as $$
declare
    kept oauth_device_code;
begin
    select d.* into kept from oauth_device_code d where d.device_hash = given and d.client_id = client for update;
    if not found or kept.used_at is not null then
        return query select 'invalid_grant', null::uuid;
    elsif kept.expires_at < clock_timestamp() then
        return query select 'expired_token', null::uuid;
    elsif kept.decided_at is not null and kept.grant_id is null then
        return query select 'access_denied', null::uuid;
    elsif kept.grant_id is not null then
        update oauth_device_code d set used_at = clock_timestamp() where d.device_hash = given;
        return query select 'granted', kept.grant_id;
    elsif kept.polled_at > clock_timestamp() - make_interval(secs => kept.wait) then
        update oauth_device_code d set wait = kept.wait + 5, polled_at = clock_timestamp() where d.device_hash = given;
        return query select 'slow_down', null::uuid;
    else
        update oauth_device_code d set polled_at = clock_timestamp() where d.device_hash = given;
        return query select 'authorization_pending', null::uuid;
    end if;
end
$$;

-- What is spent once by its name: assertions of clients, single access tokens revoked before their end.
create function oauth_spend(given text, until timestamptz) returns boolean language sql as $$
    with spent as (
        insert into oauth_spent (name, expires_at) values (given, until) on conflict (name) do nothing returning 1)
    select exists (select from spent)
$$;

create function oauth_is_spent(given text) returns boolean language sql stable as $$
    select exists (select from oauth_spent where name = given)
$$;

create function oauth_use_registration(given bytea) returns table (organisation_id uuid) language sql as $$
    update oauth_registration_token t set uses_left = uses_left - 1 from organisation o
    where t.token_hash = given and t.uses_left > 0 and t.expires_at > clock_timestamp()
      and o.id = t.organisation_id and organisation_is_open(o.id)
    returning t.organisation_id
$$;

create function oauth_registered(given bytea) returns table (organisation_id uuid, id uuid, client_id text)
language sql stable as $$
    select c.organisation_id, c.id, c.client_id from oauth_client c
    where c.registration_hash = given and c.disabled_at is null
$$;

create function oauth_forget(days int) returns bigint language sql as $$
    with gone_grants as (
        delete from oauth_grant where least(expires_at, coalesce(revoked_at, expires_at)) < now() - make_interval(days => days)
        returning 1
    ), gone_codes as (
        delete from oauth_code where expires_at < now() - interval '1 day' returning 1
    ), gone_tokens as (
        delete from oauth_refresh_token where expires_at < now() - make_interval(days => days) returning 1
    ), gone_devices as (
        delete from oauth_device_code where expires_at < now() - interval '1 day' returning 1
    ), gone_names as (
        delete from oauth_spent where expires_at < now() returning 1
    ), gone_keys as (
        delete from oauth_signing_key where ends_at < now() returning 1
    )
    select (select count(*) from gone_grants) + (select count(*) from gone_codes) + (select count(*) from gone_tokens)
         + (select count(*) from gone_devices) + (select count(*) from gone_names) + (select count(*) from gone_keys)
$$;

create function oauth_logout_uri(client text) returns text language sql stable as $$
    select backchannel_logout_uri from oauth_client where client_id = client
$$;

create function oauth_my_consents()
returns table (client uuid, name text, organisation_zh text, organisation_en text, scopes text[], created_at timestamptz)
language sql stable as $$
    select c.id, c.name, o.name_zh, o.name_en, k.scopes, k.created_at
    from oauth_consent k join oauth_client c on c.id = k.client_id join organisation o on o.id = k.organisation_id
    where k.person_id = nullif(current_setting('hub.person', true), '')::uuid order by k.created_at desc
$$;
