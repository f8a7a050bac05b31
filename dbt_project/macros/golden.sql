{# Facts in force at instant `at` as known at `known`; none: the newest of all. #}
{% macro in_force(relation, key, at=none, known=none, valid='valid_from') -%}
select * from (
    select *, row_number() over (partition by {{ key }} order by {{ valid }} desc, recorded_at desc) as newness
    from {{ relation }}
    where true {% if at %} and {{ valid }} <= {{ at }} {% endif %}
        {%- if known %} and recorded_at <= {{ known }} {% endif %}
) facts where newness = 1
{%- endmacro %}

{# The golden material of every source material: the newest decision known. #}
{% macro links_as_of(known=none) -%}
select organisation_id, material_id, golden_id from (
    select *, row_number() over (partition by material_id order by recorded_at desc, link_id desc) as newness
    from {{ ref('stg_hub__links') }}
    where true {% if known %} and recorded_at <= {{ known }} {% endif %}
) decisions where newness = 1
{%- endmacro %}

{# From each unit in `held` (material_id, unit) to the material's base unit and to its golden unit, as reduced
   whole fractions. Roads in their order: the same unit; a fact of the material's own unit; Rec 20 within one dimension
   by what codes mean; a fact by meaning; such a fact from a unit of its dimension. No road: no row. #}
{% macro factors_as_of(held, at=none, known=none) -%}
with linked as (
    {{ links_as_of(known) }}
),
materials as (
    select m.organisation_id, m.material_id, m.system_id, g.unit as golden_unit,
           coalesce(m.base_unit, g.unit) as base_unit
    from linked l
    join {{ ref('stg_hub__source_materials') }} m on m.material_id = l.material_id
    join {{ ref('stg_hub__golden_materials') }} g on g.golden_id = l.golden_id
),
units as (
    select * from {{ ref('stg_hub__units') }}
),
meanings as (
    select * from {{ ref('stg_hub__source_units') }}
),
wanted as (
    select h.material_id, h.unit from {{ held }} h
    union
    select m.material_id, m.golden_unit from materials m
),
pairs as (
    select w.material_id, w.unit, m.base_unit, coalesce(a.unit, w.unit) as meaning,
           coalesce(b.unit, m.base_unit) as base_meaning
    from wanted w
    join materials m on m.material_id = w.material_id
    left join meanings a on a.organisation_id = m.organisation_id and a.system_id = m.system_id and a.code = w.unit
    left join meanings b on b.organisation_id = m.organisation_id and b.system_id = m.system_id and b.code = m.base_unit
),
told as (
    {{ in_force(ref('stg_hub__material_units'), 'material_id, unit', at, known) }}
),
facts as (
    select f.material_id, f.unit, coalesce(s.unit, f.unit) as meaning,
           {{ nano('f.numerator') }} as numerator, {{ nano('f.denominator') }} as denominator
    from told f
    join materials m on m.material_id = f.material_id
    left join meanings s on s.organisation_id = m.organisation_id and s.system_id = m.system_id and s.code = f.unit
),
roads as (
    select material_id, unit, 1 as road, '' as via, {{ whole(1) }} as numerator, {{ whole(1) }} as denominator
    from pairs where unit = base_unit
    union all
    select p.material_id, p.unit, 2, f.unit, f.numerator, f.denominator
    from pairs p
    join facts f on f.material_id = p.material_id and f.unit = p.unit
    left join units u on u.code = p.unit
    where u.code is null
    union all
    select p.material_id, p.unit, 3, '', a.numerator * b.denominator, a.denominator * b.numerator
    from pairs p
    join units a on a.code = p.meaning
    join units b on b.code = p.base_meaning and b.dimension = a.dimension
    union all
    select p.material_id, p.unit, 4, f.unit, f.numerator, f.denominator
    from pairs p
    join facts f on f.material_id = p.material_id and f.meaning = p.meaning
    union all
    select p.material_id, p.unit, 5, f.unit, a.numerator * b.denominator * f.numerator,
           a.denominator * b.numerator * f.denominator
    from pairs p
    join facts f on f.material_id = p.material_id
    join units b on b.code = f.meaning
    join units a on a.code = p.meaning and a.dimension = b.dimension
),
ranked as (
    select *, row_number() over (partition by material_id, unit order by road, via) as newness from roads
),
to_base as (
    select material_id, unit, {{ quotient('numerator', divisor('numerator', 'denominator')) }} as numerator,
           {{ quotient('denominator', divisor('numerator', 'denominator')) }} as denominator
    from ranked where newness = 1
),
to_golden as (
    select u.material_id, u.unit, u.numerator * g.denominator as numerator, u.denominator * g.numerator as denominator
    from to_base u
    join materials m on m.material_id = u.material_id
    join to_base g on g.material_id = m.material_id and g.unit = m.golden_unit
    where u.unit <> m.golden_unit
    union all
    select m.material_id, m.golden_unit, {{ whole(1) }}, {{ whole(1) }} from materials m
),
final as (
    select m.organisation_id, w.material_id, w.unit, b.numerator as base_numerator, b.denominator as base_denominator,
           {{ quotient('g.numerator', divisor('g.numerator', 'g.denominator')) }} as numerator,
           {{ quotient('g.denominator', divisor('g.numerator', 'g.denominator')) }} as denominator
    from wanted w
    join {{ ref('stg_hub__source_materials') }} m on m.material_id = w.material_id
    left join to_base b on b.material_id = w.material_id and b.unit = w.unit
    left join to_golden g on g.material_id = w.material_id and g.unit = w.unit
)
select * from final
{%- endmacro %}

{# What each organisation held of each material, per coverage and unit: in the source's unit, the golden unit, own
   currency and the group's. `positions` is a relation in the shape of positions_as_of, `factors` of factors_as_of. #}
{% macro golden_as_of(positions, factors, at=none, known=none, today="date '" ~ var('today') ~ "'") -%}
with linked as (
    {{ links_as_of(known) }}
),
materials as (
    select * from {{ ref('stg_hub__source_materials') }}
),
sums as (
    select m.organisation_id, m.system_id, p.coverage_id, m.material_id, p.unit,
           {%- for status in ['unrestricted', 'quality', 'blocked', 'in_transit'] %}
           coalesce(sum(p.quantity) filter (where p.status = '{{ status }}'), 0) as {{ status }},
           {%- endfor %}
           coalesce(sum(p.quantity) filter (where p.status <> 'in_transit'), 0) as source_on_hand,
           coalesce(sum(p.reserved), 0) as reserved,
           coalesce(sum(p.quantity) filter (where p.owner <> '' and p.status <> 'in_transit'), 0) as consigned,
           count(*) as positions, count(*) filter (where p.quantity < 0) as negatives
    from {{ positions }} p
    join materials m
      on m.organisation_id = p.organisation_id and m.system_id = p.system_id and m.item_id = p.item_id
    group by m.organisation_id, m.system_id, p.coverage_id, m.material_id, p.unit
),
costs as (
    {{ in_force(ref('stg_hub__unit_costs'), 'material_id', at, known) }}
),
dated as (
    select * from {{ ref('stg_hub__exchange_rates') }} where rate_on <= {{ today }}
),
rates as (
    {{ in_force('dated', 'currency', none, known, 'rate_on') }}
),
converted as (
    select s.*, l.golden_id, g.number, g.unit as golden_unit, f.numerator is null as is_apart,
           coalesce(f.numerator, {{ whole(1) }}) as numerator, coalesce(f.denominator, {{ whole(1) }}) as denominator,
           case when f.base_numerator is not null then c.cost end as unit_cost,
           case when f.base_numerator is not null then c.currency end as currency,
           f.base_numerator, f.base_denominator, u.decimals
    from sums s
    join linked l on l.material_id = s.material_id
    join {{ ref('stg_hub__golden_materials') }} g on g.golden_id = l.golden_id
    join {{ ref('stg_hub__units') }} u on u.code = g.unit
    left join {{ factors }} f on f.material_id = s.material_id and f.unit = s.unit
    left join costs c on c.material_id = s.material_id
),
valued as (
    select *, case when unit_cost is not null
                   then {{ money('(source_on_hand - consigned)', 'unit_cost', 'base_numerator', 'base_denominator') }}
              end as value
    from converted
),
final as (
    select v.organisation_id, v.system_id, v.coverage_id, v.material_id, v.unit, v.golden_id, v.number, v.golden_unit,
           v.is_apart, v.source_on_hand, v.consigned as source_consigned,
           {%- for name in 
              ['source_on_hand', 'unrestricted', 'quality', 'blocked', 'in_transit', 'reserved', 'consigned'] %}
           cast({{ converted('v.' ~ name, 'v.numerator', 'v.denominator', 'v.decimals') }} as decimal(38,9))
               as {{ 'on_hand' if name == 'source_on_hand' else name }},
           {%- endfor %}
           v.unit_cost, v.currency, v.value,
           case when v.currency = '{{ var("group_currency") }}' then v.value
                else {{ money('v.value', 'r.rate') }} end as group_value,
           r.rate_on, v.positions, v.negatives
    from valued v
    left join rates r on r.currency = v.currency
)
select * from final
{%- endmacro %}
