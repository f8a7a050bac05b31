with batches as (
    select * from {{ source('pinned', 'batches') }}
),
placed as (
    select * from {{ source('pinned', 'placed') }}
),
final as (
    select b.*, p.sequence, p.chain_no, p.base_no
    from batches b
    left join placed p on p.batch_id = b.batch_id
)
select * from final
