-- Lines of batches that are not pinned are here too: who reads them joins the batches.
with movements as (
    select * from {{ source('bronze', 'stock_movement') }}
)
select * from movements
