with final as (
    select * from {{ source('pinned', 'source_materials') }}
)
select * from final
