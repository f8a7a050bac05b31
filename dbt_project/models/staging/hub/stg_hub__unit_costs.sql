with final as (
    select * from {{ source('pinned', 'unit_costs') }}
)
select * from final
