with final as (
    select * from {{ source('pinned', 'feeds') }}
)
select * from final
