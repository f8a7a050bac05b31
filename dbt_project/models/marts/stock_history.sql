-- What each position held from when to when by its source's clock, and from when to when that was believed: by
-- `known_to is null` as known now, by instants on both axes as known then.
with beliefs as (
    select * from {{ ref('int_stock_beliefs') }}
),
final as (
    select p.organisation_id, b.position_key, m.material_id, p.coverage_id, p.place_id, p.unit, b.quantity,
           b.valid_from, b.valid_to, b.known_from, b.known_to
    from beliefs b
    join {{ ref('int_positions') }} p on p.position_key = b.position_key
    join {{ ref('int_materials') }} m
      on m.organisation_id = p.organisation_id and m.system_id = p.system_id and m.item_id = p.item_id
)
select * from final
