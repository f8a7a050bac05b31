-- As before; who calls learns whose grant a reuse has ended, and at which organisation, so that it can be told.

-- A code that comes twice was stolen: what the first redemption gave dies with it (RFC 9700 §4.2.4).
create function oauth_redeem_code(given bytea, client uuid)
returns table (grant_id uuid, redirect_uri text, code_challenge text, nonce text,
               ended_organisation_id uuid, ended_person_id uuid) language plpgsql as $$
begin
    return query
    update oauth_code c set used_at = clock_timestamp() from oauth_grant g
    where c.code_hash = given and c.used_at is null and c.expires_at > clock_timestamp()
      and g.id = c.grant_id and g.client_id = client
    returning c.grant_id, c.redirect_uri::text, c.code_challenge::text, c.nonce::text, null::uuid, null::uuid;
    if not found then
        return query
        update oauth_grant g set revoked_at = clock_timestamp() from oauth_code c
        where c.code_hash = given and c.used_at is not null and g.id = c.grant_id and g.client_id = client
          and g.revoked_at is null
        returning null::uuid, null::text, null::text, null::text, g.organisation_id, g.person_id;
    end if;
end
$$;

-- Within the grace a token that comes again is answered as the first time: `successor` is the new token, masked with
-- the old one, so that only who holds the old one reads it. After the grace the whole grant dies.
create function oauth_rotate(given bytea, client uuid, next_hash bytea, masked bytea, idle_days int, grace int)
returns table (grant_id uuid, successor bytea, ended_organisation_id uuid, ended_person_id uuid) language plpgsql as $$
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
        return query select kept.grant_id, masked, null::uuid, null::uuid;
    elsif kept.used_at > clock_timestamp() - make_interval(secs => grace) then
        return query select kept.grant_id, kept.successor, null::uuid, null::uuid;
    else
        return query
        update oauth_grant g set revoked_at = clock_timestamp() where g.id = kept.grant_id and g.revoked_at is null
        returning null::uuid, null::bytea, g.organisation_id, g.person_id;
    end if;
end
$$;

create function oauth_client_owner(given uuid) returns uuid language sql stable as $$
    select organisation_id from oauth_client where id = given
$$;
