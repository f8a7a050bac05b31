-- What others see of an organisation's stock. Levels and bands are applied here alone; row policies cannot. Nothing that
-- depends on a quantity leaves for a holder who does not disclose it: no age by its movements, no place, no order.

-- Bands: a quantity is told as at least `low` and less than `high` (null: without limit), in its unit.
create function disclosure_band(quantity numeric, out low numeric, out high numeric)
language sql immutable parallel safe as $$
    select b.low, b.high
    from (values (0, 1), (1, 10), (10, 100), (100, 1000), (1000, 10000), (10000, 100000), (100000, 1000000),
                 (1000000, null::numeric)) as b(low, high)
    where quantity > 0 and quantity >= b.low and (b.high is null or quantity < b.high)
$$;

-- As what the caller looks at others' stock: the kind of the organisation acted for, null for nobody.
create function disclosure_reader() returns text
language sql stable as $$
    select o.kind from organisation o
    where o.id = nullif(current_setting('hub.org', true), '')::uuid
      and o.id = any(coalesce(nullif(current_setting('hub.orgs', true), ''), '{}')::uuid[])
$$;

-- Rules in force now, those taken back left out.
create function disclosure_in_force(partner text)
returns table (organisation_id uuid, class_prefix text, level text)
language sql stable as $$
    select n.* from (
        select distinct on (r.organisation_id, r.class_prefix) r.organisation_id, r.class_prefix::text, r.level::text
        from disclosure_rule r where r.partner_kind = partner and r.valid_from <= clock_timestamp()
        order by r.organisation_id, r.class_prefix, r.valid_from desc, r.recorded_at desc) n
    where n.level is not null
$$;

-- The level at which each of these source materials is shown to partners of a kind: by the longest prefix of the
-- class its own system gives it, so that nobody else's record can loosen it. A plant that has left shows nothing.
create function disclosure_levels(materials bigint[], partner text)
returns table (id bigint, golden_id bigint, organisation_id uuid, system_id uuid, is_deleted boolean, level text)
language sql stable as $$
    with rule as materialized (select * from disclosure_in_force(partner))
    select m.id, m.golden_id, m.organisation_id, m.system_id, m.is_deleted,
           coalesce(l.level, case when partner in ('group', 'subsidiary') then 'full' else 'none' end)
    from unnest(materials) as given(id)
    join source_material m on m.id = given.id
                          and m.organisation_id <> all ((select closed_organisations())::uuid[])
    left join lateral (
        select r.level from rule r
        where r.organisation_id = m.organisation_id and starts_with(coalesce(m.class_code, ''), r.class_prefix)
        order by length(r.class_prefix) desc limit 1) l on true
$$;

-- The free stock of these source materials as partners of a kind are shown it. `full`: a row per place, exact. `banded`:
-- one per organisation and unit. `yes_no`: one per organisation, also where it has none. `hidden`: one per golden
-- material over all who hide, banded, of nobody. Ages of all but `full` are those of the systems' feeds.
create function disclosure_shown(materials bigint[], partner text)
returns table (golden_id bigint, level text, organisation_id uuid, name_zh text, name_en text, key text, seal text,
               letter text, place text, free numeric, free_from numeric, free_below numeric, has_some boolean, unit text,
               is_apart boolean, source_at timestamptz, sla_seconds int, is_held boolean)
language plpgsql stable set enable_seqscan = off as $$
begin
    return query
    with shown as materialized (
        select s.*, g.unit as golden_unit, u.decimals from disclosure_levels(materials, partner) s
        join golden_material g on g.id = s.golden_id join unit u on u.code = g.unit
        where s.level <> 'none'
    ), held as materialized (
        select s.level, s.golden_id, p.organisation_id, p.place_id, p.coverage_id, p.material_id, p.unit, s.golden_unit,
               s.decimals,
               coalesce(sum(p.quantity) filter (where p.status = 'unrestricted' and p.owner = ''), 0)
                   - coalesce(sum(p.reserved), 0) as free,
               min(greatest(p.observed_at, p.moved_at)) as oldest_at
        from shown s join position p on p.organisation_id = s.organisation_id and p.material_id = s.id
        group by s.level, s.golden_id, p.organisation_id, p.place_id, p.coverage_id, p.material_id, p.unit,
                 s.golden_unit, s.decimals
    ), line as materialized (
        select h.level, h.golden_id, h.organisation_id, h.place_id, h.coverage_id, h.oldest_at, f.unit is null as is_apart,
               case when f.unit is null then h.unit else h.golden_unit end::text as unit,
               case when f.unit is null then h.free
                    else convert_quantity(h.free, f.numerator, f.denominator, h.decimals) end as free
        from held h
        left join unit_factor f
          on f.organisation_id = h.organisation_id and f.material_id = h.material_id and f.unit = h.unit
        where h.free > 0
    ), feed as (
        select distinct on (x.golden_id, x.level, x.organisation_id) x.golden_id, x.level, x.organisation_id,
               c.read_through as source_at, c.sla_seconds,
               bool_or(c.held_batch_id is not null) over (partition by x.golden_id, x.level, x.organisation_id) as is_held
        from (select distinct s.golden_id, s.level, s.organisation_id, s.system_id from shown s
              where s.level in ('banded', 'yes_no')) x
        join coverage c on c.organisation_id = x.organisation_id and c.system_id = x.system_id
        order by x.golden_id, x.level, x.organisation_id, c.read_through nulls first, c.id
    ), told as (
        select l.golden_id, l.level, l.organisation_id, coalesce(p.name, p.place_code, p.place_id)::text as place, l.free,
               null::numeric as low, null::numeric as high, true as has_some, l.unit, l.is_apart,
               greatest(l.oldest_at, c.read_through) as source_at, c.sla_seconds, c.held_batch_id is not null as is_held
        from line l
        join place p on p.organisation_id = l.organisation_id and p.id = l.place_id
        join coverage c on c.organisation_id = l.organisation_id and c.id = l.coverage_id
        where l.level = 'full'
        union all
        select b.golden_id, 'banded', b.organisation_id, null, null, d.low, d.high, true, b.unit, b.is_apart,
               f.source_at, f.sla_seconds, f.is_held
        from (select l.golden_id, l.organisation_id, l.unit, l.is_apart, sum(l.free) as free from line l
              where l.level = 'banded' group by 1, 2, 3, 4) b
        cross join lateral disclosure_band(b.free) d
        left join feed f
          on f.golden_id = b.golden_id and f.level = 'banded' and f.organisation_id = b.organisation_id
        union all
        select y.golden_id, 'yes_no', y.organisation_id, null, null, null, null, y.has_some, y.golden_unit, false,
               f.source_at, f.sla_seconds, f.is_held
        from (select s.golden_id, s.organisation_id, s.golden_unit, bool_and(s.is_deleted) as is_gone,
                     exists (select from line l where l.level = 'yes_no' and l.golden_id = s.golden_id
                             and l.organisation_id = s.organisation_id) as has_some
              from shown s where s.level = 'yes_no' group by 1, 2, 3) y
        left join feed f
          on f.golden_id = y.golden_id and f.level = 'yes_no' and f.organisation_id = y.organisation_id
        where y.has_some or not y.is_gone
        union all
        select a.golden_id, 'hidden', null, null, null, d.low, d.high, true, a.golden_unit, false, null, null, false
        from (select l.golden_id, s.golden_unit, sum(l.free) filter (where not l.is_apart) as free
              from line l join (select distinct n.golden_id, n.golden_unit from shown n) s on s.golden_id = l.golden_id
              where l.level = 'hidden' group by 1, 2) a
        left join lateral disclosure_band(a.free) d on true
    )
    select t.golden_id, t.level, t.organisation_id, o.name_zh::text, o.name_en::text, o.key::text, o.seal::text,
           o.letter::text, t.place, t.free, t.low, t.high, t.has_some, t.unit::text, t.is_apart, t.source_at,
           t.sla_seconds, coalesce(t.is_held, false)
    from told t left join organisation o on o.id = t.organisation_id
    order by t.golden_id, t.organisation_id is null, o.rank, o.key, t.level, t.place, t.is_apart, t.unit;
end
$$;

-- All that the caller sees of the stock of organisations it may not read: a plant, of golden materials it has a record
-- of; a supplier or carrier, of any that is disclosed to its kind. The group reads everything by its own right.
create function disclosed_stock(goldens bigint[])
returns table (golden_id bigint, level text, organisation_id uuid, name_zh text, name_en text, key text, seal text,
               letter text, place text, free numeric, free_from numeric, free_below numeric, has_some boolean, unit text,
               is_apart boolean, source_at timestamptz, sla_seconds int, is_held boolean)
language plpgsql stable security definer set search_path = pg_catalog, public, pg_temp set enable_seqscan = off as $$
declare
    orgs uuid[] := coalesce(nullif(current_setting('hub.orgs', true), ''), '{}')::uuid[];
    partner text := disclosure_reader();
    holders uuid[];
    materials bigint[];
begin
    if partner is null then return; end if;
    select array_agg(o.id) into holders from organisation o
    where o.kind in ('group', 'subsidiary') and o.id <> all(orgs);
    select array_agg(m.id) into materials from unnest(goldens) as given(id)
    join source_material m on m.golden_id = given.id and m.organisation_id = any(holders)
    where partner in ('supplier', 'carrier')
       or exists (select from source_material own where own.golden_id = given.id and own.organisation_id = any(orgs));
    if materials is null then return; end if;
    return query select * from disclosure_shown(materials, partner);
end
$$;

-- What partners of a kind would see of the acting organisation's own stock.
create function disclosure_preview(golden bigint, partner text)
returns table (golden_id bigint, level text, organisation_id uuid, name_zh text, name_en text, key text, seal text,
               letter text, place text, free numeric, free_from numeric, free_below numeric, has_some boolean, unit text,
               is_apart boolean, source_at timestamptz, sla_seconds int, is_held boolean)
language sql stable security definer set search_path = pg_catalog, public, pg_temp as $$
    select s.* from disclosure_shown(array(
        select m.id from source_material m
        where m.golden_id = golden and disclosure_reader() in ('group', 'subsidiary')
          and m.organisation_id = nullif(current_setting('hub.org', true), '')::uuid), partner) s
$$;

-- Of these golden materials, those that a plant discloses to the supplier or carrier who asks.
create function disclosed_goldens(goldens bigint[]) returns setof bigint
language plpgsql stable rows 10 security definer set search_path = pg_catalog, public, pg_temp as $$
declare
    partner text := disclosure_reader();
begin
    if partner is null or partner not in ('supplier', 'carrier')
        or not exists (select from disclosure_in_force(partner) r where r.level <> 'none')
    then return; end if;
    return query
    select distinct s.golden_id
    from disclosure_levels(array(select m.id from unnest(goldens) as given(id)
                                 join source_material m on m.golden_id = given.id), partner) s
    join organisation o on o.id = s.organisation_id and o.kind in ('group', 'subsidiary')
    where s.level <> 'none';
end
$$;

-- Golden materials that a supplier or carrier names whole, by golden number or any code, of those disclosed to it.
create function disclosed_find(query text, most int) returns table (golden_id bigint, matched text)
language plpgsql stable rows 10 security definer set search_path = pg_catalog, public, pg_temp as $$
declare
    asked text := squash(query);
begin
    if coalesce(disclosure_reader(), '') not in ('supplier', 'carrier') then return; end if;
    return query
    with hit as (
        select coalesce(g.merged_into_id, g.id) as id, 'number' as said from golden_material g
        where g.number = upper(trim(query))
        union
        (select s.golden_id, 'code' from material_search s
         where asked <> '' and s.codes && array[asked, ltrim(asked, '0')] limit greatest(most * 10, 500))
    )
    select h.id, min(h.said) from hit h
    where h.id in (select disclosed_goldens(array(select x.id from hit x)))
    group by h.id order by min(h.said) desc, h.id limit most;
end
$$;

-- Whether all whom the caller may not read disclose to it exactly: only then figures that compare with theirs are told.
create function disclosure_is_open() returns boolean
language plpgsql stable security definer set search_path = pg_catalog, public, pg_temp as $$
declare
    orgs uuid[] := coalesce(nullif(current_setting('hub.orgs', true), ''), '{}')::uuid[];
begin
    return all_organisations() <@ orgs
        or coalesce(disclosure_reader(), '') in ('group', 'subsidiary') and not exists (
            select from disclosure_in_force('subsidiary') r
            where r.level <> 'full' and r.organisation_id <> all(orgs));
end
$$;

-- A question to head office, as mail to each of its administrators in their language; the ids of the mails. None where the
-- same was asked within a day.
create function disclosure_enquire(subject_zh text, body_zh text, subject_en text, body_en text)
returns table (mail_id uuid, office_id uuid)
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
declare
    office uuid := (select o.id from organisation o where o.parent_id is null order by o.created_at limit 1);
begin
    if disclosure_reader() is null or exists (
        select from mail l where l.organisation_id = office and l.subject in (subject_zh, subject_en)
          and l.created_at > clock_timestamp() - interval '1 day')
    then return; end if;
    return query
    insert into mail (id, organisation_id, recipient, subject, body, attempts)
    select gen_random_uuid(), office, p.email, case p.locale when 'en' then subject_en else subject_zh end,
           case p.locale when 'en' then body_en else body_zh end, 0
    from membership m join person p on p.id = m.person_id
    where m.organisation_id = office and 'people:write' = any(m.scopes) and p.disabled_at is null
    returning id, organisation_id;
end
$$;
