with held as (
    select distinct m.material_id, p.unit
    from {{ ref('int_positions') }} p
    join {{ ref('stg_hub__source_materials') }} m
      on m.organisation_id = p.organisation_id and m.system_id = p.system_id and m.item_id = p.item_id
),
final as (
    select * from ({{ factors_as_of('held') }}) factors
)
select * from final
