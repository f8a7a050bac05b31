with final as (
    select * from {{ source('pinned', 'organisations') }}
)
select * from final
