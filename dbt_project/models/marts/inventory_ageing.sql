-- Own stock in FIFO layers: what lies there came with the newest receipts; a reversal takes back those before it. Stock
-- beyond all known receipts has no date.
with stock as (
    select * from {{ ref('int_own_stock') }} where on_hand > 0
),
receipts as (
    select material_id, unit, moved_on as received_on, sum(quantity) as received
    from {{ ref('int_flows') }}
    where kind = 'receipt' or (kind = 'return' and quantity > 0)
    group by material_id, unit, moved_on
),
-- What came from a day on.
summed as (
    select *, sum(received) over (
               partition by material_id, unit order by received_on desc rows unbounded preceding) as reached
    from receipts
),
stacked as (
    select *, coalesce(max(case when reached > 0 then reached else 0 end) over (
               partition by material_id, unit order by received_on desc
               rows between unbounded preceding and 1 preceding), 0) as newer
    from summed
),
layers as (
    select s.organisation_id, s.material_id, s.unit, s.golden_id, r.received_on,
           case when r.reached < s.on_hand then r.reached else s.on_hand end - r.newer as quantity
    from stock s
    join stacked r on r.material_id = s.material_id and r.unit = s.unit
    where r.newer < s.on_hand and r.newer < r.reached
),
known as (
    select material_id, unit, sum(quantity) as quantity from layers group by material_id, unit
),
undated as (
    select s.organisation_id, s.material_id, s.unit, s.golden_id, cast(null as date) as received_on,
           s.on_hand - coalesce(k.quantity, 0) as quantity
    from stock s
    left join known k on k.material_id = s.material_id and k.unit = s.unit
    where s.on_hand > coalesce(k.quantity, 0)
),
both_kinds as (
    select * from layers
    union all
    select * from undated
),
final as (
    select b.organisation_id, b.material_id, b.golden_id, b.unit, b.received_on,
           {{ days_between('b.received_on', "date '" ~ var('today') ~ "'") }} as age_days,
           cast(b.quantity as decimal(38,9)) as quantity, {{ worth('b.quantity') }} as value
    from both_kinds b
    join {{ ref('int_materials') }} m on m.material_id = b.material_id
    left join {{ ref('int_factors') }} f on f.material_id = b.material_id and f.unit = b.unit
)
select * from final
