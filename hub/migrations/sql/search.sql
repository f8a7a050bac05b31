-- Search by any plant's code, part number, GTIN, name in either language, from two characters on. The table has no
-- forced row security and no grant: it is reached through search_find alone, which repeats the tenant predicate.

-- Words as they are compared: compatibility forms folded, lower case, × and * as x, all else but letters and digits blank.
create function search_words(words text) returns text
language sql immutable parallel safe as $$
    select trim(regexp_replace(translate(lower(normalize(coalesce(words, ''), NFKC)), '×*', 'xx'), '[^[:alnum:]]+', ' ', 'g'))
$$;

-- Pairs of neighbouring characters inside words.
create function search_grams(words text) returns text[]
language plpgsql immutable parallel safe as $$
declare
    signs text[] := string_to_array(words, null);
begin
    return array(select c || d from unnest(signs, signs[2:]) as t(c, d) where c <> ' ' and d <> ' ');
end
$$;

create function search_refresh(materials bigint[]) returns void
language plpgsql as $$
begin
    insert into material_search as s (material_id, owner_id, golden_id, codes, words, grams)
    select m.id, m.organisation_id, m.golden_id, k.codes, w.words, search_grams(w.words)
    from unnest(materials) as given(id) join source_material m on m.id = given.id
    cross join lateral (
        select array_remove(array_remove(array[squash(m.item_id), squash(nullif(m.item_code, m.item_id)), squash(m.mpn),
                   ltrim(m.gtin, '0')], null), '') as codes
    ) k
    cross join lateral (
        select search_words(concat_ws(' ', m.name, nullif(m.name_zh, m.name), nullif(m.name_en, m.name), m.specification,
                                      m.item_code, nullif(m.item_id, m.item_code), m.brand, m.mpn, m.gtin)) as words
        offset 0
    ) w
    where m.golden_id is not null
    on conflict (material_id) do update set
        golden_id = excluded.golden_id, codes = excluded.codes, words = excluded.words, grams = excluded.grams
    where (s.golden_id, s.codes, s.words) is distinct from (excluded.golden_id, excluded.codes, excluded.words);
end
$$;

-- Golden materials the caller may read that `query` hits, best first: golden number, then code, then words.
create function search_find(query text, most int) returns table (golden_id bigint, matched text, material_id bigint)
language plpgsql stable security definer set search_path = pg_catalog, public, pg_temp as $$
declare
    orgs uuid[] := coalesce(nullif(current_setting('hub.orgs', true), ''), '{}')::uuid[];
    asked text := search_words(query);
    asked_code text := squash(query);
    asked_grams text[] := search_grams(asked);
    patterns text[] := array(select '%' || w || '%' from string_to_table(asked, ' ') w where w <> '');
begin
    return query
    with hit as (
        (select 0 as rank, m.golden_id, 'number' as matched, m.id as material_id, 0 as width from golden_material g
         join source_material m on m.golden_id = g.id or m.golden_id = g.merged_into_id
         where g.number = upper(trim(query)) and m.organisation_id = any(orgs) limit 1)
        union all
        (select 1, s.golden_id, 'code', s.material_id, 0 from material_search s
         where asked_code <> '' and s.codes && array[asked_code, ltrim(asked_code, '0')] and s.owner_id = any(orgs) limit most * 4)
        union all
        (select 2, s.golden_id, 'name', s.material_id, length(s.words) from material_search s
         where asked_grams <> '{}' and s.grams @> asked_grams and s.owner_id = any(orgs) and s.words like all(patterns)
         limit greatest(most * 10, 500))
    ), best as (select distinct on (h.golden_id) h.* from hit h order by h.golden_id, h.rank, h.width, h.material_id)
    select b.golden_id, b.matched, b.material_id from best b order by b.rank, b.width, b.golden_id limit most;
end
$$;
