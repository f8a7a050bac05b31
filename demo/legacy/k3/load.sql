-- Item ids start at 1000, stores at 200, suppliers at 5000. Types: 1 purchase, 10 other in, 21 sale, 24 production, 40 and 43 count, 41 transfer.
-- view: k3_moves
select *, case kind when 'opening' then 10 when 'receipt' then 1 when 'transfer' then 41 when 'return' then 24 when 'count' then case when dst_place is null then 43 else 40 end else case doc_no % 3 when 0 then 21 else 24 end end as bill_type,
    case kind when 'opening' then 'QIN' when 'receipt' then 'WIN' when 'transfer' then 'CHG' when 'count' then 'PAN' when 'return' then 'SOUT' else case doc_no % 3 when 0 then 'XOUT' else 'SOUT' end end as bill_mark
from moves where system = $system
-- view: k3_groups
select row_number() over (order by unit_word, base_word, f) as g, * from (
    select distinct unit_word, base_word, num / den as f from items where system = $system
    union select '千克', '千克', 1.0 union select '吨', '千克', 1000.0)
-- view: k3_units
select 300 + 2 * g as id, g, unit_word as w, f from k3_groups union all select 301 + 2 * g, g, base_word, 1 from k3_groups where f <> 1
-- table: t_Currency
select * from (values (1, 'RMB', '人民币'), (2, 'USD', '美元'))
-- table: t_MeasureUnit
select id, 10 + g, format('{:03d}', id), w, f, case f when 1 then 1 else 0 end from k3_units
-- table: t_ICItem
select 1000 + i.item_no, i.code, i.name, i.spec, 300 + 2 * u.g, 10 + u.g, case when u.f <> 1 then 301 + 2 * u.g else 0 end, case when u.f <> 1 then i.den::decimal(28,10) / i.num else 0 end,
    i.gtin, i.cost, i.has_lots, i.mpn, i.brand, case when i.active then 0 else 1 end
from items i join k3_groups u on u.unit_word = i.unit_word and u.base_word = i.base_word and u.f = i.num / i.den where i.system = $system
-- table: t_Stock
select 200 + place_no, code, name_zh, case status when 'quality' then 501 else 500 end, 0 from places where system = $system
-- table: t_StockPlace
select 0, '*', '*'
-- table: t_Supplier
select 5000 + supplier_no, code, name, tax_id, 0 from suppliers where system = $system
-- table: ICInventory(FItemID,FBatchNo,FStockID,FKFPeriod,FKFDate,FQty)
select 1000 + p.item_no, p.lot, 200 + p.place_no, i.shelf_days * cast(p.lot <> '' as integer), case when p.lot <> '' then strftime(p.expires_on - i.shelf_days::integer, '%Y-%m-%d') else '' end, p.quantity
from positions p join items i using (system, item_no) join places w using (system, place_no) where p.system = $system and w.status <> 'quality' order by p.pos
-- table: POInventory(FItemID,FBatchNo,FStockID,FQty)
select 1000 + item_no, lot, 200 + place_no, quantity from positions p join places w using (system, place_no) where p.system = $system and w.status = 'quality' order by p.pos
-- table: t_LockStock(FItemID,FStockID,FBatchNo,FQty)
select 1000 + item_no, 200 + place_no, lot, reserved from positions where system = $system and reserved > 0 order by pos
-- table: ICStockBill
select '0', 1000 + doc_no, max(bill_type), max(at_local), max(bill_mark) || format('{:08d}', doc_no), max(5000 + supplier_no), case max(kind) when 'return' then -1 else 1 end, 16394, max(at_local), 1, 0
from k3_moves where system = $system group by doc_no
union all
select '0', 900 - n, 1, $now, 'WIN9000000' || n, 5001, 1, case n when 2 then 16394 end, case n when 2 then $now_local end, case n when 2 then 1 else 0 end, case n when 2 then 1 else 0 end from range(1, 4) t(n) order by 2
-- table: ICStockBillEntry(FBrNo,FInterID,FEntryID,FDetailID,FItemID,FBatchNo,FQty,FAuxQty,FUnitID,FDCStockID,FSCStockID,FPrice,FOrderInterID,FOrderEntryID)
select '0', 1000 + m.doc_no, m.line_no, m.move_no, 1000 + m.item_no, m.lot, case m.kind when 'return' then -m.quantity else m.quantity end, case m.kind when 'return' then -m.quantity else m.quantity end,
    300 + 2 * u.g, coalesce(case when m.bill_type = 24 then null when m.bill_type in (21, 43) then 200 + m.src_place else 200 + m.dst_place end, 0),
    coalesce(case when m.bill_type = 24 then 200 + coalesce(m.src_place, m.dst_place) when m.bill_type = 41 then 200 + m.src_place end, 0), i.cost, 1000 + o.order_no, o.line_no
from k3_moves m join items i using (system, item_no) join k3_groups u on u.unit_word = i.unit_word and u.base_word = i.base_word and u.f = i.num / i.den
left join orders o on o.system = m.system and o.move_no = m.move_no where m.system = $system
union all
select '0', 900 - n, 1, 900000000 + n, 1001, '', 11, 11, 302, 201, 0, 1, null, null from range(1, 4) t(n) order by 4
-- table: POOrder
select 1000 + order_no, format('POORD{:06d}', order_no), max(ordered_on), 5000 + max(supplier_no), 1, case when bool_or(state = 'draft') then 0 when bool_and(state = 'closed') then 3 else 1 end,
    cast(bool_and(state = 'cancelled') as integer), cast(bool_and(state = 'closed') as integer)
from orders where system = $system group by order_no order by order_no
-- table: POOrderEntry
select 1000 + order_no, line_no, 1000 + item_no, 300 + 2 * u.g, base_quantity, o.quantity, base_received, received, price, due_on, cast(state in ('closed', 'cancelled') as integer)
from orders o join items i using (system, item_no) join k3_groups u on case when factor = 1 then u.unit_word = i.unit_word and u.base_word = i.base_word and u.f = i.num / i.den else u.f = 1000 and u.base_word = '千克' end where o.system = $system order by order_no, line_no
