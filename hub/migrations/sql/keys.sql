-- Sure keys of a material, in one spelling. Null: no key.

-- A GS1 GTIN of 8, 12, 13 or 14 digits with its right check digit, as 14 digits. Numbers for use inside one shop or
-- region (prefixes 02, 04, 2 and coupons 05, 98, 99; 0 and 2 of GTIN-8) and all-zero bodies name no material.
create function gtin_key(code text) returns text
language plpgsql immutable parallel safe as $$
declare
    digits text := regexp_replace(code, '[\s.-]', '', 'g');
    g text := lpad(digits, 14, '0');
    d int[];
begin
    if digits is null or digits !~ '^([0-9]{8}|[0-9]{12,14})$' or digits ~ '^0*[0-9]$' then return null; end if;
    d := string_to_array(g, null)::int[];
    if (3 * (d[1] + d[3] + d[5] + d[7] + d[9] + d[11] + d[13]) + d[2] + d[4] + d[6] + d[8] + d[10] + d[12] + d[14]) % 10 <> 0
        or (g like '000000%' and substr(g, 7, 1) in ('0', '2'))
        or (g not like '000000%' and substr(g, 2) ~ '^(02|04|05|2|98[1-4]|99)') then return null;
    end if;
    return g;
end
$$;

-- Brand and manufacturer part number: upper case, letters and digits alone. Words that fill an empty field are no key.
create function squash(words text) returns text
language sql immutable parallel safe as $$
    select upper(regexp_replace(normalize(words, NFKC), '[^[:alnum:]]', '', 'g'))
$$;

create function mpn_key(brand text, mpn text) returns text
language plpgsql immutable parallel safe as $$
declare
    b text := squash(brand);
    m text := squash(mpn);
begin
    if b is null or b = '' or length(m) < 3 or m !~ '[0-9]' or m ~ '^(.)\1*$'
        or b in ('NA', 'NONE', 'NULL', 'UNKNOWN', 'GENERIC', 'VARIOUS', 'OTHER', 'TBD', '无', '無', '未知', '其他', '通用', '国产', '进口')
    then return null; end if;
    return b || '|' || m;
end
$$;
