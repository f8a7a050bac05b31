with final as (
    select * from {{ source('pinned', 'exchange_rates') }}
)
select * from final
