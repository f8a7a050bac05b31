with final as (
    select * from {{ source('pinned', 'golden_materials') }}
)
select * from final
