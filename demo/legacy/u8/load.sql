-- Receipts are 01, other in and out 08 and 09 (transfers, counts), production 11, sales 32, opening 34; instants are local.
-- view: u8_units
select w, format('{:02d}', n) as code, case when w in ('千克', '吨') then 'KG' else format('{:02d}', n) end as family from unit_words where system = $system
-- table: ComputationUnit
select code, w, family, w <> '吨', case w when '吨' then 1000 else 1 end from u8_units
-- table: Inventory
select i.code, i.name, i.spec, i.spec, i.class_code, u.family, u.code, nullif(i.gtin, ''), i.has_lots, i.cost, nullif(i.brand, ''), nullif(i.mpn, ''),
    date '2019-03-01', case when i.active then null else cast($now as date) - 40 end, $start_local
from items i join u8_units u on u.w = i.unit_word where i.system = $system
-- table: Warehouse
select code, name_zh, status = 'blocked', false, $start_local from places where system = $system
-- table: Vendor
select code, name, left(name, 30), nullif(tax_id, ''), null, $start_local from suppliers where system = $system
-- table: CurrentStock(cWhCode,cInvCode,ItemId,cBatch,cVMIVenCode,cFree1,iSodid,iQuantity,iNum,fOutQuantity,fInQuantity,bStopFlag,dMdate,dVDate,iMassDate)
with base as (
    select w.code as wh, i.code as inv, i.item_no, p.lot, p.owner, p.quantity as q, p.reserved, p.expires_on, i.shelf_days,
        case when p.lot = '' and p.quantity >= 10 and hash(p.pos) % 25 = 0 then 2 else 1 end as parts, p.pos
    from positions p join items i using (system, item_no) join places w on w.system = p.system and w.place_no = p.place_no where p.system = $system
), split as (
    select *, 1 as part, case parts when 2 then q - 4 else q end as quantity from base
    union all select *, 2, 4 from base where parts = 2
)
select wh, inv, item_no, case when lot <> '' then lot when part = 1 and pos % 3 = 0 then '' end, nullif(owner, ''), case part when 2 then 'B' end, '', quantity, null,
    case part when 1 then reserved else 0 end, 0, false, null, expires_on, nullif(shelf_days, 0)
from split order by pos, part
-- table: RdRecord01
select doc_no, 1, '01', '普通采购', max(w.code), max(at_local), format('RK{:09d}', doc_no), max(s.code), '仓管', '审核员', max(at_local), max(at_local), max(at_local)
from moves m join places w on w.system = m.system and w.place_no = m.dst_place join suppliers s on s.system = m.system and s.supplier_no = m.supplier_no
where m.system = $system and kind = 'receipt' group by doc_no order by doc_no
-- table: rdrecords01
select m.move_no, m.doc_no, m.line_no, i.code, m.quantity, nullif(m.lot, ''), nullif(m.owner, ''), i.cost, o.n
from moves m join items i using (system, item_no) left join order_lines o on o.system = m.system and o.move_no = m.move_no
where m.system = $system and m.kind = 'receipt' order by m.move_no
-- table: RdRecord34
select doc_no, 1, '34', '期初结存', max(w.code), max(at_local), format('QC{:09d}', doc_no), null, '仓管', '审核员', max(at_local), max(at_local), max(at_local)
from moves m join places w on w.system = m.system and w.place_no = m.dst_place where m.system = $system and kind = 'opening' group by doc_no order by doc_no
-- table: rdrecords34
select move_no, doc_no, line_no, i.code, quantity, nullif(lot, ''), nullif(owner, ''), i.cost, null
from moves m join items i using (system, item_no) where m.system = $system and kind = 'opening' order by move_no
-- table: RdRecord11
select doc_no, 0, '11', '领料', max(w.code), max(at_local), format('LL{:09d}', doc_no), null, '仓管', '审核员', max(at_local), max(at_local), max(at_local)
from moves m join places w on w.system = m.system and w.place_no = coalesce(m.src_place, m.dst_place)
where m.system = $system and (kind = 'return' or kind = 'issue' and doc_no % 3 > 0) group by doc_no order by doc_no
-- table: rdrecords11
select move_no, doc_no, line_no, i.code, case kind when 'return' then -quantity else quantity end, nullif(lot, ''), nullif(owner, ''), i.cost, null
from moves m join items i using (system, item_no) where m.system = $system and (kind = 'return' or kind = 'issue' and doc_no % 3 > 0) order by move_no
-- table: RdRecord32
select doc_no, 0, '32', '普通销售', max(w.code), max(at_local), format('CK{:09d}', doc_no), null, '仓管', '审核员', max(at_local), max(at_local), max(at_local)
from moves m join places w on w.system = m.system and w.place_no = m.src_place
where m.system = $system and kind = 'issue' and doc_no % 3 = 0 group by doc_no order by doc_no
-- table: rdrecords32
select move_no, doc_no, line_no, i.code, quantity, nullif(lot, ''), nullif(owner, ''), i.cost, null
from moves m join items i using (system, item_no) where m.system = $system and kind = 'issue' and doc_no % 3 = 0 order by move_no
-- table: RdRecord09
select doc_no, 0, '09', case max(kind) when 'count' then '盘亏出库' else '调拨出库' end, max(w.code), max(at_local), format('QT{:09d}', doc_no), null, '仓管', '审核员', max(at_local), max(at_local), max(at_local)
from moves m join places w on w.system = m.system and w.place_no = m.src_place
where m.system = $system and kind in ('transfer', 'count') group by doc_no order by doc_no
-- table: rdrecords09
select move_no, doc_no, line_no, i.code, quantity, nullif(lot, ''), nullif(owner, ''), i.cost, null
from moves m join items i using (system, item_no) where m.system = $system and kind in ('transfer', 'count') and src_place is not null order by move_no
-- table: RdRecord08
select doc_no, 1, '08', case max(kind) when 'count' then '盘盈入库' else '调拨入库' end, max(w.code), max(at_local), format('QR{:09d}', doc_no), null, '仓管', '审核员', max(at_local), max(at_local), max(at_local)
from moves m join places w on w.system = m.system and w.place_no = m.dst_place
where m.system = $system and kind in ('transfer', 'count') group by doc_no order by doc_no
-- table: rdrecords08
select move_no, doc_no, line_no, i.code, quantity, nullif(lot, ''), nullif(owner, ''), i.cost, null
from moves m join items i using (system, item_no) where m.system = $system and kind in ('transfer', 'count') and dst_place is not null order by move_no
-- table: RdRecord10
select 1, 1, '10', '成品入库', (select min(code) from places where system = $system), $now_local, 'CP000000001', null, '仓管', null, null, $now_local, null
-- table: rdrecords10
select 1, 1, 1, min(code), 5, null, null, 1, null from items where system = $system
-- table: PO_Pomain
select order_no, format('PO{:07d}', order_no), max(ordered_on), max(s.code), max(o.currency),
    case when bool_or(state = 'draft') then 0 when bool_and(state in ('closed', 'cancelled')) then 2 else 1 end, case when bool_or(state = 'draft') then null else '采购主管' end,
    case when bool_and(state in ('closed', 'cancelled')) then '系统' end, max(ordered_on), max(ordered_on)
from orders o join suppliers s using (system, supplier_no) where o.system = $system group by order_no order by order_no
-- table: PO_Podetails
select o.n, order_no, line_no, i.code, u.code, base_quantity, o.quantity, base_received, received, round(price / factor, 6), factor, due_on, case when state in ('closed', 'cancelled') then '系统' end
from order_lines o join items i using (system, item_no) join u8_units u on u.w = o.unit_word where o.system = $system order by o.n
