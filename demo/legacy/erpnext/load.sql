-- Counts are written as Stock Reconciliation: actual_qty 0, the new balance in qty_after_transaction.
-- view: erp_legs
select m.*, src as pos, src_place as place, -quantity as change, 1 as leg from moves m where system = $system and src is not null
union all select m.*, dst, dst_place, quantity, 2 from moves m where system = $system and dst is not null
-- table: tabCompany
select 'Hollowbrook Motors', 'HBM', 'EUR', 'China', $start_local
-- table: tabUOM
select w, case w when 'Nos' then 1 else 0 end, $start_local from unit_words where system = $system
-- table: tabItem
select code, code, name, name || case name_zh when '' then '' else ' ' || name_zh end || ' ' || spec, class_code, unit_word, nullif(brand, ''), nullif(mpn, ''), cost, weight, 0, 1, 0, case when active then 0 else 1 end, 0, $start_local, $start_local
from items where system = $system
-- table: tabItem Barcode
select md5('barcode' || code)[:10], code, 'Item', 'barcodes', 1, gtin, 'EAN', unit_word, $start_local from items where system = $system and gtin <> ''
-- table: tabUOM Conversion Detail
select md5('uom1' || code)[:10], code, 'Item', 'uoms', 1, unit_word, 1, $start_local from items where system = $system
union all select md5('uom2' || code)[:10], code, 'Item', 'uoms', 2, base_word, den::decimal(24, 9) / num, $start_local from items where system = $system and num <> den
-- table: tabWarehouse
select 'All Warehouses - HBM', 'All Warehouses', null, 1, null, 0, 'Hollowbrook Motors', 0, $start_local
union all select code, replace(code, ' - HBM', ''), 'All Warehouses - HBM', 0, case status when 'in_transit' then 'Transit' end, case status when 'blocked' then 1 else 0 end, 'Hollowbrook Motors', 0, $start_local from places where system = $system
-- table: tabSupplier
select code || ' ' || name, name, nullif(tax_id, ''), 'China', 0, 0, $start_local from suppliers where system = $system
-- table: tabBin
select md5('bin' || pos)[:10], i.code, w.code, p.quantity, p.reserved, 0, 0, 0, 0, p.quantity - p.reserved, i.unit_word, i.cost, round(p.quantity * i.cost, 6), $now_local
from positions p join items i using (system, item_no) join places w using (system, place_no) where p.system = $system
-- table: tabStock Ledger Entry
select md5('sle' || e.move_no || '-' || leg)[:10], i.code, w.code, at_local::date, at_local::time,
    case kind when 'receipt' then 'Purchase Receipt' when 'issue' then case e.doc_no % 3 when 0 then 'Delivery Note' else 'Stock Entry' end when 'transfer' then 'Stock Entry' when 'return' then 'Delivery Note' else 'Stock Reconciliation' end,
    case kind when 'receipt' then 'MAT-PRE-' when 'issue' then case e.doc_no % 3 when 0 then 'MAT-DN-' else 'MAT-STE-' end when 'transfer' then 'MAT-STE-' when 'return' then 'MAT-DN-' else 'MAT-RECO-' end || format('{:08d}', e.doc_no), format('{}-{}', line_no, leg), null,
    case when kind in ('count', 'opening') then 0 else change end, sum(change) over (partition by pos order by e.doc_no, e.move_no, leg), i.cost, i.unit_word, 'Hollowbrook Motors', 0, 1, at_local + to_microseconds(2 * e.move_no + leg), at_local
from erp_legs e join items i using (system, item_no) join places w on w.system = e.system and w.place_no = e.place
union all select md5('void' || item_no)[:10], i.code, (select min(code) from places where system = $system), $now_local::date, $now_local::time, 'Delivery Note', format('MAT-DN-9{:07d}', item_no), '1', null, -3, 0, cost, unit_word, 'Hollowbrook Motors', 1, 2, $now_local, $now_local
from items i where system = $system and item_no <= 5
-- table: tabPurchase Order
select format('PUR-ORD-{:06d}', order_no), max(s.code || ' ' || s.name), max(s.name), max(ordered_on), max(due_on), case when bool_or(state = 'draft') then 'Draft' when bool_and(state = 'cancelled') then 'Cancelled' when bool_and(state = 'closed') then 'Completed' else 'To Receive and Bill' end,
    case when bool_or(state = 'draft') then 0 when bool_and(state = 'cancelled') then 2 else 1 end, max(o.currency), 'Hollowbrook Motors', max(ordered_on)::timestamp
from orders o join suppliers s using (system, supplier_no) where o.system = $system group by order_no
-- table: tabPurchase Order Item
select md5('poi' || o.n)[:10], format('PUR-ORD-{:06d}', order_no), 'Purchase Order', 'items', line_no, i.code, i.name, o.quantity, o.unit_word, factor, base_quantity, i.unit_word, base_received / factor, price, round(price * o.quantity, 4), w.code, due_on,
    case state when 'draft' then 0 when 'cancelled' then 2 else 1 end, ordered_on::timestamp
from order_lines o join items i using (system, item_no) join places w using (system, place_no) where o.system = $system
