with observations as (
    select * from {{ ref('stg_lake__observations') }}
),
batches as (
    select * from {{ ref('stg_hub__batches') }}
),
final as (
    select o.organisation_id, o.position_key, o.batch_id, o.row_no, o.quantity, o.reserved, o.value, o.currency,
           b.observed_at, b.recorded_at, b.recording_id
    from observations o
    join batches b on b.batch_id = o.batch_id
    where o.chain_no is null
)
select * from final
