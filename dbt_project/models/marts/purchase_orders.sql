-- Order lines with what sisters could have given at the order's date: their own unrestricted stock of the same golden
-- material beyond what they themselves issued in the year before, in the golden unit.
with orders as (
    select p.organisation_id, p.system_id, p.document, p.line, p.material_id, m.golden_id, m.number, p.state,
           p.ordered_on, p.partner_id, coalesce(p.base_unit, p.unit) as unit,
           coalesce(p.base_quantity, p.quantity) as quantity
    from {{ ref('stg_hub__purchase_orders') }} p
    join {{ ref('int_materials') }} m on m.material_id = p.material_id
    where not p.is_gone
),
flows as (
    select n.organisation_id, n.golden_id, f.moved_on, f.kind,
           cast(f.quantity as double) * cast(u.numerator as double) / cast(u.denominator as double) as quantity
    from {{ ref('int_unrestricted_flows') }} f
    join {{ ref('int_materials') }} n on n.material_id = f.material_id
    join {{ ref('int_factors') }} u on u.material_id = f.material_id and u.unit = f.unit and u.numerator is not null
),
held as (
    select organisation_id, golden_id,
           sum(cast(unrestricted - consigned as double)) as quantity
    from {{ ref('golden_inventory') }} where not is_apart group by organisation_id, golden_id
),
asked as (
    select distinct o.golden_id, o.organisation_id as buyer, o.ordered_on, h.organisation_id as sister,
           h.quantity as held_today
    from orders o
    join held h on h.golden_id = o.golden_id and h.organisation_id <> o.organisation_id
    where o.state in ('open', 'closed')
),
spare as (
    select a.golden_id, a.buyer, a.ordered_on, a.sister,
           max(a.held_today) - coalesce(sum(case when f.moved_on >= a.ordered_on then f.quantity end), 0)
           + coalesce(sum(case when f.kind = 'issue' and f.moved_on < a.ordered_on
                                and f.moved_on >= a.ordered_on - interval '365' day then f.quantity end), 0) as free
    from asked a
    left join flows f on f.golden_id = a.golden_id and f.organisation_id = a.sister
    group by a.golden_id, a.buyer, a.ordered_on, a.sister
),
ranked as (
    select *, row_number() over (partition by golden_id, buyer, ordered_on order by free desc, sister) as place
    from spare
),
offers as (
    select golden_id, buyer, ordered_on, sum(case when free > 0 then free else 0 end) as free,
           max(case when place = 1 then sister end) as best_sister
    from ranked group by golden_id, buyer, ordered_on
),
final as (
    select o.organisation_id, o.system_id, o.document, o.line, o.material_id, o.golden_id, o.number, o.state,
           o.ordered_on, o.partner_id, o.quantity, o.unit, {{ worth('o.quantity') }} as value,
           coalesce(x.free, 0) as free_at_sisters, case when x.free > 0 then x.best_sister end as best_sister,
           case when x.free > 0 and o.quantity > 0 and f.numerator is not null
                then cast({{ worth('o.quantity') }} as double)
                     * least(1.0, x.free * cast(f.denominator as double)
                                  / (cast(o.quantity as double) * cast(f.numerator as double)))
                else 0 end as duplicate_value
    from orders o
    join {{ ref('int_materials') }} m on m.material_id = o.material_id
    left join {{ ref('int_factors') }} f on f.material_id = o.material_id and f.unit = o.unit
    left join offers x
      on x.golden_id = o.golden_id and x.buyer = o.organisation_id and x.ordered_on = o.ordered_on
      and o.state in ('open', 'closed')
)
select * from final
