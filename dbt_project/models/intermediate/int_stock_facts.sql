-- What moves a position, and when it became known: observations, movements entering force and, where another version
-- of their line beats them, leaving it. Facts of one position lie in blocks: those of a block are recorded after, and
-- tell of later, than all before it. Most blocks are of one recording.
with ranked as (
    select organisation_id, identity, position_key, booked_at, quantity, is_voided, recorded_at,
           row_number() over (
               partition by organisation_id, identity
               order by modified_at nulls first, recorded_at, sequence, row_no) as newness
    from {{ ref('int_movements') }} where is_told_again
),
beaten as (
    select v.organisation_id, v.identity, v.newness, min(b.recorded_at) as beaten_at
    from ranked v
    join ranked b on b.organisation_id = v.organisation_id and b.identity = v.identity and b.newness > v.newness
    group by v.organisation_id, v.identity, v.newness
),
in_force as (
    select v.position_key, v.booked_at, v.quantity, v.is_voided, v.recorded_at, b.beaten_at
    from ranked v
    left join beaten b
      on b.organisation_id = v.organisation_id and b.identity = v.identity and b.newness = v.newness
    where b.beaten_at is null or b.beaten_at > v.recorded_at
    union all
    select position_key, booked_at, quantity, is_voided, recorded_at, null from {{ ref('int_movements') }}
    where not is_told_again
),
effects as (
    select position_key, booked_at as moment, recorded_at as known_at, quantity from in_force
    where booked_at is not null and not is_voided
    union all
    select position_key, booked_at, beaten_at, -quantity from in_force
    where booked_at is not null and not is_voided and beaten_at is not null
),
facts as (
    select position_key, observed_at as moment, recorded_at as known_at, 1 as is_observed, quantity, recording_id,
           batch_id
    from {{ ref('int_stock_observations') }}
    union all
    select position_key, moment, known_at, 0, sum(quantity), null, null from effects
    group by position_key, moment, known_at
),
recorded as (
    select position_key, known_at, min(moment) as first_at, max(moment) as last_at from facts
    group by position_key, known_at
),
bounded as (
    select position_key, known_at,
           max(last_at) over (
               partition by position_key order by known_at rows between unbounded preceding and 1 preceding) as past_at,
           min(first_at) over (
               partition by position_key order by known_at rows between current row and unbounded following) as next_at
    from recorded
),
blocks as (
    select position_key, known_at,
           sum(case when past_at is null or past_at < next_at then 1 else 0 end) over (
               partition by position_key order by known_at rows unbounded preceding) as block
    from bounded
),
counted as (
    select *, count(*) over (partition by position_key, block) as recordings from blocks
),
final as (
    select f.position_key, b.block, b.recordings, f.known_at, f.moment, f.is_observed,
           cast(f.quantity as decimal(38,9)) as quantity, f.recording_id, f.batch_id
    from facts f
    join counted b on b.position_key = f.position_key and b.known_at = f.known_at
)
select * from final
