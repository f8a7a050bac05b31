-- All that a plant sees of its sisters: for golden materials it has itself, the free quantity by organisation and place.
-- Suppliers and carriers see nothing; the group reads everything by its own right.
create function sister_stock(goldens bigint[])
returns table (golden_id bigint, organisation_id uuid, name_zh text, name_en text, key text, seal text, letter text,
               place text, free numeric, unit text, is_apart boolean, source_at timestamptz, sla_seconds int, is_held boolean)
language plpgsql stable security definer set search_path = pg_catalog, public, pg_temp set enable_seqscan = off as $$
declare
    orgs uuid[] := coalesce(nullif(current_setting('hub.orgs', true), ''), '{}')::uuid[];
    reader uuid := nullif(current_setting('hub.org', true), '')::uuid;
    sister_materials bigint[];
begin
    if reader is null or reader <> all(orgs)
        or not exists (select from organisation o where o.id = reader and o.kind in ('group', 'subsidiary'))
    then return; end if;
    select array_agg(m.id) into sister_materials from unnest(goldens) as given(id)
    join source_material m on m.golden_id = given.id and m.organisation_id <> all(orgs)
    where exists (select from source_material own where own.golden_id = given.id and own.organisation_id = any(orgs));
    if sister_materials is null then return; end if;
    return query
    with held as materialized (
        select m.golden_id, p.organisation_id, p.place_id, p.coverage_id, p.material_id, p.unit, g.unit as golden_unit,
               u.decimals,
               coalesce(sum(p.quantity) filter (where p.status = 'unrestricted' and p.owner = ''), 0)
                   - coalesce(sum(p.reserved), 0) as free,
               min(greatest(p.observed_at, p.moved_at)) as oldest_at
        from unnest(sister_materials) as given(id)
        join source_material m on m.id = given.id
        join golden_material g on g.id = m.golden_id
        join unit u on u.code = g.unit
        join position p on p.organisation_id = m.organisation_id and p.material_id = m.id
        group by m.golden_id, p.organisation_id, p.place_id, p.coverage_id, p.material_id, p.unit, g.unit, u.decimals
    )
    select h.golden_id, h.organisation_id, o.name_zh::text, o.name_en::text, o.key::text, o.seal::text, o.letter::text,
           coalesce(l.name, l.place_code, l.place_id)::text,
           case when f.unit is null then h.free else convert_quantity(h.free, f.numerator, f.denominator, h.decimals) end,
           case when f.unit is null then h.unit else h.golden_unit end::text, f.unit is null,
           greatest(h.oldest_at, c.read_through), c.sla_seconds, c.held_batch_id is not null
    from held h
    join organisation o on o.id = h.organisation_id and o.kind in ('group', 'subsidiary')
    join place l on l.organisation_id = h.organisation_id and l.id = h.place_id
    join coverage c on c.organisation_id = h.organisation_id and c.id = h.coverage_id
    left join unit_factor f on f.organisation_id = h.organisation_id and f.material_id = h.material_id and f.unit = h.unit
    where h.free > 0
    order by h.golden_id, o.rank, o.key, 8;
end
$$;
