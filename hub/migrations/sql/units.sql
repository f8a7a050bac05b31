-- Exact arithmetic of units and money. A tie goes to the even neighbour, as IEEE 754 and most ledgers have it.

create function round_half_even(amount numeric, decimals int) returns numeric
language plpgsql immutable strict parallel safe as $$
declare
    away numeric := round(amount, decimals);
    cut numeric := trunc(amount, decimals);
begin
    if away <> cut and away - amount = amount - cut and mod(away, 2 * (away - cut)) <> 0 then return cut; end if;
    return away;
end
$$;

-- quantity × numerator ÷ denominator at `decimals`, computed in integers: no quotient is ever cut before it is rounded.
-- Factor 1 leaves the quantity as its source gave it.
create function convert_quantity(quantity numeric, numerator numeric, denominator numeric, decimals int) returns numeric
language plpgsql immutable strict parallel safe as $$
declare
    scaled numeric;
    cut numeric;
    twice numeric;
begin
    if numerator = denominator then return quantity; end if;
    scaled := quantity * numerator * 10::numeric ^ decimals;
    cut := div(scaled, denominator);
    twice := abs(scaled - cut * denominator) * 2;
    if twice > denominator or (twice = denominator and mod(cut, 2) <> 0) then cut := cut + sign(scaled); end if;
    -- Multiplied, as a quotient of numerics is cut at some sixteen digits.
    return cut * ('1e-' || decimals)::numeric;
end
$$;
