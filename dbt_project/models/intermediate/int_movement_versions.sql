-- Lines that were told more than once, each telling once: `newness` 1 is in force.
with told_again as (
    select organisation_id, identity from {{ ref('stg_lake__movements') }}
    group by organisation_id, identity having count(*) > 1
),
delivered as (
    select m.organisation_id, m.identity, m.batch_id, m.row_no, m.modified_at, b.recorded_at, b.sequence,
           row_number() over (
               partition by m.organisation_id, m.identity, m.content order by b.sequence, m.row_no) as delivery
    from {{ ref('stg_lake__movements') }} m
    join told_again t on t.organisation_id = m.organisation_id and t.identity = m.identity
    join {{ ref('stg_hub__batches') }} b on b.batch_id = m.batch_id
),
final as (
    select organisation_id, batch_id, row_no, delivery > 1 as is_repeat,
           row_number() over (
               partition by organisation_id, identity, delivery > 1
               order by modified_at desc nulls last, recorded_at desc, sequence desc, row_no desc) as newness
    from delivered
)
select * from final
