-- Movements in force, in the source's unit and the golden one, at today's cost and rate. A view: each line lies in
-- bronze already.
with movements as (
    select * from {{ ref('int_movements') }} where is_current and not is_voided
),
factors as (
    select material_id, unit, {{ whole('numerator') }} as numerator, {{ whole('denominator') }} as denominator,
           {{ whole('base_numerator') }} as base_numerator, {{ whole('base_denominator') }} as base_denominator
    from {{ ref('int_factors') }}
),
final as (
    select v.organisation_id, v.identity as movement_key, v.position_key, m.material_id, m.golden_id, v.place_id,
           v.kind, v.occurred_at, v.booked_at, v.recorded_at, v.document, v.line, v.partner_id, v.quantity, v.unit,
           cast({{ converted('v.quantity', 'f.numerator', 'f.denominator', 'u.decimals') }} as decimal(38,9))
               as golden_quantity,
           {{ worth('v.quantity') }} as value, v.batch_id, v.row_no
    from movements v
    join {{ ref('int_materials') }} m
      on m.organisation_id = v.organisation_id and m.system_id = v.system_id and m.item_id = v.item_id
    left join factors f on f.material_id = m.material_id and f.unit = v.unit
    left join {{ ref('stg_hub__units') }} u on u.code = m.golden_unit
)
select * from final
