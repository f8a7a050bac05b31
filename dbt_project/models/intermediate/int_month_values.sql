-- Value of own stock per organisation, golden material and month, in the group's currency at today's costs and rates:
-- today's value less all that moved since. `mean_value` is the daily mean of the month, up to today in the last one.
with flows as (
    select f.organisation_id, m.golden_id, {{ month_of('f.moved_on') }} as month, f.moved_on, f.kind, f.quantity,
           {{ about_worth('f.quantity', 'm', 'u') }} as value
    from {{ ref('int_flows') }} f
    join {{ ref('int_materials') }} m on m.material_id = f.material_id
    left join {{ ref('int_factors') }} u on u.material_id = f.material_id and u.unit = f.unit
    where f.moved_on <= date '{{ var("today") }}'
),
moved as (
    select organisation_id, golden_id, month, sum(value) as change,
           sum(value * (extract(day from moved_on) - 1)) as change_days,
           -sum(case when kind = 'issue' then value else 0 end) as issued
    from flows group by organisation_id, golden_id, month
),
months as (
    select distinct {{ month_of('moved_on') }} as month from {{ ref('int_flows') }}
    where moved_on <= date '{{ var("today") }}'
      and {{ month_of('moved_on') }} > date '{{ var("today") }}' - interval '25' month
    union
    select {{ month_of("date '" ~ var('today') ~ "'") }}
),
holders as (
    -- What has no known cost is worth nothing here.
    select organisation_id, golden_id, coalesce(sum(cast(value as double)), 0) as value from {{ ref('int_own_stock') }}
    group by organisation_id, golden_id
    union
    select distinct m.organisation_id, m.golden_id, cast(0 as double) from moved m
    left join {{ ref('int_own_stock') }} s on s.organisation_id = m.organisation_id and s.golden_id = m.golden_id
    where s.golden_id is null
),
grid as (
    select h.organisation_id, h.golden_id, h.value, n.month from holders h cross join months n
),
closed as (
    select g.organisation_id, g.golden_id, g.month, coalesce(v.change, 0) as change,
           coalesce(v.change_days, 0) as change_days, coalesce(v.issued, 0) as issued,
           g.value - coalesce(sum(v.change) over (
               partition by g.organisation_id, g.golden_id order by g.month desc
               rows between unbounded preceding and 1 preceding), 0) as closing_value
    from grid g
    left join moved v
      on v.organisation_id = g.organisation_id and v.golden_id = g.golden_id and v.month = g.month
),
final as (
    select organisation_id, golden_id, month, closing_value, issued,
           closing_value - change_days / (case when month = {{ month_of("date '" ~ var('today') ~ "'") }}
                                               then extract(day from date '{{ var("today") }}')
                                               else {{ month_days('month') }} end) as mean_value
    from closed
)
select * from final
