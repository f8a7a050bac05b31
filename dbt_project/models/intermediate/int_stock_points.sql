-- The life of each position as known now: what it held from an instant on. An observation sets it, the one recorded
-- last if there are several, and has seen what moved in its own instant; else movements change it.
with told as (
    select position_key, moment, block, recordings, min(known_at) as known_at, max(is_observed) as is_observed,
           max_by(quantity, recording_id) filter (where is_observed = 1) as observed,
           sum(case when is_observed = 0 then quantity end) as moved
    from {{ ref('int_stock_facts') }}
    group by position_key, moment, block, recordings
),
grouped as (
    select *, sum(is_observed) over (partition by position_key order by moment rows unbounded preceding) as era
    from told
),
running as (
    select position_key, moment, block, recordings, known_at,
           cast(sum(case when is_observed = 1 then observed else moved end) over (
               partition by position_key, era order by moment rows unbounded preceding) as decimal(38,9)) as quantity
    from grouped
),
final as (
    select *, quantity - coalesce(lag(quantity) over (partition by position_key order by moment), 0) as change
    from running
)
select * from final
