-- Order lines, and the sister each could have been taken from on its day: her own unrestricted stock of the same golden
-- material, beyond what she herself issued in the year before, holds the whole quantity. Day by day, the largest first,
-- a purchase is taken from the sister with most to spare; what she gave to an earlier one she cannot give again.
with orders as (
    select p.organisation_id, p.system_id, p.document, p.line, p.material_id, m.golden_id, m.number, p.state,
           p.ordered_on, p.partner_id, coalesce(p.base_unit, p.unit) as unit,
           coalesce(p.base_quantity, p.quantity) as quantity
    from {{ ref('stg_hub__purchase_orders') }} p
    join {{ ref('int_materials') }} m on m.material_id = p.material_id
    where not p.is_gone
),
purchases as (
    -- In the golden unit, to its thousandth.
    select o.*, row_number() over (order by o.organisation_id, o.system_id, o.document, o.line) as purchase,
           case when o.state in ('open', 'closed') and o.quantity > 0
                then round(cast(o.quantity as double) * cast(f.numerator as double) / cast(f.denominator as double), 3)
           end as wanted
    from orders o
    left join {{ ref('int_factors') }} f on f.material_id = o.material_id and f.unit = o.unit
),
flows as (
    select n.organisation_id, n.golden_id, f.moved_on, f.kind,
           cast(f.unrestricted as double) * cast(u.numerator as double) / cast(u.denominator as double) as quantity
    from {{ ref('int_flows') }} f
    join {{ ref('int_materials') }} n on n.material_id = f.material_id
    join {{ ref('int_factors') }} u on u.material_id = f.material_id and u.unit = f.unit and u.numerator is not null
),
held as (
    select n.organisation_id, n.golden_id,
           sum(cast(p.quantity as double) * cast(u.numerator as double) / cast(u.denominator as double)) as quantity
    from {{ ref('int_positions_current') }} p
    join {{ ref('int_materials') }} n
      on n.organisation_id = p.organisation_id and n.system_id = p.system_id and n.item_id = p.item_id
    join {{ ref('int_factors') }} u on u.material_id = n.material_id and u.unit = p.unit and u.numerator is not null
    where p.status = 'unrestricted' and coalesce(p.owner, '') = ''
    group by n.organisation_id, n.golden_id
),
asked as (
    select distinct o.golden_id, o.organisation_id as buyer, o.ordered_on, h.organisation_id as sister,
           h.quantity as held_today
    from purchases o
    join held h on h.golden_id = o.golden_id and h.organisation_id <> o.organisation_id
    where o.wanted > 0
),
spare as (
    select a.golden_id, a.buyer, a.ordered_on, a.sister,
           round(max(a.held_today)
                 - coalesce(sum(case when f.moved_on >= a.ordered_on then f.quantity end), 0)
                 + coalesce(sum(case when f.kind = 'issue' and f.moved_on < a.ordered_on
                                      and f.moved_on >= a.ordered_on - interval '365' day then f.quantity end), 0), 3)
               as free
    from asked a
    left join flows f on f.golden_id = a.golden_id and f.organisation_id = a.sister
    group by a.golden_id, a.buyer, a.ordered_on, a.sister
),
offers as (
    select o.golden_id, o.ordered_on, o.document, o.line, o.purchase, s.sister, o.wanted as quantity, s.free,
           row_number() over (order by o.purchase, s.free desc, s.sister) as offer
    from purchases o
    join spare s on s.golden_id = o.golden_id and s.buyer = o.organisation_id and s.ordered_on = o.ordered_on
    where o.wanted > 0 and s.free >= o.wanted
),
folded as (
    select golden_id, {{ taken_offers('ordered_on, quantity desc, document, line, offer') }} as taken
    from offers group by golden_id
),
chosen as (
    select o.purchase, o.sister
    from folded f
    cross join unnest(f.taken) as t (offer)
    join offers o on o.offer = t.offer
),
spared as (
    select golden_id, buyer, ordered_on, sum(case when free > 0 then free else 0 end) as free
    from spare group by golden_id, buyer, ordered_on
),
final as (
    select o.organisation_id, o.system_id, o.document, o.line, o.material_id, o.golden_id, o.number, o.state,
           o.ordered_on, o.partner_id, o.quantity, o.unit, {{ worth('o.quantity') }} as value,
           case when o.wanted > 0 then coalesce(x.free, 0) else 0 end as free_at_sisters, c.sister as best_sister,
           case when c.sister is not null then cast({{ worth('o.quantity') }} as double) else 0 end as duplicate_value
    from purchases o
    join {{ ref('int_materials') }} m on m.material_id = o.material_id
    left join {{ ref('int_factors') }} f on f.material_id = o.material_id and f.unit = o.unit
    left join spared x
      on x.golden_id = o.golden_id and x.buyer = o.organisation_id and x.ordered_on = o.ordered_on
    left join chosen c on c.purchase = o.purchase
)
select * from final
