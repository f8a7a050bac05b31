-- All that a plant sees of its sisters: for golden materials it has itself, the free quantity by organisation and place.
-- Suppliers and carriers see nothing; the group reads everything by its own right.
create function sister_stock(goldens bigint[])
returns table (golden_id bigint, organisation_id uuid, name_zh text, name_en text, key text, seal text, letter text,
               place text, free numeric, unit text, is_apart boolean, source_at timestamptz, sla_seconds int, is_held boolean)
language sql stable security definer set search_path = pg_catalog, public, pg_temp as $$
    with reader as (
        select o.id, coalesce(nullif(current_setting('hub.orgs', true), ''), '{}')::uuid[] as orgs
        from organisation o
        where o.id = nullif(current_setting('hub.org', true), '')::uuid and o.kind in ('group', 'subsidiary')
          and o.id = any(coalesce(nullif(current_setting('hub.orgs', true), ''), '{}')::uuid[])
    ), shared as (
        select distinct m.golden_id from unnest(goldens) as given(id) join source_material m on m.golden_id = given.id
        join reader r on m.organisation_id = any(r.orgs)
    ), held as (
        select m.golden_id, p.organisation_id, p.place_id, c.id as coverage_id, p.unit, f.unit is null as is_apart,
               f.numerator, f.denominator, g.unit as golden_unit, u.decimals,
               sum(p.quantity) filter (where p.status = 'unrestricted' and p.owner = '') - coalesce(sum(p.reserved), 0) as free,
               min(greatest(p.observed_at, p.moved_at, c.read_through)) as source_at, c.sla_seconds,
               c.held_batch_id is not null as is_held
        from shared s
        join source_material m on m.golden_id = s.golden_id
        join golden_material g on g.id = m.golden_id
        join unit u on u.code = g.unit
        join reader r on m.organisation_id <> all(r.orgs)
        join position p on p.organisation_id = m.organisation_id and p.material_id = m.id
        join coverage c on c.organisation_id = p.organisation_id and c.id = p.coverage_id
        left join unit_factor f on f.organisation_id = m.organisation_id and f.material_id = m.id and f.unit = p.unit
        group by m.golden_id, p.organisation_id, p.place_id, c.id, p.unit, f.unit, f.numerator, f.denominator, g.unit,
                 u.decimals, c.sla_seconds, c.held_batch_id
    )
    select h.golden_id, h.organisation_id, o.name_zh, o.name_en, o.key, o.seal, o.letter,
           coalesce(l.name, l.place_code, l.place_id),
           case when h.is_apart then h.free else convert_quantity(h.free, h.numerator, h.denominator, h.decimals) end,
           case when h.is_apart then h.unit else h.golden_unit end, h.is_apart, h.source_at, h.sla_seconds, h.is_held
    from held h join organisation o on o.id = h.organisation_id and o.kind in ('group', 'subsidiary')
    join place l on l.organisation_id = h.organisation_id and l.id = h.place_id
    where h.free > 0
    order by h.golden_id, o.rank, o.key, 8
$$;
