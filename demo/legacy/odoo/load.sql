-- Places: 1 vendors, 2 customers, 3 inventory loss, 4 production, 5 and 6 views, real ones from 10. Products from 100, partners from 20.
-- view: odoo_lots
select row_number() over (order by item_no, lot) + 700 as id, * from (select item_no, lot, max(expires_on) as expires_on from positions where system = $system and lot <> '' group by item_no, lot)
-- view: odoo_moves
select m.*, i.unit_word, i.cost, 10 + coalesce(src_place, case kind when 'receipt' then -9 when 'return' then -8 else -7 end) as source,
    10 + coalesce(dst_place, case kind when 'issue' then case doc_no % 3 when 0 then -8 else -6 end else -7 end) as destination,
    case kind when 'receipt' then 'FH/IN/' when 'issue' then 'FH/OUT/' when 'transfer' then 'FH/INT/' when 'return' then 'FH/RET/' else 'Product Quantity Updated ' end || format('{:06d}', doc_no) as reference,
    l.id as lot_id, case when m.owner <> '' then 20 + s.supplier_no end as owner_id, 300 + u.n as uom
from moves m join items i using (system, item_no) left join odoo_lots l on l.item_no = m.item_no and l.lot = m.lot and m.lot <> ''
left join suppliers s on s.system = m.system and s.code = m.owner join unit_words u on u.system = m.system and u.w = i.unit_word where m.system = $system
-- table: res_company
select 1, 'Foghaven Marine', 1
-- table: res_users
select 2, 'hub', 'hub-secret', 'zh_CN'
-- table: res_currency
select * from (values (1, 'USD'), (2, 'CNY'))
-- table: res_partner
select 20 + supplier_no, name, code, nullif(tax_id, ''), 1, 0, true, $start from suppliers where system = $system
-- table: uom_uom
select 300 + n, w, 1, 1, 'reference', true, $start from unit_words where system = $system
-- table: product_category
select row_number() over (order by class_code), class_code, 'All / ' || class_code, $start from (select distinct class_code from items where system = $system)
-- table: product_product
select 100 + item_no, json_object('en_US', name, 'zh_CN', coalesce(nullif(name_zh, ''), name)), nullif(code, ''), nullif(gtin, ''), 300 + u.n, 300 + u.n, c.n, cost, weight, 'product', 'product', null, case when has_lots then 'lot' else 'none' end, active,
    nullif(brand, ''), nullif(mpn, ''), $start
from items i join unit_words u on u.system = i.system and u.w = i.unit_word
join (select class_code, row_number() over (order by class_code) as n from (select distinct class_code from items where system = $system)) c using (class_code) where i.system = $system
-- table: stock_location
select * from (values (1, 'Vendors', 'Partners/Vendors', null, null, 'supplier', true, null, $start), (2, 'Customers', 'Partners/Customers', null, null, 'customer', true, null, $start),
    (3, 'Inventory adjustment', 'Virtual Locations/Inventory adjustment', null, null, 'inventory', true, 1, $start), (4, 'Production', 'Virtual Locations/Production', null, null, 'production', true, 1, $start),
    (5, 'FH', 'FH', null, null, 'view', true, 1, $start), (6, 'SY', 'SY', null, null, 'view', true, 1, $start))
union all select 10 + place_no, regexp_extract(code, '[^/]+$'), code, replace(code, '/', '-'), case when code like 'SY%' then 6 when code like 'FH%' then 5 end, case status when 'in_transit' then 'transit' else 'internal' end, true, 1, $start from places where system = $system
-- table: stock_lot
select id, lot, 100 + item_no, expires_on::timestamp, 1, $start from odoo_lots
-- table: stock_quant(product_id,location_id,lot_id,package_id,owner_id,quantity,reserved_quantity,product_uom_id,in_date,company_id,write_date)
select 100 + p.item_no, 10 + p.place_no, l.id, null, case when p.owner <> '' then 20 + s.supplier_no end, p.quantity, p.reserved, 300 + u.n, $start, 1, $now
from positions p left join odoo_lots l on l.item_no = p.item_no and l.lot = p.lot and p.lot <> '' left join suppliers s on s.system = p.system and s.code = p.owner
join items i on i.system = p.system and i.item_no = p.item_no join unit_words u on u.system = i.system and u.w = i.unit_word where p.system = $system
union all
select 100 + item_no, place, lot_id, null, owner_id, sum(q), 0, any_value(uom), $start, 1, $now from (
    select item_no, uom, source as place, lot_id, owner_id, -quantity as q from odoo_moves where source < 10
    union all select item_no, uom, destination, lot_id, owner_id, quantity from odoo_moves where destination < 10) group by item_no, place, lot_id, owner_id
-- table: stock_move(id,reference,product_id,product_uom,product_uom_qty,product_qty,quantity,location_id,location_dest_id,partner_id,purchase_line_id,state,date,company_id,write_date)
select m.move_no, reference, 100 + m.item_no, uom, m.quantity, m.quantity, m.quantity, source, destination, 20 + m.supplier_no, o.n, 'done', at_utc, 1, at_utc
from odoo_moves m left join order_lines o using (system, move_no)
union all select 900000 + item_no, 'FH/OUT/9' || item_no, 100 + item_no, 300 + n, 9, 9, 0, 11, 2, null, null, case item_no % 2 when 0 then 'cancel' else 'assigned' end, $now, 1, $now
from items i join unit_words u on u.system = i.system and u.w = i.unit_word where i.system = $system and item_no <= 6 order by 1
-- table: stock_move_line(id,move_id,reference,product_id,product_uom_id,quantity,lot_id,owner_id,location_id,location_dest_id,state,date,company_id,write_date)
select move_no, move_no, reference, 100 + item_no, uom, quantity, lot_id, owner_id, source, destination, 'done', at_utc, 1, at_utc from odoo_moves order by 1
-- table: purchase_order
select order_no, format('P{:05d}', order_no), 20 + max(supplier_no), case when bool_or(state = 'draft') then 'draft' when bool_and(state = 'cancelled') then 'cancel' when bool_and(state = 'closed') then 'done' else 'purchase' end, case when bool_and(state = 'closed') then 'full' else 'pending' end,
    max(ordered_on)::timestamp, 1, 1, max(ordered_on)::timestamp
from orders where system = $system group by order_no order by order_no
-- table: purchase_order_line
select o.n, order_no, 100 + item_no, 300 + u.n, quantity, base_quantity, received, price, due_on::timestamp,
    case state when 'draft' then 'draft' when 'cancelled' then 'cancel' when 'closed' then 'done' else 'purchase' end, 20 + supplier_no, 1, 1, ordered_on::timestamp
from order_lines o join unit_words u on u.system = o.system and u.w = o.unit_word where o.system = $system order by o.n
