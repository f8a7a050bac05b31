with final as (
    select * from {{ source('pinned', 'coverages') }}
)
select * from final
