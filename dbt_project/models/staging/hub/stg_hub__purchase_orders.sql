with final as (
    select * from {{ source('pinned', 'purchase_orders') }}
)
select * from final
