-- Every source material with its golden material, and what one of its base unit costs today in the group's currency.
with linked as (
    {{ links_as_of() }}
),
materials as (
    select * from {{ ref('stg_hub__source_materials') }}
),
golden as (
    select * from {{ ref('stg_hub__golden_materials') }}
),
costs as (
    {{ in_force(ref('stg_hub__unit_costs'), 'material_id') }}
),
dated as (
    select * from {{ ref('stg_hub__exchange_rates') }} where rate_on <= date '{{ var("today") }}'
),
rates as (
    {{ in_force('dated', 'currency', none, none, 'rate_on') }}
),
final as (
    select m.organisation_id, m.system_id, m.material_id, m.item_id, l.golden_id, g.number,
           coalesce(m.base_unit, g.unit) as base_unit, g.unit as golden_unit, m.is_deleted,
           c.cost as unit_cost, c.currency,
           case when c.currency = '{{ var("group_currency") }}' then 1 else r.rate end as rate
    from materials m
    join linked l on l.material_id = m.material_id
    join golden g on g.golden_id = l.golden_id
    left join costs c on c.material_id = m.material_id
    left join rates r on r.currency = c.currency
)
select * from final
