with movements as (
    select * from {{ source('bronze', 'stock_movement') }}
),
pinned as (
    select batch_id from {{ source('pinned', 'batches') }}
),
final as (
    select m.* from movements m join pinned p on p.batch_id = m.batch_id
)
select * from final
