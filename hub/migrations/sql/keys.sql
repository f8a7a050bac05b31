-- Sure keys of a material, in one spelling. Null: no key.

-- A GS1 GTIN of 8, 12, 13 or 14 digits with its right check digit, as 14 digits. Numbers for use inside one shop or
-- region (prefixes 02, 04, 2 and coupons 05, 98, 99; 0 and 2 of GTIN-8) and all-zero bodies name no material.
create function gtin_key(code text) returns text
language sql immutable parallel safe as $$
    with spelled as (select lpad(d, 14, '0') as g, length(d) as n
                     from (select regexp_replace(normalize(code, NFKC), '[\s.-]', '', 'g') as d) s
                     where d ~ '^[0-9]+$' and length(d) in (8, 12, 13, 14))
    select g from spelled
    where (select sum(substr(g, i, 1)::int * case when i % 2 = 1 then 3 else 1 end) from generate_series(1, 14) i) % 10 = 0
      and substr(g, 1, 13) !~ '^0*$'
      and case when n = 8 or g like '000000%' then substr(g, 7, 1) not in ('0', '2')
               else substr(g, 2) !~ '^(02|04|05|2|98[1-4]|99)' end
$$;

-- Brand and manufacturer part number: upper case, letters and digits alone. Words that fill an empty field are no key.
create function squash(words text) returns text
language sql immutable parallel safe as $$
    select upper(regexp_replace(normalize(words, NFKC), '[^[:alnum:]]', '', 'g'))
$$;

create function mpn_key(brand text, mpn text) returns text
language sql immutable parallel safe as $$
    select b || '|' || m from (select squash(brand) as b, squash(mpn) as m) s
    where b <> '' and length(m) >= 3 and m ~ '[0-9]' and m !~ '^(.)\1*$' and b !~ '^(NA|NONE|NULL|UNKNOWN|GENERIC|VARIOUS|OTHER|TBD|无|無|未知|其他|通用|国产|进口)$'
$$;
