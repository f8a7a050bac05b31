-- What each organisation holds of a golden material, in the golden unit and its own currency: one row per row of
-- material_stock, kept in the transaction that moves stock, a link, a factor or a cost.

-- What a unit code means in a system: a steward's word, else itself.
create function unit_meaning(given text, system uuid, org uuid) returns text
language sql stable as $$
    select coalesce((select s.unit from source_unit s
                     where s.organisation_id = org and s.system_id = system and s.code = given), given)
$$;

-- From any unit of a material to its base unit: the same; the material's own fact in force at `valid_at` as known at
-- `known_at` where the code is no Rec 20 one; the same dimension of Rec 20 by what the codes mean; such a fact.
create function unit_ratio(from_unit text, to_unit text, material bigint, org uuid,
                           valid_at timestamptz default 'infinity', known_at timestamptz default 'infinity',
                           out numerator numeric, out denominator numeric)
language sql stable as $$
    with meant as (
        select m.system_id, unit_meaning(from_unit, m.system_id, org) as origin,
               unit_meaning(to_unit, m.system_id, org) as target
        from (select) one left join source_material m on m.organisation_id = org and m.id = material
    ), fact as (
        select distinct on (f.unit) f.unit, unit_meaning(f.unit, w.system_id, org) as meaning,
               f.numerator * 1000000000 as n, f.denominator * 1000000000 as d
        from material_unit f cross join meant w
        where f.organisation_id = org and f.material_id = material
          and f.valid_from <= least(valid_at, clock_timestamp()) and f.recorded_at <= known_at
        order by f.unit, f.valid_from desc, f.recorded_at desc
    ), road as (
        select 1 as rank, '' as via, 1::numeric as n, 1::numeric as d where from_unit = to_unit
        union all
        select 2, f.unit, f.n, f.d from fact f
        where f.unit = from_unit and not exists (select from unit u where u.code = from_unit)
        union all
        select 3, '', a.numerator * b.denominator, a.denominator * b.numerator
        from meant w join unit a on a.code = w.origin join unit b on b.code = w.target and b.dimension = a.dimension
        union all
        select 4, f.unit, f.n, f.d from fact f join meant w on w.origin = f.meaning
        union all
        select 5, f.unit, a.numerator * b.denominator * f.n, a.denominator * b.numerator * f.d
        from fact f join meant w on true join unit b on b.code = f.meaning
        join unit a on a.dimension = b.dimension and a.code = w.origin
    ), best as (select n, d, gcd(trunc(n), trunc(d)) as g from road order by rank, via limit 1)
    select trunc(n / g), trunc(d / g) from best
$$;

-- Factors of these materials from every unit they are known in to their golden unit.
create function unit_factor_refresh(materials bigint[]) returns void
language plpgsql as $$
begin
    delete from unit_factor f using unnest(materials) as given(id) join source_material s on s.id = given.id
    where f.organisation_id = s.organisation_id and f.material_id = s.id;
    insert into unit_factor (organisation_id, material_id, unit, numerator, denominator)
    with m as (
        select s.organisation_id, s.id, g.unit as golden, coalesce(s.base_unit, g.unit) as base
        from unnest(materials) as given(id)
        join source_material s on s.id = given.id join golden_material g on g.id = s.golden_id
    ), known as (
        select organisation_id, id, golden, base, base as unit from m
        union select m.organisation_id, m.id, m.golden, m.base, f.unit from m
              join material_unit f on f.organisation_id = m.organisation_id and f.material_id = m.id
        union select m.organisation_id, m.id, m.golden, m.base, t.unit from m
              join material_stock t on t.organisation_id = m.organisation_id and t.material_id = m.id
    ), same as (
        select organisation_id, id, unit, 1::numeric as n, 1::numeric as d from known where unit = golden
    ), other as (
        select k.organisation_id, k.id, k.unit, u.numerator * g.denominator as n, u.denominator * g.numerator as d
        from known k
        cross join lateral unit_ratio(k.unit, k.base, k.id, k.organisation_id) u
        cross join lateral unit_ratio(k.golden, k.base, k.id, k.organisation_id) g
        where k.unit <> k.golden and u.numerator is not null and g.numerator is not null
    ), factor as (select * from same union all select * from other)
    select organisation_id, id, unit, trunc(n / gcd(n, d)), trunc(d / gcd(n, d)) from factor;
end
$$;

-- Holdings of these materials out of their stock. A quantity without a factor stands apart, in its own unit; its value
-- does not depend on the golden unit.
create function holding_refresh(materials bigint[]) returns void
language plpgsql as $$
begin
    insert into holding as h (organisation_id, material_id, coverage_id, unit, system_id, golden_id, is_apart,
        on_hand, available, reserved, in_transit, quality, blocked, consigned, value, currency,
        positions, negatives, marked, oldest_at, newest_at)
    select t.organisation_id, t.material_id, t.coverage_id, t.unit, m.system_id, m.golden_id, f.unit is null,
           c.on_hand, c.unrestricted - c.reserved, c.reserved, c.in_transit, c.quality, c.blocked, c.consigned,
           round_half_even(convert_quantity((t.on_hand - t.consigned) * m.unit_cost, p.numerator, p.denominator, 2), 2),
           case when p.numerator is not null and m.unit_cost is not null then m.currency end,
           t.positions, t.negatives, t.marked, t.oldest_at, t.newest_at
    from unnest(materials) as given(id)
    join source_material m on m.id = given.id
    join golden_material g on g.id = m.golden_id
    join unit u on u.code = g.unit
    join material_stock t on t.organisation_id = m.organisation_id and t.material_id = m.id
    left join unit_factor f on f.organisation_id = t.organisation_id and f.material_id = t.material_id
                           and f.unit = t.unit
    left join lateral (
        select 1::numeric as numerator, 1::numeric as denominator where t.unit = coalesce(m.base_unit, g.unit)
        union all
        select r.numerator, r.denominator from unit_ratio(t.unit, coalesce(m.base_unit, g.unit), m.id, m.organisation_id) r
        where t.unit <> coalesce(m.base_unit, g.unit)
    ) p on true
    cross join lateral (select coalesce(f.numerator, 1) as n, coalesce(f.denominator, 1) as d) k
    cross join lateral (
        select t.on_hand, t.unrestricted, t.reserved, t.in_transit, t.quality, t.blocked, t.consigned where k.n = k.d
        union all
        select convert_quantity(t.on_hand, k.n, k.d, u.decimals), convert_quantity(t.unrestricted, k.n, k.d, u.decimals),
               convert_quantity(t.reserved, k.n, k.d, u.decimals), convert_quantity(t.in_transit, k.n, k.d, u.decimals),
               convert_quantity(t.quality, k.n, k.d, u.decimals), convert_quantity(t.blocked, k.n, k.d, u.decimals),
               convert_quantity(t.consigned, k.n, k.d, u.decimals) where k.n <> k.d
    ) c
    order by t.organisation_id, t.material_id, t.coverage_id, t.unit
    on conflict (organisation_id, material_id, coverage_id, unit) do update set
        golden_id = excluded.golden_id, is_apart = excluded.is_apart, on_hand = excluded.on_hand,
        available = excluded.available, reserved = excluded.reserved, in_transit = excluded.in_transit,
        quality = excluded.quality, blocked = excluded.blocked, consigned = excluded.consigned, value = excluded.value,
        currency = excluded.currency, positions = excluded.positions, negatives = excluded.negatives,
        marked = excluded.marked, oldest_at = excluded.oldest_at, newest_at = excluded.newest_at;
end
$$;

create function holding_of_stock() returns trigger
language plpgsql as $$
declare
    org uuid;
    strangers bigint[];
begin
    for org, strangers in
        select c.organisation_id, array_agg(distinct m.id) from changed c
        join source_material m on m.organisation_id = c.organisation_id and m.id = c.material_id
        where m.golden_id is null group by c.organisation_id
    loop perform materials_match(org, strangers); end loop;
    select array_agg(distinct c.material_id) into strangers from changed c
    where not exists (select from unit_factor f where f.organisation_id = c.organisation_id
                      and f.material_id = c.material_id and f.unit = c.unit);
    if strangers is not null then perform unit_factor_refresh(strangers); end if;
    perform holding_refresh((select array_agg(distinct material_id) from changed));
    return null;
end
$$;

create trigger holding_of_new_stock after insert on material_stock
    referencing new table as changed for each statement execute function holding_of_stock();
create trigger holding_of_moved_stock after update on material_stock
    referencing new table as changed for each statement execute function holding_of_stock();

create function holding_of_no_stock() returns trigger
language plpgsql as $$
begin
    delete from holding h using gone g
    where h.organisation_id = g.organisation_id and h.material_id = g.material_id
      and h.coverage_id = g.coverage_id and h.unit = g.unit;
    return null;
end
$$;

create trigger holding_of_gone_stock after delete on material_stock
    referencing old table as gone for each statement execute function holding_of_no_stock();

-- The ratio (age ÷ promise) that 80 % of a sum does not exceed; `ratios` fall, nulls last, `weights` stand beside them.
create function main_ratio(ratios float8[], weights numeric[]) returns float8
language plpgsql immutable parallel safe as $$
declare
    whole numeric := 0;
    older numeric := 0;
begin
    if cardinality(ratios) = 1 then return ratios[1]; end if;
    for n in 1 .. cardinality(ratios) loop
        if ratios[n] is not null then whole := whole + weights[n]; end if;
    end loop;
    for n in 1 .. cardinality(ratios) loop
        older := older + weights[n];
        if older > 0.2 * whole then return ratios[n]; end if;
    end loop;
    return ratios[1];
end
$$;
