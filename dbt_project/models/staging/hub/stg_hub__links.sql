with final as (
    select * from {{ source('pinned', 'links') }}
)
select * from final
