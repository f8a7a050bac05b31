with final as (
    select * from {{ source('pinned', 'material_units') }}
)
select * from final
