with final as (
    select * from {{ source('pinned', 'places') }}
)
select * from final
