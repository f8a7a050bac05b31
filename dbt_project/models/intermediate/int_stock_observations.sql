-- Every word on what a position held: reads that list it, and snapshots where they say something new or where something
-- else was told since the one before.
with snapshots as (
    select * from {{ ref('int_snapshots') }}
),
chained as (
    select o.position_key, o.coverage_id, o.chain_no, o.quantity, s.observed_at, s.recorded_at, s.recording_id,
           s.base_no, s.batch_id
    from {{ ref('stg_lake__observations') }} o
    join snapshots s on s.coverage_id = o.coverage_id and s.chain_no = o.chain_no
    where o.kind <> 'gap'
),
gaps as (
    select position_key, coverage_id, chain_no from {{ ref('stg_lake__observations') }} where kind = 'gap'
),
positions as (
    select position_key, coverage_id from {{ ref('int_positions') }}
),
-- Every version ever in force: what was believed of it is asked for too.
moves as (
    select position_key, booked_at from {{ ref('int_movements') }} where booked_at is not null
),
-- Snapshots that came in another order than they were observed in: what a chain says there is asked of each of them.
disordered as (
    select distinct a.coverage_id
    from snapshots a
    join snapshots b on b.coverage_id = a.coverage_id and b.chain_no > a.chain_no and b.observed_at < a.observed_at
),
restarted as (
    select coverage_id from snapshots where chain_no = base_no group by coverage_id having count(*) > 1
),
-- What the next snapshot answers: movements up to its instant, reads before it. Side 1: one of the same instant answers
-- too; -1: only a later one.
told as (
    select position_key, booked_at as moment, 1 as side from moves
    union all
    select position_key, observed_at, 1 from {{ ref('int_observations') }}
    union all
    select position_key, observed_at, -1 from {{ ref('int_observations') }}
),
timeline as (
    select p.coverage_id, t.position_key, t.moment, t.side
    from told t
    join positions p on p.position_key = t.position_key
    union all
    select coverage_id, null, observed_at, 0 from snapshots
),
followed as (
    select coverage_id, position_key,
           min(case when side = 0 then moment end) over (
               partition by coverage_id order by moment desc, side rows unbounded preceding) as next_at
    from timeline
),
-- Where a snapshot must be asked of a key although its chain has no row there.
asked as (
    select f.position_key, f.coverage_id, s.chain_no
    from followed f
    join snapshots s on s.coverage_id = f.coverage_id and s.observed_at = f.next_at
    where f.position_key is not null
    union
    select p.position_key, p.coverage_id, s.chain_no
    from positions p
    join snapshots s on s.coverage_id = p.coverage_id
    where p.coverage_id in (select coverage_id from disordered)
       or (p.coverage_id in (select coverage_id from restarted) and s.chain_no = s.base_no)
),
silent as (
    select a.position_key, a.coverage_id, a.chain_no
    from asked a
    left join chained c
      on c.position_key = a.position_key and c.coverage_id = a.coverage_id and c.chain_no = a.chain_no
    left join gaps g on g.position_key = a.position_key and g.coverage_id = a.coverage_id and g.chain_no = a.chain_no
    where c.position_key is null and g.position_key is null
),
merged as (
    select position_key, coverage_id, chain_no, quantity, chain_no as told_no from chained
    where position_key in (select position_key from silent)
    union all
    select position_key, coverage_id, chain_no, null, null from silent
),
numbered as (
    select *, max(told_no) over (
               partition by position_key, coverage_id order by chain_no rows unbounded preceding) as last_no
    from merged
),
filled as (
    select n.position_key, s.observed_at, s.recorded_at, s.recording_id, s.batch_id,
           case when c.chain_no >= s.base_no then c.quantity else 0 end as quantity
    from numbered n
    join snapshots s on s.coverage_id = n.coverage_id and s.chain_no = n.chain_no
    left join chained c
      on c.position_key = n.position_key and c.coverage_id = n.coverage_id and c.chain_no = n.last_no
    where n.told_no is null
),
final as (
    select position_key, batch_id, observed_at, recorded_at, recording_id, quantity from chained
    union all
    select position_key, batch_id, observed_at, recorded_at, recording_id, coalesce(quantity, 0) from filled
    union all
    select position_key, batch_id, observed_at, recorded_at, recording_id, quantity from {{ ref('int_observations') }}
)
select * from final
