-- Whatever ends a session, an account, a membership or an organisation ends what clients were granted on it, and the
-- clients are told (OpenID Connect Back-Channel Logout): by triggers, so that no way of ending them can forget it.

create function oauth_grant_ended() returns trigger
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
begin
    perform procrastinate_defer_jobs_v1(array[row(
        'default', 'identity.tell_logout', 10, null, null,
        jsonb_build_object('client_id', c.client_id, 'person_id', new.person_id, 'session_id', new.session_id),
        null)::procrastinate_job_to_defer_v1])
    from oauth_client c where c.id = new.client_id and c.backchannel_logout_uri is not null;
    return null;
end
$$;
create trigger oauth_grant_ended after update of revoked_at on oauth_grant for each row
when (old.revoked_at is null and new.revoked_at is not null) execute function oauth_grant_ended();

create function oauth_login_session_ended() returns trigger
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
begin
    update oauth_grant set revoked_at = clock_timestamp()
    where session_id = old.id and not is_offline and revoked_at is null;
    return null;
end
$$;
create trigger oauth_login_session_ended after delete on login_session for each row execute function oauth_login_session_ended();

create function oauth_person_ended() returns trigger
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
begin
    update oauth_grant set revoked_at = clock_timestamp()
    where person_id = new.id and revoked_at is null and (new.disabled_at is not null or is_offline);
    return null;
end
$$;
create trigger oauth_person_ended after update of disabled_at, password_hash on person for each row
when ((old.disabled_at is null and new.disabled_at is not null) or old.password_hash <> new.password_hash)
execute function oauth_person_ended();

create function oauth_membership_ended() returns trigger
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
begin
    update oauth_grant g set revoked_at = clock_timestamp()
    where g.person_id = old.person_id and g.revoked_at is null
      and not exists (select from identity_acting(g.person_id, g.organisation_id));
    return null;
end
$$;
create trigger oauth_membership_ended after delete on membership for each row execute function oauth_membership_ended();

create function oauth_organisation_ended() returns trigger
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
begin
    update oauth_grant set revoked_at = clock_timestamp() where organisation_id = new.id and revoked_at is null;
    return null;
end
$$;
create trigger oauth_organisation_ended after update of closed_at on organisation for each row
when (new.closed_at <= clock_timestamp()) execute function oauth_organisation_ended();

create function oauth_client_ended() returns trigger
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
begin
    update oauth_grant set revoked_at = clock_timestamp() where client_id = new.id and revoked_at is null;
    return null;
end
$$;
create trigger oauth_client_ended after update of disabled_at on oauth_client for each row
when (old.disabled_at is null and new.disabled_at is not null) execute function oauth_client_ended();
