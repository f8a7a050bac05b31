-- Which source materials are one: a pure function of the set of materials and of what people said, whatever the order
-- of arrival. See docs/identity.md. Runs as the owner, since keys of other organisations decide too; it takes ids of the
-- acting organisation alone, obeys the rules below alone and answers with a count.

-- Materials whose identity may hang on `seeds`: those that share a key, a golden material or a person's group with them,
-- and the golden material a person named.
create function identity_neighbours(seeds bigint[]) returns bigint[]
language plpgsql stable as $$
declare
    found bigint[] := seeds;
    edge bigint[] := seeds;
begin
    while cardinality(edge) > 0 loop
        select coalesce(array_agg(id), '{}') into edge from (
            select other.material_id as id from unnest(edge) as given(id)
            join material_key mine on mine.material_id = given.id and not mine.is_shared
            join material_key other on other.kind = mine.kind and other.key = mine.key
            union
            select other.id from unnest(edge) as given(id)
            join source_material mine on mine.id = given.id
            join source_material other on other.golden_id = mine.golden_id
            union
            select other.id from unnest(edge) as given(id)
            join material_key mine on mine.material_id = given.id and mine.kind = 'xref'
            join golden_material g on g.number = mine.key
            join source_material other on other.golden_id = g.id
            except
            select unnest(found)
        ) x;
        found := found || edge;
    end loop;
    return found;
end
$$;

-- Keys of these materials anew. A key that more than 200 materials carry names none of them.
-- Returns the carriers of keys that became such a crowd or ceased to be one.
create function material_key_refresh(materials bigint[]) returns bigint[]
language plpgsql as $$
declare
    touched text[];
    turned bigint[];
begin
    select array_agg(distinct kind || ':' || key) into touched
    from unnest(materials) as given(id) join material_key on material_id = given.id;
    delete from material_key using unnest(materials) as given(id) where material_id = given.id;
    insert into material_key (material_id, kind, key, owner_id, system_id, brand, is_live, is_shared)
    select m.id, k.kind, k.key, m.organisation_id, m.system_id, squash(m.brand), not m.is_deleted, false
    from unnest(materials) as given(id) join source_material m on m.id = given.id
    left join lateral (
        select true as said, c.group_number from cross_reference c
        where c.system_id = m.system_id and c.item_id = m.item_id order by c.recorded_at desc limit 1
    ) x on true
    cross join lateral (values
        (case when x.said and x.group_number is null then 'apart' end, m.id::text),
        (case when x.group_number is not null then 'xref' end, x.group_number),
        ('gtin', case when m.gtin is not null then gtin_key(m.gtin) end),
        ('mpn', case when m.mpn is not null then mpn_key(m.brand, m.mpn) end)
    ) as k(kind, key)
    where k.kind is not null and k.key is not null;
    with crowd as (
        select kind, key, count(*) > 200 as is_shared from material_key
        where (kind, key) in (
            select kind, key from unnest(materials) as given(id) join material_key on material_id = given.id
            union select split_part(t, ':', 1), substr(t, position(':' in t) + 1) from unnest(touched) t)
          and kind in ('gtin', 'mpn')
        group by kind, key
    ), flipped as (
        update material_key k set is_shared = crowd.is_shared from crowd
        where k.kind = crowd.kind and k.key = crowd.key and k.is_shared <> crowd.is_shared
        returning k.material_id
    )
    select array_agg(material_id) into turned from flipped;
    return coalesce(turned, '{}');
end
$$;

-- The identity of every given material by its sure keys, and what speaks against them. `materials` must be closed
-- under identity_neighbours.
create function identity_of(materials bigint[])
returns table (material_id bigint, label text, rule text, kind text, key text, detail jsonb)
language sql stable as $$
    with own as materialized (
        select k.* from unnest(materials) as given(id) join material_key k on k.material_id = given.id
    ), said as (
        select own.material_id, own.kind, own.key from own where own.kind in ('xref', 'apart')
    ), usable as materialized (
        select own.*, own.is_live and count(*) filter (where own.is_live)
               over (partition by own.kind, own.key, own.owner_id, own.system_id) > 1 as is_twice
        from own
        where own.kind in ('gtin', 'mpn')
          and not exists (select from said where said.material_id = own.material_id and said.kind = 'apart')
    ), pair as materialized (
        select coalesce(g.material_id, p.material_id) as material_id,
               case when not g.is_shared then g.key end as gtin, g.is_twice as gtin_twice,
               case when not p.is_shared then p.key end as mpn, p.is_twice as mpn_twice, p.brand
        from (select * from usable where usable.kind = 'gtin') g
        full join (select * from usable where usable.kind = 'mpn') p on p.material_id = g.material_id
    ), mpn_split as (
        select mpn from pair where mpn is not null and gtin is not null group by mpn having count(distinct gtin) > 1
    ), gtin_split as (
        select gtin, brand from (
            select gtin, brand, mpn, first_value(mpn) over (partition by gtin, brand order by length(mpn), mpn) as short
            from pair where gtin is not null and mpn is not null) s
        group by gtin, brand
        having bool_or(position(split_part(short, '|', 2) in split_part(mpn, '|', 2)) = 0)
    ), judged as materialized (
        select k.*, s.key as said,
               ms.mpn is not null as mpn_disputed, gs.gtin is not null and k.mpn is not null as gtin_disputed
        from pair k
        left join said s on s.material_id = k.material_id
        left join mpn_split ms on ms.mpn = k.mpn
        left join gtin_split gs on gs.gtin = k.gtin and gs.brand = k.brand
    ), free as materialized (
        select judged.*, gtin is not null and not coalesce(gtin_twice, false) and not (mpn_disputed or gtin_disputed) as by_gtin,
               mpn is not null and not coalesce(mpn_twice, false) and not (mpn_disputed or gtin_disputed) as by_mpn
        from judged
    ), gtin_means as (
        select gtin, count(distinct said) as groups, min(said) as said from free where gtin is not null group by gtin
    ), first_step as materialized (
        select f.*, g.groups as gtin_groups,
               case when f.said is not null then 'xref:' || f.said
                    when f.by_gtin and g.groups = 1 then 'xref:' || g.said
                    when f.by_gtin and g.groups = 0 then 'gtin:' || f.gtin end as first_label
        from free f left join gtin_means g on g.gtin = f.gtin
    ), mpn_means as (
        select mpn, count(distinct first_label) as labels, min(first_label) as label
        from first_step where mpn is not null group by mpn
    ), named as materialized (
        select s.*, m.labels as mpn_labels,
               coalesce(s.first_label, case when s.by_mpn and m.labels = 0 then 'mpn:' || s.mpn
                                            when s.by_mpn and m.labels = 1 then m.label end) as label
        from first_step s left join mpn_means m on m.mpn = s.mpn
    ), labelled as materialized (
        select given.id as material_id,
               coalesce(n.label, 'xref:' || s.key, 'own:' || given.id) as label,
               case when s.key is not null or n.said is not null then 'xref'
                    when n.first_label is not null then 'gtin' when n.label is not null then 'mpn' else 'own' end as rule
        from unnest(materials) as given(id)
        left join named n on n.material_id = given.id
        left join said s on s.material_id = given.id and s.kind = 'xref'
    ), trouble as (
        select n.material_id, 'duplicate_in_system' as kind, n.gtin as key, 'gtin' as of from named n where n.gtin_twice
        union all
        select n.material_id, 'duplicate_in_system', n.mpn, 'mpn' from named n where n.mpn_twice
        union all
        select n.material_id, 'keys_disagree', n.mpn, 'mpn' from named n where n.mpn_disputed or n.mpn_labels > 1
        union all
        select n.material_id, 'keys_disagree', n.gtin, 'gtin' from named n where n.gtin_groups > 1
        union all
        select n.material_id, 'part_numbers_differ', n.gtin, 'gtin' from named n where n.gtin_disputed
    )
    select l.material_id, l.label, l.rule, null::text, null::text, null::jsonb from labelled l
    union all
    select t.material_id, null, null, t.kind, t.key, jsonb_build_object('by', t.of)
    from trouble t where t.key is not null
$$;

-- A person who names a golden material's number means what it is made of: the label most of its members have (those said
-- to be apart, or of another golden number, aside). Gives each such label the group of that number. Changes nothing.
create function identity_anchors(labels text[], members bigint[]) returns table (label text, anchor text)
language sql stable as $$
    select distinct on (meant.label) meant.label, 'xref:' || meant.number from (
        select g.number, l.label, count(*) as members,
               row_number() over (partition by g.number order by count(*) desc, l.label) as place
        from (select distinct substr(said.label, 6) as number from unnest(labels) as said(label)
              where said.label like 'xref:GM-%') said
        join golden_material g on g.number = said.number
        join source_material m on m.golden_id = g.id
        join unnest(labels, members) as l(label, id) on l.id = m.id
        where l.label not like 'xref:GM-%'
          and not exists (select from material_key k where k.material_id = m.id and k.kind = 'apart')
        group by g.number, l.label
    ) meant where meant.place = 1 order by meant.label, meant.members desc, meant.number
$$;

-- Give every label a golden material: the one most of its members are in already (no two labels share one), else a new
-- one; a group number that is a golden number names it. Writes golden_material alone.
create function golden_of(labels text[], members bigint[])
returns table (label text, golden_id bigint)
language plpgsql as $$
begin
    return query
    with member as (
        select l.label, m.golden_id as held from unnest(labels, members) as l(label, id)
        join source_material m on m.id = l.id
    ), named as (
        select distinct x.label, g.id from member x join golden_material g on g.number = substr(x.label, 6)
        where x.label like 'xref:GM-%'
    ), claim as (
        select distinct on (x.held) x.held, x.label from member x
        where x.held is not null and not exists (select from named n where n.id = x.held)
        group by x.held, x.label order by x.held, count(*) desc, x.label
    ), won as (
        select n.label, n.id from named n
        union all
        select c.label, min(c.held) from claim c
        where not exists (select from named n where n.label = c.label) group by c.label
    ), made as (
        insert into golden_material (number, unit, identity, rule, confidence)
        select 'GM-' || lpad(nextval('golden_number')::text, 7, '0'), 'C62', x.label, 'own', 1
        from (select distinct m.label from member m where not exists (select from won w where w.label = m.label)
              order by m.label) x
        returning id, identity
    )
    select w.label, w.id from won w
    union all
    select m.identity, m.id from made m;
end
$$;

-- Write what identity_of says of a closed set: conflicts, links, the link in force on each material, the goldens left
-- empty. `touched`: golden materials that gained or lost members; `linked`: materials whose link changed.
create function identity_apply(closed bigint[], out touched bigint[], out linked bigint[])
language plpgsql as $$
declare
    ids bigint[];
    labels text[];
    rules text[];
    goldens bigint[];
    emptied bigint[];
begin
    delete from identity_conflict c using unnest(closed) as given(id) join source_material m on m.id = given.id
    where c.organisation_id = m.organisation_id and c.material_id = m.id;
    with found as materialized (
        select * from identity_of(closed)
    ), noted as (
        insert into identity_conflict (organisation_id, material_id, kind, key, detail)
        select m.organisation_id, m.id, f.kind, f.key, f.detail
        from found f join source_material m on m.id = f.material_id where f.kind is not null
        on conflict do nothing
    )
    select array_agg(material_id), array_agg(label), array_agg(rule) into ids, labels, rules
    from found where label is not null;
    select array_agg(l.id), array_agg(coalesce(a.anchor, l.label)),
           array_agg(case when a.anchor is not null and l.rule = 'own' then 'xref' else l.rule end)
    into ids, labels, rules
    from unnest(ids, labels, rules) as l(id, label, rule) left join identity_anchors(labels, ids) a on a.label = l.label;
    -- In a statement of its own: an array's length tells the planner how many rows come, a function's result does not.
    select array_agg(l.id), array_agg(l.label), array_agg(l.rule), array_agg(l.golden_id) into ids, labels, rules, goldens
    from (select l.id, l.label, g.golden_id, case when count(*) over (partition by l.label) = 1 then 'own' else l.rule end as rule
          from unnest(ids, labels, rules) as l(id, label, rule)
          join golden_of(labels, ids) g on g.label = l.label) l;
    with goal as (
        select * from unnest(ids, labels, rules, goldens) as l(id, label, rule, golden_id)
    ), moved as materialized (
        select m.organisation_id, m.id, m.golden_id as held, g.golden_id, g.rule, g.label,
               case g.rule when 'gtin' then 0.99 when 'mpn' then 0.97 else 1 end as confidence,
               jsonb_strip_nulls(jsonb_build_object('identity', g.label, 'gtin', m.gtin, 'brand', m.brand, 'mpn', m.mpn)) as evidence
        from goal g join source_material m on m.id = g.id
        where m.golden_id is distinct from g.golden_id or m.rule is distinct from g.rule
    ), noted as (
        insert into link (organisation_id, material_id, golden_id, rule, confidence, evidence, valid_from)
        select organisation_id, id, golden_id, rule, confidence, evidence, clock_timestamp() from moved order by id
    ), marked as (
        update source_material m set golden_id = v.golden_id, rule = v.rule, confidence = v.confidence
        from moved v where m.organisation_id = v.organisation_id and m.id = v.id
    ), named as (
        update golden_material g set identity = v.label, merged_into_id = null
        from (select distinct golden_id, label from goal) v where g.id = v.golden_id
          and (g.identity, g.merged_into_id) is distinct from (v.label, null)
    )
    select array_agg(id), array_agg(distinct golden_id) || array_agg(distinct held) filter (where held is not null),
           array_agg(distinct held) filter (where held <> golden_id)
    into linked, touched, emptied from moved;
    update golden_material g set merged_into_id = (
        select m.golden_id from link l join source_material m on m.organisation_id = l.organisation_id and m.id = l.material_id
        where l.golden_id = g.id group by m.golden_id order by count(*) desc, m.golden_id limit 1)
    where g.id = any(emptied) and not exists (select from source_material m where m.golden_id = g.id);
end
$$;

-- A material's name in one language: the given one, else `name` where it is written in that language, with the
-- specification if it does not hold it yet.
create function full_name(given text, name text, specification text, is_han boolean) returns text
language plpgsql immutable parallel safe as $$
declare
    words text := coalesce(given, case when (name ~ '[\u4e00-\u9fff]') = is_han then name end);
begin
    if words is null or specification is null or strpos(lower(words), lower(specification)) > 0 then
        return left(words, 300);
    end if;
    return left(words || ' ' || specification, 300);
end
$$;

-- The golden attributes that survive: names the fullest (then the first in order), all else the commonest value.
-- Returns the golden materials whose unit changed. Rules are listed in masterdata.materials.survivorship.
create function golden_refresh(goldens bigint[]) returns bigint[]
language plpgsql as $$
declare
    turned bigint[];
begin
    with member as (
        select g.id, g.unit as was, m.rule, m.confidence, full_name(m.name_zh, m.name, m.specification, true) as zh,
               full_name(m.name_en, m.name, m.specification, false) as en, m.class_code, k.key as gtin,
               coalesce(u.code, (
                   select min(unit.code) from material_stock t
                   join unit on unit.code = unit_meaning(t.unit, m.system_id, m.organisation_id)
                   where t.organisation_id = m.organisation_id and t.material_id = m.id)) as unit
        from unnest(goldens) as given(id) join golden_material g on g.id = given.id
        join source_material m on m.golden_id = g.id
        left join unit u on u.code = unit_meaning(m.base_unit, m.system_id, m.organisation_id)
        left join material_key k on k.material_id = m.id and k.kind = 'gtin'
    ), chosen as (
        select id, was, (array_agg(zh order by length(zh) desc, zh) filter (where zh is not null))[1] as zh,
               (array_agg(en order by length(en) desc, en) filter (where en is not null))[1] as en,
               mode() within group (order by class_code) as class_code, mode() within group (order by gtin) as gtin,
               coalesce(mode() within group (order by unit), was) as unit,
               (array_agg(rule order by rule = 'own', confidence, rule))[1] as rule, min(confidence) as confidence
        from member group by id, was
    ), written as (
        update golden_material g set name_zh = c.zh, name_en = c.en, class_code = c.class_code, gtin = c.gtin, unit = c.unit,
            rule = c.rule, confidence = c.confidence
        from chosen c where g.id = c.id
          and (g.name_zh, g.name_en, g.class_code, g.gtin, g.unit, g.rule, g.confidence)
              is distinct from (c.zh, c.en, c.class_code, c.gtin, c.unit, c.rule, c.confidence)
        returning g.id, c.was, g.unit
    )
    select array_agg(id) filter (where was <> unit) into turned from written;
    return coalesce(turned, '{}');
end
$$;

-- Match these materials of one organisation and whatever hangs on them; how many links changed.
create function materials_match(org uuid, materials bigint[]) returns int
language plpgsql security definer set search_path = pg_catalog, public, pg_temp
set enable_seqscan = off set enable_mergejoin = off set enable_nestloop = on set random_page_cost = 1.1 as $$
declare
    seeds bigint[];
    closed bigint[];
    touched bigint[];
    linked bigint[];
    turned bigint[];
    stale bigint[];
begin
    if org is distinct from nullif(current_setting('hub.org', true), '')::uuid then
        raise exception 'materials_match: this transaction does not act for organisation %', org
            using errcode = 'insufficient_privilege';
    end if;
    perform pg_advisory_xact_lock(7320001);
    select array_agg(m.id) into seeds from unnest(materials) as given(id)
    join source_material m on m.id = given.id and m.organisation_id = org;
    if seeds is null then return 0; end if;
    closed := identity_neighbours(seeds);
    closed := closed || material_key_refresh(seeds);
    closed := identity_neighbours((select array_agg(distinct id) from unnest(closed) id));
    select (r).touched, (r).linked into touched, linked from identity_apply(closed) r;
    select array_agg(distinct m.golden_id) || touched into touched
    from unnest(seeds) as given(id) join source_material m on m.id = given.id;
    turned := golden_refresh((select array_agg(distinct id) from unnest(touched) id));
    select array_agg(distinct id) into stale from (
        select unnest(seeds || linked) as id
        union select m.id from unnest(turned) as g(id) join source_material m on m.golden_id = g.id) x;
    perform unit_factor_refresh(stale);
    perform holding_refresh(stale);
    -- Stock written meanwhile by transactions not yet seen has other figures: all of these are made once more, each
    -- system's under the lock of its ledger.
    insert into unsettled (organisation_id, material_id)
    select m.organisation_id, m.id from unnest(stale) as given(id) join source_material m on m.id = given.id
    on conflict do nothing;
    perform search_refresh(seeds);
    update material_search s set golden_id = m.golden_id
    from unnest(linked) as given(id) join source_material m on m.id = given.id
    where s.material_id = m.id and s.golden_id <> m.golden_id;
    return coalesce(cardinality(linked), 0);
end
$$;
