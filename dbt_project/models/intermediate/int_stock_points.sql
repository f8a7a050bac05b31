-- The life of each position as known now: what it held from an instant on. An observation sets it, a movement changes
-- it.
with observations as (
    select * from {{ ref('int_stock_observations') }}
),
moves as (
    select position_key, booked_at, quantity from {{ ref('int_movements') }}
    where is_current and not is_voided and booked_at is not null
),
settled as (
    select *, row_number() over (partition by position_key, observed_at order by recording_id desc) as newness
    from observations
),
points as (
    select position_key, observed_at as moment, 1 as is_observed, quantity from settled where newness = 1
    union all
    select position_key, booked_at, 0, sum(quantity) from moves group by position_key, booked_at
),
grouped as (
    select *, sum(is_observed) over (
               partition by position_key order by moment, is_observed rows unbounded preceding) as era
    from points
),
running as (
    -- Within an era the observation comes first, movements add to it.
    select position_key, moment, is_observed,
           cast(sum(quantity) over (
               partition by position_key, era order by moment, is_observed rows unbounded preceding)
               as decimal(38,9)) as quantity
    from grouped
),
last_of_moment as (
    select *, row_number() over (partition by position_key, moment order by is_observed desc) as newness
    from running
),
final as (
    select position_key, moment, quantity,
           quantity - coalesce(lag(quantity) over (partition by position_key order by moment), 0) as change
    from last_of_moment where newness = 1
)
select * from final
