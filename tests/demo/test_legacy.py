"""The legacy databases: their documents add up to their balances, freshly built and after they have lived."""

from __future__ import annotations

import random
from decimal import Decimal

import psycopg
import pytest

from demo.group import DemoGroup
from demo.life import Books
from demo.load import KINDS
from demo.plants import SYSTEMS

_U8_LINES = " union all ".join(
    f"select cinvcode, cwhcode, coalesce(cbatch, '') as lot, coalesce(cvmivencode, '') as owner, {sign} * iquantity "
    f"as q "
    f"from rdrecords{n} l join rdrecord{n} h using (id) where h.chandler <> ''"
    for n, sign in (("01", 1), ("08", 1), ("10", 1), ("34", 1), ("09", -1), ("11", -1), ("32", -1))
)
_K3_LINES = """select fitemid, fdcstockid as stock, fbatchno, fqty as q from icstockbillentry join icstockbill using
    (finterid)
    where fstatus > 0 and fcancellation = 0 and ftrantype in (1, 10, 40, 41)
    union all select fitemid, case when fscstockid <> 0 then fscstockid else fdcstockid end, fbatchno, -fqty from
    icstockbillentry join icstockbill using (finterid)
    where fstatus > 0 and fcancellation = 0 and ftrantype in (21, 24, 41, 43)"""
_JSH_LINES = """select material_id, depot_id as depot, number as q from jsh_material_initial_stock
    union all select material_id, depot_id, case when sub_type = '调拨' or type = '出库' then -basic_number else
    basic_number end
    from jsh_depot_item i join jsh_depot_head h on h.id = i.header_id where status <> '0' and h.delete_flag = '0' and
    sub_type <> '采购订单'
    union all select material_id, another_depot_id, basic_number from jsh_depot_item i join jsh_depot_head h on h.id =
    i.header_id where sub_type = '调拨'"""

# Keys whose documents do not add up to the balance: there must be none.
WRONG = {
    "u8": f"""select count(*) from (select cinvcode, cwhcode, lot, owner, sum(q) as q from ({_U8_LINES}) l group by 1,
    2, 3, 4) d
        full join (select cinvcode, cwhcode, coalesce(cbatch, '') as lot, coalesce(cvmivencode, '') as owner,
        sum(iquantity) as q from currentstock group by 1, 2, 3, 4) s
        using (cinvcode, cwhcode, lot, owner) where coalesce(d.q, 0) <> coalesce(s.q, 0)""",
    "k3": f"""select count(*) from (select fitemid, stock, fbatchno, sum(q) as q from ({_K3_LINES}) l group by 1, 2,
    3) d
        full join (select fitemid, fstockid as stock, fbatchno, sum(fqty) as q from (select * from icinventory union
        all select * from poinventory) i group by 1, 2, 3) s
        using (fitemid, stock, fbatchno) where coalesce(d.q, 0) <> coalesce(s.q, 0)""",
    "jsherp": f"""select count(*) from (select material_id, depot, sum(q) as q from ({_JSH_LINES}) l group by 1, 2) d
        full join (select material_id, depot_id as depot, sum(current_number) as q from jsh_material_current_stock
        group by 1, 2) s
        using (material_id, depot) where coalesce(d.q, 0) <> coalesce(s.q, 0)""",
    "odoo": """select count(*) from (select product_id, place, lot, owner, sum(q) as q from (
            select product_id, location_id as place, coalesce(lot_id, 0) as lot, coalesce(owner_id, 0) as owner,
            -quantity as q from stock_move_line where state = 'done'
            union all select product_id, location_dest_id, coalesce(lot_id, 0), coalesce(owner_id, 0), quantity from
            stock_move_line where state = 'done') l group by 1, 2, 3, 4) d
        full join (select product_id, location_id as place, coalesce(lot_id, 0) as lot, coalesce(owner_id, 0) as
        owner, sum(quantity) as q from stock_quant group by 1, 2, 3, 4) s
        using (product_id, place, lot, owner) where coalesce(d.q, 0) <> coalesce(s.q, 0)""",
    "erpnext": """select count(*) from "tabBin" b left join lateral (
            select qty_after_transaction as q from "tabStock Ledger Entry" e
            where (e.item_code, e.warehouse) = (b.item_code, b.warehouse) and is_cancelled = 0
            order by posting_date desc, posting_time desc, creation desc limit 1) e on true
        where b.actual_qty <> coalesce(e.q, 0)""",
    "ledger": """select count(*) from stock s full join (select code, place, lot, owner, sum(change) as q from move
    group by 1, 2, 3, 4) m
        using (code, place, lot, owner) where coalesce(s.quantity, 0) <> coalesce(m.q, 0)""",
}  # fmt: skip


def count(dsn: str, query: str) -> int:
    with psycopg.connect(dsn) as con:
        row = con.execute(query.encode()).fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.parametrize("system", [s.key for s in SYSTEMS])
def test_documents_add_up_and_go_on_adding_up(plants: DemoGroup, system: str) -> None:
    dsn, query = plants.dsn(system), WRONG[KINDS[system]]
    assert count(dsn, query) == 0
    books, dice = Books.open(plants.admin_dsn, system), random.Random(5)
    seen = set()
    for _ in range(60):
        event = books.next_event(dice)
        books.book(event)
        seen.add(event.kind)
    assert seen == {"receipt", "issue", "count", "transfer"}
    assert count(dsn, query) == 0


@pytest.mark.parametrize("system", [s.key for s in SYSTEMS])
def test_life_books_what_it_says(plants: DemoGroup, system: str) -> None:
    books, dice = Books.open(plants.admin_dsn, system), random.Random(6)
    before = {k: q for k, (q, _) in plants.true_stock(system).items()}
    total = sum(before.values(), Decimal(0))
    event = next(e for e in (books.next_event(dice) for _ in range(200)) if e.kind == "transfer")
    books.book(event)
    after = {k: q for k, (q, _) in plants.true_stock(system).items()}
    assert sum(after.values(), Decimal(0)) == total
    changed = {k.place_id: q - before.get(k, Decimal(0)) for k, q in after.items() if q != before.get(k)}
    assert changed == {event.place: event.change, event.to_place: -event.change}


@pytest.mark.parametrize("seed", range(5))
def test_life_never_issues_what_is_not_there(plants: DemoGroup, seed: int) -> None:
    books, dice = Books.open(plants.admin_dsn, "duoyan-csv"), random.Random(seed)
    for _ in range(300):
        event = books.next_event(dice)
        key = next(k for k in books.stock if (k.item_id, k.place_id, k.lot) == (event.item, event.place, event.lot))
        assert event.change > 0 or event.kind == "count" or -event.change <= books.stock[key]


def test_odoo_is_double_entry(plants: DemoGroup) -> None:
    with psycopg.connect(plants.dsn("wugang-odoo")) as con:
        assert con.execute("select sum(quantity) from stock_quant").fetchone() == (Decimal(0),)
