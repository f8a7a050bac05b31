-- The planted truth, one query per Parquet file; keys are the ones each mapping gives. A purchase was avoidable if at its order
    -- date a sister held at least the quantity, own and unrestricted, beyond what she herself issued in the year before; to the
    -- thousandth. Rows stand in the order in which purchases are taken: by day, the largest first; from the sister with most to spare.
-- table: source_materials
select i.system, s.organisation, case i.system when 'songjian-k3' then cast(1000 + i.item_no as varchar) when 'wugang-odoo' then cast(100 + i.item_no as varchar)
    when 'baishi-jsh' then cast(600 + i.item_no as varchar) else i.code end as item_id, i.code as item_code, m.number, i.unit_word as unit, m.base_unit, i.num as numerator, i.den as denominator,
    i.gtin = m.gtin as gtin_is_right, i.gtin <> '' as has_gtin, i.mpn <> '' as has_mpn
from items i join materials m using (material) join systems s using (system) order by i.system, i.item_no
-- table: opening_stock
select i.system, s.organisation, case i.system when 'songjian-k3' then cast(1000 + i.item_no as varchar) when 'wugang-odoo' then cast(100 + i.item_no as varchar)
    when 'baishi-jsh' then cast(600 + i.item_no as varchar) else i.code end as item_id, case p.system when 'songjian-k3' then cast(200 + p.place_no as varchar) when 'wugang-odoo' then cast(10 + p.place_no as varchar)
    when 'baishi-jsh' then cast(20 + p.place_no as varchar) else w.code end as place_id, p.lot, case when p.system = 'wugang-odoo' and p.owner <> '' then cast(20 + cast(p.owner[2:] as integer) as varchar) else p.owner end as owner, w.status, i.unit_word as unit, p.quantity, p.reserved, p.expires_on
from positions p join items i using (system, item_no) join places w on w.system = p.system and w.place_no = p.place_no join systems s on s.system = p.system
-- table: avoidable_purchases
with bought as (
    select o.system, s.organisation, o.order_no, o.line_no, i.item_no, i.material, i.code as item_code, o.state, o.ordered_on, cast(o.ordered_on as timestamp) as moment, o.document, o.line,
        round(cast(o.base_quantity as double) * i.num / i.den, 3) as quantity, i.price_cny, row_number() over (order by o.system, o.order_no, o.line_no) as n
    from order_lines o join items i using (system, item_no) join systems s using (system) where o.state in ('open', 'closed')
), legs as (
    select s.organisation, i.material, at_local as moment, sum(q * factor) as change, sum(used * factor) as used from (
        select system, item_no, at_local, src_place as place, -cast(quantity as double) as q, case kind when 'issue' then cast(quantity as double) else 0 end as used from moves where src_place is not null and owner = ''
        union all select system, item_no, at_local, dst_place, cast(quantity as double), 0 from moves where dst_place is not null and owner = '') l
    join (select system, item_no, material, num::double / den as factor from items) i using (system, item_no) join systems s using (system)
    join places w on w.system = l.system and w.place_no = l.place and w.status = 'unrestricted'
    group by 1, 2, 3
), running as (
    select organisation, material, moment, sum(change) over w as held, sum(used) over w as used_so_far from legs window w as (partition by organisation, material order by moment)
), asked as (
    select b.*, r.organisation as sister, b.moment - interval 365 day as before from bought b join (select distinct organisation, material from legs) r on r.material = b.material and r.organisation <> b.organisation
), held as (
    select a.*, r.held, r.used_so_far from asked a asof join running r on r.organisation = a.sister and r.material = a.material and r.moment <= a.moment
), spare as (
    select h.*, round(h.held - (h.used_so_far - coalesce(r.used_so_far, 0)), 3) as free from held h asof left join running r on r.organisation = h.sister and r.material = h.material and r.moment <= h.before
)
select n, system, organisation, order_no, line_no, document, line, item_code, m.number, state, ordered_on, quantity, sister, free, round(quantity * spare.price_cny, 2) as value_cny
from spare join materials m using (material) join (select organisation as giver, min(rank) as rank from systems group by all) on giver = sister
where free >= quantity order by ordered_on, quantity desc, document, line, n, free desc, rank
