-- Every version of every line, mere repeats left out. A view: each reader takes only the columns it needs.
with movements as (
    select * from {{ ref('stg_lake__movements') }}
),
batches as (
    select * from {{ ref('stg_hub__batches') }}
),
versions as (
    select * from {{ ref('int_movement_versions') }}
),
final as (
    select m.organisation_id, m.system_id, m.position_key, m.batch_id, m.row_no, m.item_id, m.place_id, m.owner,
           m.status, m.unit, m.identity, m.quantity, case when b.counts <> 'balance' then m.booked_at end as booked_at,
           m.occurred_at, m.modified_at, m.is_voided, m.kind, m.document, m.line, m.partner_id, b.recorded_at,
           b.sequence, v.batch_id is not null as is_told_again, coalesce(v.newness = 1, true) as is_current
    from movements m
    join batches b on b.batch_id = m.batch_id
    left join versions v on v.batch_id = m.batch_id and v.row_no = m.row_no
    where v.is_repeat is null or not v.is_repeat
)
select * from final
