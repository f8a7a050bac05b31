with observations as (
    select * from {{ source('bronze', 'stock_observation') }}
),
pinned as (
    select batch_id from {{ source('pinned', 'batches') }}
),
final as (
    select o.* from observations o join pinned p on p.batch_id = o.batch_id
)
select * from final
