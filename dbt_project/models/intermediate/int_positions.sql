with named as (
    select position_key, organisation_id, system_id, coverage_id, item_id, place_id, lot, owner, status, unit, batch_id,
           1 as rank
    from {{ ref('stg_lake__observations') }} where kind = 'listed'
    union all
    select position_key, organisation_id, system_id, coverage_id, item_id, place_id, lot, owner, status, unit, batch_id,
           2 as rank
    from {{ ref('stg_lake__movements') }}
),
batches as (
    select batch_id, sequence from {{ ref('stg_hub__batches') }}
),
ranked as (
    select n.*, row_number() over (partition by n.position_key order by n.rank, b.sequence desc) as newness
    from named n
    join batches b on b.batch_id = n.batch_id
),
final as (
    select position_key, organisation_id, system_id, coverage_id, item_id, place_id, lot, owner, status, unit
    from ranked where newness = 1
)
select * from final
