with final as (
    select * from {{ source('pinned', 'systems') }}
)
select * from final
