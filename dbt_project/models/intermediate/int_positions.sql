-- Every position ever named, as its newest observation names it; one never observed, as its newest movement does.
with batches as (
    select batch_id, sequence from {{ ref('stg_hub__batches') }}
),
observed as (
    select o.position_key, max(b.sequence) as sequence
    from {{ ref('stg_lake__observations') }} o
    join batches b on b.batch_id = o.batch_id
    where o.kind = 'listed'
    group by o.position_key
),
moved as (
    select m.position_key, m.organisation_id, m.system_id, m.coverage_id, m.item_id, m.place_id, m.lot, m.owner,
           m.status, m.unit,
           row_number() over (partition by m.position_key order by b.sequence desc, m.row_no desc) as newness
    from {{ ref('stg_lake__movements') }} m
    join batches b on b.batch_id = m.batch_id
    left join observed o on o.position_key = m.position_key
    where o.position_key is null
),
final as (
    select o.position_key, o.organisation_id, o.system_id, o.coverage_id, o.item_id, o.place_id, o.lot, o.owner,
           o.status, o.unit
    from {{ ref('stg_lake__observations') }} o
    join batches b on b.batch_id = o.batch_id
    join observed n on n.position_key = o.position_key and n.sequence = b.sequence
    where o.kind = 'listed'
    union all
    select position_key, organisation_id, system_id, coverage_id, item_id, place_id, lot, owner, status, unit
    from moved where newness = 1
)
select * from final
