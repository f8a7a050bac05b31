-- The group before it enters its systems, out of raw_positions, raw_moves, items, places and suppliers; instants are UTC.

create table positions as
select i.system, p.pos, p.item_no, p.place_no, p.lot_no, case when owner_no = 0 then '' else format('V{:04d}', owner_no) end as owner, p.quantity, p.reserved, p.expires_on,
    case when p.lot_no = 0 then '' else format('L{}{:02d}', strftime(p.born_on, '%y%m%d'), p.lot_no) end as lot
from raw_positions p join items i using (item) order by p.pos;

create table moves as
with places as (
    select m.*, i.system, i.item_no, s.place_no as src_place, d.place_no as dst_place, coalesce(s.lot, d.lot) as lot,
        coalesce(s.owner, d.owner) as owner, make_timestamp(m.epoch * 1000000) as stamp,
        case when m.kind = 'receipt' then 1 + (i.item_no * 7) % n.suppliers end as supplier_no
    from raw_moves m
    left join positions s on s.pos = m.src left join positions d on d.pos = m.dst
    join raw_positions p on p.pos = coalesce(d.pos, s.pos) join items i using (item)
    join (select system, count(*) as suppliers from suppliers group by system) n on n.system = i.system
), booked as (
    select *, max(stamp) over doc as booked_at, row_number() over (doc order by epoch, src, dst) as line_no
    from places window doc as (partition by system, epoch // 3600, kind, src_place, dst_place, supplier_no, owner)
), documents as (
    select *, dense_rank() over (partition by system order by booked_at, kind, src_place, dst_place, supplier_no, owner) as doc_no from booked
)
select system, doc_no, line_no, row_number() over (partition by system order by doc_no, line_no) as move_no, kind, item_no,
    src_place, dst_place, src, dst, lot, owner, cast(cast(qty as decimal(18, 0)) * 0.001 as decimal(18, 3)) as quantity, supplier_no,
    booked_at as at_utc, booked_at + interval 8 hour as at_local
from documents order by system, move_no;

create table orders as
with lines as (
    select m.move_no, m.system, m.item_no, m.supplier_no, m.dst_place as place_no, m.quantity, m.quantity as received, 'closed' as state,
        cast(m.at_local as date) as received_on, hash(m.move_no, m.system) as roll
    from moves m where kind = 'receipt' and owner = '' and at_local >= $start + interval 365 day
    union all
    select null, i.system, i.item_no, 1 + (i.item_no * 7) % n.suppliers, 1, greatest(i.lot_size, 1), 0,
        case when hash(i.name) % 20 = 0 then 'cancelled' when hash(i.name) % 20 = 1 then 'draft' else 'open' end,
        cast($now as date) + cast(hash(i.item_no) % 40 as integer), hash(i.item_no, i.system, 1)
    from items i join (select system, count(*) as suppliers from suppliers group by system) n using (system)
    where hash(i.item_no, i.system, 2) % 100 < 7 and i.active
), dated as (
    select *, received_on - cast(8 + roll % 30 as integer) as asked_on from lines
), units as (
    select d.*, least(asked_on, cast($now as date)) as ordered_on, received_on as due_on, i.cost, i.currency, i.unit_word,
        case when i.unit = 'kg' and d.quantity >= 1000 then 1000 else 1 end as factor
    from dated d join items i using (system, item_no)
)
select system, dense_rank() over (partition by system order by ordered_on, supplier_no) as order_no,
    row_number() over (partition by system, ordered_on, supplier_no order by item_no, due_on, roll) as line_no,
    move_no, item_no, supplier_no, place_no, state, ordered_on, due_on, factor,
    case factor when 1000 then case system when 'kongxi-erpnext' then 'Tonne' when 'wugang-odoo' then 't' else '吨' end
        else unit_word end as unit_word,
    cast(quantity as decimal(18, 3)) as base_quantity, cast(received as decimal(18, 3)) as base_received,
    cast(quantity / factor as decimal(18, 6)) as quantity, cast(received / factor as decimal(18, 6)) as received,
    round(cost * factor, 4) as price, currency
from units order by system, order_no, line_no;

-- With what the systems call the order and its line.
create view order_lines as
select *, case system when 'qingyu-u8' then format('PO{:07d}', order_no) when 'songjian-k3' then format('POORD{:06d}', order_no) when 'wugang-odoo' then format('P{:05d}', order_no)
        when 'baishi-jsh' then format('CGDD{:09d}', order_no) when 'kongxi-erpnext' then format('PUR-ORD-{:06d}', order_no) else format('PO{:06d}', order_no) end as document,
    case when system in ('qingyu-u8', 'wugang-odoo') then cast(n as varchar) when system = 'baishi-jsh' then cast(5000000 + n as varchar)
        when system = 'kongxi-erpnext' then md5('poi' || n)[:10] else cast(line_no as varchar) end as line
from (select *, row_number() over (partition by system order by order_no, line_no) as n from orders);

create table unit_words as
select system, w, row_number() over (partition by system order by w) as n from (
    select system, unit_word as w from items union select system, base_word from items union select system, unit_word from orders);
