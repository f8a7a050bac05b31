{%- set today = "date '" ~ var('today') ~ "'" -%}
{%- set needed = from_nano(quotient(nano('coalesce(o.yearly, 0)') ~ ' * ' ~ var('excess_days'), '365')) -%}
-- How long own stock lasts at the mean daily outflow, what is beyond need, and since when nothing has moved.
with stock as (
    select * from {{ ref('int_own_stock') }}
),
flows as (
    select * from {{ ref('int_flows') }}
),
issued as (
    select material_id, unit,
           -sum(quantity) filter (where moved_on > {{ today }} - interval '{{ var("cover_days") }}' day) as recent,
           -sum(quantity) filter (where moved_on > {{ today }} - interval '365' day) as yearly
    from flows where kind = 'issue'
    group by material_id, unit
),
-- Reversals taken off; where more was taken back than issued, nothing went out.
outflows as (
    select material_id, unit, case when recent > 0 then recent else 0 end as recent,
           case when yearly > 0 then yearly else 0 end as yearly
    from issued
),
moved as (
    select material_id, max(moved_on) as last_moved_on from flows
    where kind in ('receipt', 'issue', 'transfer', 'return') group by material_id
),
measured as (
    select s.organisation_id, s.material_id, s.golden_id, s.unit, s.on_hand, s.value, v.last_moved_on,
           {{ days_between('v.last_moved_on', today) }} as still_days,
           coalesce(o.recent, 0) as outflow,
           greatest(cast(0 as decimal(38,9)), cast(s.on_hand - {{ needed }} as decimal(38,9))) as excess
    from stock s
    left join outflows o on o.material_id = s.material_id and o.unit = s.unit
    left join moved v on v.material_id = s.material_id
),
final as (
    select b.organisation_id, b.material_id, b.golden_id, b.unit, b.on_hand, b.value,
           cast(b.outflow as decimal(38,9)) as outflow,
           case when b.outflow > 0
                then cast(cast(b.on_hand as double) * {{ var("cover_days") }} / cast(b.outflow as double) as double)
           end as days_of_cover,
           b.excess, {{ worth('b.excess') }} as excess_value, b.last_moved_on, b.still_days,
           case when b.still_days >= 365 then b.value else 0 end as dormant_value
    from measured b
    join {{ ref('int_materials') }} m on m.material_id = b.material_id
    left join {{ ref('int_factors') }} f on f.material_id = b.material_id and f.unit = b.unit
)
select * from final
