-- Instants are naive local time.
-- view: ledger_legs
select m.*, src as pos, src_place as place, -quantity as change, 1 as leg from moves m where system = $system and src is not null
union all select m.*, dst, dst_place, quantity, 2 from moves m where system = $system and dst is not null
-- table: item
select code, name, spec, class_code, unit_word, case when num <> den then base_word end, case when num <> den then den::decimal(24, 9) / num end, gtin, brand, mpn, cost, currency, active from items where system = $system
-- table: place
select code, case $language when 'zh' then name_zh else name_en end, status from places where system = $system
-- table: supplier
select code, name, tax_id from suppliers where system = $system
-- table: stock
select i.code, w.code, lot, owner, p.quantity, p.reserved, p.expires_on, $now_local from positions p join items i using (system, item_no) join places w using (system, place_no) where p.system = $system
-- table: move(id,document,line,kind,code,place,lot,owner,change,after,at,sent)
select row_number() over (order by e.doc_no, e.move_no, leg), format('{}{:08d}', upper(left(kind, 2)), e.doc_no), line_no * 2 - 2 + leg, kind, i.code, w.code, lot, owner, change, sum(change) over (partition by pos order by e.doc_no, e.move_no, leg), at_local, true
from ledger_legs e join items i using (system, item_no) join places w on w.system = e.system and w.place_no = e.place order by 1
-- table: purchase
select format('PO{:06d}', order_no), line_no, s.code, i.code, o.unit_word, o.quantity, o.received, base_quantity, base_received, price, o.currency, state, ordered_on, due_on, w.code
from orders o join items i using (system, item_no) join suppliers s using (system, supplier_no) join places w using (system, place_no) where o.system = $system
