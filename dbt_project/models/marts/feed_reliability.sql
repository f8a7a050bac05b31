-- How each feed has behaved: how often it came, how late, how whole.
with batches as (
    select * from {{ ref('stg_hub__batches') }}
),
paced as (
    select *, lag(observed_at) over (
               partition by organisation_id, system_id, coverage_id, stream order by observed_at) as before_at
    from batches
),
final as (
    select p.organisation_id, p.system_id, p.coverage_id, p.stream, count(*) as batches,
           min(p.observed_at) as first_at, max(p.observed_at) as last_at,
           cast(sum(p.rows_in) as bigint) as rows_in, cast(sum(p.quarantined) as bigint) as quarantined,
           {{ percentile(seconds_between('p.before_at', 'p.observed_at'), 0.5) }} as interval_seconds,
           {{ percentile(seconds_between('p.observed_at', 'p.applied_at'), 0.5) }} as delay_p50_seconds,
           {{ percentile(seconds_between('p.observed_at', 'p.applied_at'), 0.95) }} as delay_p95_seconds,
           case when sum(p.rows_in) > 0 then 1 - cast(sum(p.quarantined) as double) / cast(sum(p.rows_in) as double)
           end as completeness,
           max(c.sla_seconds) as sla_seconds,
           count(case when {{ seconds_between('p.before_at', 'p.observed_at') }} > 2 * c.sla_seconds then 1 end)
               as breaks
    from paced p
    join {{ ref('stg_hub__coverages') }} c on c.coverage_id = p.coverage_id
    group by p.organisation_id, p.system_id, p.coverage_id, p.stream
)
select * from final
