-- What a source material's positions held at the end of each day of a range, as known now. Parameters: material_id,
-- first_day and last_day (dates), zone (of the source's clock).
with days as (
    {{ days('cast($first_day as date)', 'cast($last_day as date)') }}
),
history as (
    select position_key, place_id, unit, quantity,
           {{ local_day('valid_from', '$zone') }} as first_day,
           {{ local_day('valid_to', '$zone') }} as end_day
    from {{ ref('stock_history') }}
    where material_id = cast($material_id as bigint) and known_to is null
),
final as (
    select d.day, h.position_key, h.place_id, h.unit, h.quantity
    from days d
    join history h on h.first_day <= d.day and (h.end_day is null or h.end_day > d.day)
)
select * from final order by day, place_id, position_key
