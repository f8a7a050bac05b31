-- What each position held from when to when, as known now; `known_from` is when the newest fact behind it was recorded.
with points as (
    select * from {{ ref('int_stock_points') }} where change <> 0
),
final as (
    select p.organisation_id, s.position_key, m.material_id, p.coverage_id, p.place_id, p.unit, s.quantity,
           s.moment as valid_from,
           lead(s.moment) over (partition by s.position_key order by s.moment) as valid_to, s.known_from
    from points s
    join {{ ref('int_positions') }} p on p.position_key = s.position_key
    join {{ ref('int_materials') }} m
      on m.organisation_id = p.organisation_id and m.system_id = p.system_id and m.item_id = p.item_id
)
select * from final
