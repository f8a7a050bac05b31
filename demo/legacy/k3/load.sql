-- Item ids start at 1000, stores at 200, suppliers at 5000. Types: 1 purchase, 10 other in, 21 sale, 24 production, 40 and 43 count, 41 transfer.
-- view: k3_moves
select *, case kind when 'opening' then 10 when 'receipt' then 1 when 'transfer' then 41 when 'return' then 24 when 'count' then case when dst_place is null then 43 else 40 end else case doc_no % 3 when 0 then 21 else 24 end end as bill_type,
    case kind when 'opening' then 'QIN' when 'receipt' then 'WIN' when 'transfer' then 'CHG' when 'count' then 'PAN' when 'return' then 'SOUT' else case doc_no % 3 when 0 then 'XOUT' else 'SOUT' end end as bill_mark
from moves where system = $system
-- table: t_MeasureUnit
select n + 300, format('{:02d}', n), w, case w when '吨' then 1000 else 1 end, case w when '吨' then 0 else 1 end from unit_words where system = $system
-- table: t_ICItem
select 1000 + i.item_no, i.code, i.name, i.spec, 300 + u.n, case when i.num <> i.den then 300 + b.n else 0 end, case when i.num <> i.den then i.den::decimal(28,10) / i.num else 0 end,
    i.gtin, i.cost, i.has_lots, i.mpn, i.brand, case when i.active then 0 else 1 end
from items i join unit_words u on u.system = i.system and u.w = i.unit_word join unit_words b on b.system = i.system and b.w = i.base_word where i.system = $system
-- table: t_Stock
select 200 + place_no, code, name_zh, case status when 'quality' then 501 else 500 end from places where system = $system
-- table: t_StockPlace
select 0, '*', '*'
-- table: t_Supplier
select 5000 + supplier_no, code, name, tax_id, 0 from suppliers where system = $system
-- table: ICInventory(FItemID,FBatchNo,FStockID,FKFPeriod,FKFDate,FQty)
select 1000 + p.item_no, p.lot, 200 + p.place_no, i.shelf_days * cast(p.lot <> '' as integer), case when p.lot <> '' then strftime(p.expires_on - i.shelf_days::integer, '%Y-%m-%d') else '' end, p.quantity
from positions p join items i using (system, item_no) where p.system = $system order by p.pos
-- table: POInventory(FItemID,FStockID,FQty)
select 1000 + item_no, 200, 7 from items where system = $system and item_no <= 5
-- table: t_LockStock(FItemID,FStockID,FBatchNo,FQty)
select 1000 + item_no, 200 + place_no, lot, reserved from positions where system = $system and reserved > 0 order by pos
-- table: ICStockBill
select '0', 1000 + doc_no, max(bill_type), max(at_local), max(bill_mark) || format('{:08d}', doc_no), max(5000 + supplier_no), case max(kind) when 'return' then -1 else 1 end, 16394, max(at_local), 1, false
from k3_moves where system = $system group by doc_no
union all
select '0', 900 - n, 1, $now, 'WIN9000000' || n, 5001, 1, null, null, 0, n = 2 from range(1, 4) t(n) order by 2
-- table: ICStockBillEntry(FBrNo,FInterID,FEntryID,FDetailID,FItemID,FBatchNo,FQty,FAuxQty,FUnitID,FDCStockID,FSCStockID,FPrice,FOrderInterID,FOrderEntryID)
select '0', 1000 + m.doc_no, m.line_no, m.move_no, 1000 + m.item_no, m.lot, case m.kind when 'return' then -m.quantity else m.quantity end, case m.kind when 'return' then -m.quantity else m.quantity end,
    300 + u.n, coalesce(case when m.bill_type = 24 then null when m.bill_type in (21, 43) then 200 + m.src_place else 200 + m.dst_place end, 0),
    coalesce(case when m.bill_type = 24 then 200 + coalesce(m.src_place, m.dst_place) when m.bill_type = 41 then 200 + m.src_place end, 0), i.cost, 1000 + o.order_no, o.line_no
from k3_moves m join items i using (system, item_no) join unit_words u on u.system = i.system and u.w = i.unit_word
left join orders o on o.system = m.system and o.move_no = m.move_no where m.system = $system
union all
select '0', 900 - n, 1, 900000000 + n, 1001, '', 11, 11, 301, 201, 0, 1, null, null from range(1, 4) t(n) order by 4
-- table: POOrder
select 1000 + order_no, format('POORD{:06d}', order_no), max(ordered_on), 5000 + max(supplier_no), 1, case when bool_or(state = 'draft') then 0 when bool_and(state = 'closed') then 3 else 1 end,
    bool_or(state = 'cancelled'), cast(bool_and(state = 'closed') as integer)
from orders where system = $system group by order_no order by order_no
-- table: POOrderEntry
select 1000 + order_no, line_no, 1000 + item_no, 300 + u.n, base_quantity, quantity, base_received, received, price, due_on, cast(state in ('closed', 'cancelled') as integer)
from orders o join unit_words u on u.system = o.system and u.w = o.unit_word where o.system = $system order by order_no, line_no
