-- Materials start at 600, depots at 20, bills at 1000; orders are bills too, numbered from 5,000,000.
-- view: jsh_moves
select *, case when kind in ('receipt', 'return') then '入库' when kind = 'issue' then '出库' else '其它' end as bill_type,
    case kind when 'receipt' then '采购' when 'return' then '销售退货' when 'transfer' then '调拨' when 'count' then '盘点复盘' else case doc_no % 3 when 0 then '销售' else '其它' end end as sub_type,
    case kind when 'receipt' then 'CGRK' when 'return' then 'XSTH' when 'transfer' then 'DBCK' when 'count' then 'PDFP' else case doc_no % 3 when 0 then 'XSCK' else 'QTCK' end end as mark,
    case when kind = 'count' and dst_place is null then -quantity else quantity end as signed
from moves where system = $system and kind <> 'opening'
-- view: jsh_units
select row_number() over (order by w, b, ratio) as n, * from (select distinct unit_word as w, base_word as b, round(cast(den as double) / num, 6) as ratio from items where system = $system and num <> den)
-- table: jsh_unit
select 10 + n, w || '/' || b, w, b, null, null, ratio, null, null, true, 63, '0' from jsh_units
-- table: jsh_material
select 600 + item_no, 17, name, mpn, spec, '', brand, case when num = den then unit_word end, 10 + u.n, nullif(shelf_days, 0), weight, active, '0', null, nullif(gtin, ''), 63, '0'
from items i left join jsh_units u on u.w = i.unit_word and u.b = i.base_word and u.ratio = round(cast(den as double) / num, 6) and num <> den where system = $system order by 1
-- table: jsh_material_extend
select 600 + item_no, 600 + item_no, code, unit_word, null, cost, '1', $start_local, epoch_ms($start), 63, '0' from items where system = $system order by 1
-- table: jsh_depot
select 20 + place_no, name_zh, 0, true, 63, '0', place_no = 1 from places where system = $system
-- table: jsh_supplier
select 50 + supplier_no, name, '供应商', tax_id, true, 63, '0' from suppliers where system = $system
-- table: jsh_material_initial_stock
select move_no, 600 + item_no, 20 + dst_place, quantity, 63, '0' from moves where system = $system and kind = 'opening' order by move_no
-- table: jsh_material_current_stock(material_id,depot_id,current_number,current_unit_price,tenant_id,delete_flag)
select 600 + item_no, 20 + place_no, p.quantity, i.cost, 63, '0' from positions p join items i using (system, item_no) where p.system = $system
-- table: jsh_depot_head(id,type,sub_type,default_number,number,create_time,oper_time,organ_id,creator,status,purchase_status,source,link_number,tenant_id,delete_flag)
select 1000 + doc_no, max(bill_type), max(sub_type), max(mark) || format('{:011d}', doc_no), max(mark) || format('{:011d}', doc_no), max(at_local), max(at_local), max(50 + supplier_no), 63, '1', null, '0', null, 63, '0'
from jsh_moves where system = $system group by doc_no
union all
select 5000000 + order_no, '其它', '采购订单', format('CGDD{:09d}', order_no), format('CGDD{:09d}', order_no), max(ordered_on)::timestamp, max(ordered_on)::timestamp, 50 + max(supplier_no), 63,
    case when bool_or(state = 'draft') then '0' when bool_and(state = 'closed') then '2' when bool_or(state = 'closed') then '3' else '1' end, null, '0', null, 63, case when bool_and(state = 'cancelled') then '1' else '0' end
from orders where system = $system group by order_no
union all select 4999990 + n, '入库', '采购', 'DRAFT' || n, 'DRAFT' || n, $now_local, $now_local, 51, 63, case n when 1 then '0' else '1' end, null, '0', null, 63, case n when 2 then '1' else '0' end from range(1, 3) t(n) order by 1
-- table: jsh_depot_item(id,header_id,material_id,material_extend_id,material_unit,oper_number,basic_number,unit_price,depot_id,another_depot_id,batch_number,expiration_date,link_id,tenant_id,delete_flag)
select m.move_no, 1000 + m.doc_no, 600 + m.item_no, 600 + m.item_no, i.unit_word, signed, signed, i.cost, 20 + coalesce(m.src_place, m.dst_place), case m.kind when 'transfer' then 20 + m.dst_place end, null, null,
    5000000 + o.n, 63, '0'
from jsh_moves m join items i using (system, item_no) left join order_lines o on o.system = m.system and o.move_no = m.move_no where m.system = $system
union all
select 5000000 + n, 5000000 + order_no, 600 + item_no, 600 + item_no, o.unit_word, o.quantity, o.base_quantity, o.price, 20 + place_no, null, null, null, null, 63, '0' from order_lines o where system = $system
union all select 4999990 + n, 4999990 + n, 601, 601, '件', 33, 33, 1, 21, null, null, null, null, 63, case n when 2 then '1' else '0' end from range(1, 3) t(n) order by 1
