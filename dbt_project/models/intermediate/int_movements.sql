with movements as (
    select * from {{ ref('stg_lake__movements') }}
),
batches as (
    select * from {{ ref('stg_hub__batches') }}
),
-- Most lines come once: only the others are weighed against each other.
told_again as (
    select organisation_id, identity from movements group by organisation_id, identity having count(*) > 1
),
lines as (
    select m.organisation_id, m.system_id, m.position_key, m.batch_id, m.row_no, m.item_id, m.place_id, m.owner,
           m.status, m.unit, m.identity, m.content, m.quantity,
           case when b.counts <> 'balance' then m.booked_at end as booked_at,
           m.occurred_at, m.modified_at, m.is_voided, m.kind, m.document, m.line, m.partner_id, b.recorded_at,
           b.sequence, t.identity is not null as is_told_again
    from movements m
    join batches b on b.batch_id = m.batch_id
    left join told_again t on t.organisation_id = m.organisation_id and t.identity = m.identity
),
delivered as (
    select *, row_number() over (partition by organisation_id, identity, content order by sequence, row_no) as delivery
    from lines where is_told_again
),
versions as (
    select *, row_number() over (
               partition by organisation_id, identity
               order by modified_at desc nulls last, recorded_at desc, sequence desc, row_no desc) as newness
    from delivered where delivery = 1
),
final as (
    select organisation_id, system_id, position_key, batch_id, row_no, item_id, place_id, owner, status, unit, identity,
           quantity, booked_at, occurred_at, modified_at, is_voided, kind, document, line, partner_id, recorded_at,
           sequence, true as is_current
    from lines where not is_told_again
    union all
    select organisation_id, system_id, position_key, batch_id, row_no, item_id, place_id, owner, status, unit, identity,
           quantity, booked_at, occurred_at, modified_at, is_voided, kind, document, line, partner_id, recorded_at,
           sequence, newness = 1
    from versions
)
select * from final
