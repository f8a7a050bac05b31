with batches as (
    select * from {{ ref('stg_hub__batches') }}
),
final as (
    select coverage_id, chain_no, base_no, batch_id, organisation_id, system_id, observed_at, recorded_at, recording_id
    from batches where chain_no is not null
)
select * from final
