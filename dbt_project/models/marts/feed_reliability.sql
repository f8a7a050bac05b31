-- How each feed has behaved: how often it came, how late, how whole. Rows that were set aside come again as replays, at
-- the instant of their origin: no reads of their own.
with batches as (
    select * from {{ ref('stg_hub__batches') }} where not is_replay
),
repaired as (
    select coverage_id, stream, sum(rows_in - quarantined) as rows_taken from {{ ref('stg_hub__batches') }}
    where is_replay group by coverage_id, stream
),
paced as (
    select *, lag(observed_at) over (
               partition by organisation_id, system_id, coverage_id, stream order by observed_at) as before_at
    from batches
),
final as (
    select p.organisation_id, p.system_id, p.coverage_id, p.stream, count(*) as batches,
           min(p.observed_at) as first_at, max(p.observed_at) as last_at,
           cast(sum(p.rows_in) as bigint) as rows_in,
           cast(sum(p.quarantined) - coalesce(max(r.rows_taken), 0) as bigint) as quarantined,
           {{ percentile(seconds_between('p.before_at', 'p.observed_at'), 0.5) }} as interval_seconds,
           {{ percentile(seconds_between('p.observed_at', 'p.applied_at'), 0.5) }} as delay_p50_seconds,
           {{ percentile(seconds_between('p.observed_at', 'p.applied_at'), 0.95) }} as delay_p95_seconds,
           case when sum(p.rows_in) > 0
                then 1 - cast(sum(p.quarantined) - coalesce(max(r.rows_taken), 0) as double)
                         / cast(sum(p.rows_in) as double)
           end as completeness,
           max(c.sla_seconds) as sla_seconds,
           count(case when {{ seconds_between('p.before_at', 'p.observed_at') }} > 2 * c.sla_seconds then 1 end)
               as breaks
    from paced p
    join {{ ref('stg_hub__coverages') }} c on c.coverage_id = p.coverage_id
    left join repaired r on r.coverage_id = p.coverage_id and r.stream = p.stream
    group by p.organisation_id, p.system_id, p.coverage_id, p.stream
)
select * from final
