"""How each kind of system books one movement: its own documents and its own balance in one transaction, stamped the
way it does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from psycopg import Connection

Kind = Literal["receipt", "issue", "count", "transfer"]
_LOCAL = "(clock_timestamp() at time zone 'Asia/Shanghai')"
_UTC = "(clock_timestamp() at time zone 'UTC')"
Con = Connection[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Event:
    """`change` is signed; a transfer moves -change from `place` to `to_place`. Keys are the source's own."""

    kind: Kind
    item: str
    place: str
    lot: str
    owner: str
    change: Decimal
    to_place: str | None = None

    @property
    def legs(self) -> list[tuple[str, Decimal]]:
        """(place, signed change): two for a transfer, the outgoing first."""
        return [(self.place, self.change)] + ([(self.to_place, -self.change)] if self.to_place else [])


def _one(con: Con, statement: str, params: Sequence[Any] = ()) -> Any:
    ((value, *_),) = con.execute(statement.encode(), params).fetchall()
    return value


def _run(con: Con, statement: str, params: Sequence[Any]) -> int:
    return con.execute(statement.encode(), params).rowcount


def book_u8(con: Con, e: Event) -> None:
    """Header and line of the right RdRecord pair, CurrentStock, and the audit stamp last."""
    for place, change in e.legs:
        pair, flag, business = _U8[e.kind if e.kind in ("receipt", "issue") else ("in" if change > 0 else "out")]
        business = {
            "count": "盘盈入库" if change > 0 else "盘亏出库",
            "transfer": "调拨入库" if change > 0 else "调拨出库",
        }.get(e.kind, business)
        head = _one(
            con,
            f"insert into RdRecord{pair} (bRdFlag, cVouchType, cBusType, cWhCode, dDate, cMaker, cHandler, dVeriDate, "
            f"dnmaketime) "
            f"values (%s, %s, %s, %s, {_LOCAL}, '仓管', '审核员', {_LOCAL}, {_LOCAL}) returning ID",
            [flag, pair, business, place],
        )
        _run(con, f"update RdRecord{pair} set cCode = 'LV{pair}' || lpad(ID::text, 9, '0') where ID = %s", [head])
        _run(
            con,
            f"insert into rdrecords{pair} (ID, iRowNo, cInvCode, iQuantity, cBatch, cVMIVenCode) values (%s, 1, %s, "
            f"%s, nullif(%s, ''), nullif(%s, ''))",
            [head, e.item, abs(change), e.lot, e.owner],
        )
        key = "cInvCode = %s and cWhCode = %s and coalesce(cBatch, '') = %s and coalesce(cVMIVenCode, '') = %s"
        found = _run(
            con,
            f"update CurrentStock set iQuantity = iQuantity + %s where AutoID = (select min(AutoID) from CurrentStock "
            f"where {key})",
            [change, e.item, place, e.lot, e.owner],
        )
        if not found:
            _run(
                con,
                "insert into CurrentStock (cInvCode, cWhCode, cBatch, cVMIVenCode, iQuantity, fOutQuantity, "
                "fInQuantity, bStopFlag) "
                "values (%s, %s, nullif(%s, ''), nullif(%s, ''), %s, 0, 0, false)",
                [e.item, place, e.lot, e.owner, change],
            )
        _run(con, f"update RdRecord{pair} set dnverifytime = {_LOCAL} where ID = %s", [head])


_U8 = {"receipt": ("01", 1, "普通采购"), "issue": ("11", 0, "领料"), "in": ("08", 1, ""), "out": ("09", 0, "")}
_K3 = {"receipt": (1, "WIN"), "issue": (24, "SOUT"), "transfer": (41, "CHG"), "in": (40, "PAN"), "out": (43, "PAN")}


def book_k3(con: Con, e: Event) -> None:
    """One bill, one entry; a transfer names both stores in it. ICInventory, or POInventory for an inspection store,
    follows."""
    bill_type, mark = _K3[e.kind if e.kind != "count" else ("in" if e.change > 0 else "out")]
    bill = _one(con, "select coalesce(max(FInterID), 1000) + 1 from ICStockBill")
    _run(
        con,
        "insert into ICStockBill (FBrNo, FInterID, FTranType, FDate, FBillNo, FROB, FCheckerID, FCheckDate, FStatus, "
        "FCancellation) "
        f"values ('0', %s, %s, {_LOCAL}, %s, 1, 16394, {_LOCAL}, 1, 0)",
        [bill, bill_type, f"{mark}L{bill:08d}"],
    )
    into, out = (e.to_place or (e.place if bill_type in (1, 40, 43) else 0)), (e.place if bill_type in (24, 41) else 0)
    _run(
        con,
        "insert into ICStockBillEntry (FBrNo, FInterID, FEntryID, FItemID, FBatchNo, FQty, FAuxQty, FUnitID, "
        "FDCStockID, FSCStockID) "
        "select '0', %s, 1, FItemID, %s, %s, %s, FUnitID, %s, %s from t_ICItem where FItemID = %s",
        [bill, e.lot, abs(e.change), abs(e.change), into, out, e.item],
    )
    for place, change in e.legs:
        table = (
            "POInventory"
            if _one(con, "select FTypeID from t_Stock where FItemID = %s", [place]) == 501
            else "ICInventory"
        )
        key = "(FItemID, FStockID, FBatchNo) = (%s, %s, %s)"
        first = f"(select min(FKFDate) from {table} where {key})"
        params = [change, e.item, place, e.lot, e.item, place, e.lot]
        if not _run(con, f"update {table} set FQty = FQty + %s where {key} and FKFDate = {first}", params):
            _run(
                con,
                f"insert into {table} (FItemID, FStockID, FBatchNo, FQty) values (%s, %s, %s, %s)",
                [e.item, place, e.lot, change],
            )


_JSH = {
    "receipt": ("入库", "采购", "CGRK"),
    "issue": ("出库", "其它", "QTCK"),
    "count": ("其它", "盘点复盘", "PDFP"),
    "transfer": ("其它", "调拨", "DBCK"),
}


def book_jsherp(con: Con, e: Event) -> None:
    """One audited bill with one line, then the stock table, which carries no time of its own."""
    kind, sub_type, mark = _JSH[e.kind]
    for place, change in e.legs:
        found = _run(
            con,
            "update jsh_material_current_stock set current_number = current_number + %s where material_id = %s and "
            "depot_id = %s and tenant_id = 63",
            [change, e.item, place],
        )
        if not found:
            statement = (
                "insert into jsh_material_current_stock (material_id, depot_id, current_number, tenant_id, "
                "delete_flag) values (%s, %s, %s, 63, '0')"
            )
            _run(con, statement, [e.item, place, change])
    head = _one(
        con,
        "insert into jsh_depot_head (type, sub_type, create_time, oper_time, creator, status, tenant_id, delete_flag) "
        f"values (%s, %s, {_LOCAL}, {_LOCAL}, 63, '1', 63, '0') returning id",
        [kind, sub_type],
    )
    _run(
        con,
        "update jsh_depot_head set number = %s, default_number = %s where id = %s",
        [f"{mark}{head:011d}", f"{mark}{head:011d}", head],
    )
    number = e.change if e.kind == "count" else abs(e.change)
    _run(
        con,
        "insert into jsh_depot_item (header_id, material_id, material_extend_id, oper_number, basic_number, depot_id, "
        "another_depot_id, tenant_id, delete_flag) "
        "values (%s, %s, %s, %s, %s, %s, %s, 63, '0')",
        [head, e.item, e.item, number, number, e.place, e.to_place],
    )


_ODOO_OTHER_SIDE = {"receipt": 1, "issue": 4, "count": 3}


def _change_quant(con: Con, key: tuple[Any, ...], change: Decimal, uom: int) -> None:
    """`key` is product, location, lot and owner."""
    found = _run(
        con,
        f"update stock_quant set quantity = quantity + %s, write_date = {_UTC} where id = "
        "(select min(id) from stock_quant where product_id = %s and location_id = %s "
        "and lot_id is not distinct from %s::int and owner_id is not distinct from %s::int)",
        [change, *key],
    )
    if not found:
        _run(
            con,
            "insert into stock_quant (product_id, location_id, lot_id, owner_id, quantity, reserved_quantity, "
            "product_uom_id, in_date, company_id, write_date) "
            f"values (%s, %s, %s, %s, %s, 0, %s, {_UTC}, 1, {_UTC})",
            [*key, change, uom],
        )


def book_odoo(con: Con, e: Event) -> None:
    """A done move with its line, and both quants: what one place gains another loses, vendors and production
    included."""
    other = int(e.to_place) if e.to_place else _ODOO_OTHER_SIDE[e.kind]
    source, destination = (other, int(e.place)) if e.change > 0 else (int(e.place), other)
    lot = (
        _one(con, "select max(id) from stock_lot where product_id = %s and name = %s", [e.item, e.lot])
        if e.lot
        else None
    )
    owner, uom, quantity = (
        e.owner or None,
        _one(con, "select uom_id from product_product where id = %s", [e.item]),
        abs(e.change),
    )
    move = _one(
        con,
        "insert into stock_move (reference, product_id, product_uom, product_uom_qty, product_qty, quantity, "
        "location_id, location_dest_id, state, date, company_id, write_date) "
        f"values ('FH/LIVE', %s, %s, %s, %s, %s, %s, %s, 'done', {_UTC}, 1, {_UTC}) returning id",
        [e.item, uom, quantity, quantity, quantity, source, destination],
    )
    reference = f"FH/LIVE/{move:06d}"
    _run(con, "update stock_move set reference = %s where id = %s", [reference, move])
    for place, change in ((source, -quantity), (destination, quantity)):
        _change_quant(con, (e.item, place, lot, owner), change, uom)
    _run(
        con,
        "insert into stock_move_line (move_id, reference, product_id, product_uom_id, quantity, lot_id, owner_id, "
        "location_id, location_dest_id, state, date, company_id, write_date) "
        f"values (%s, %s, %s, %s, %s, %s, %s, %s, %s, 'done', {_UTC}, 1, {_UTC})",
        [move, reference, e.item, uom, quantity, lot, owner, source, destination],
    )


_VOUCHER = {
    "receipt": ("Purchase Receipt", "MAT-PRE-LIVE-"),
    "issue": ("Stock Entry", "MAT-STE-LIVE-"),
    "transfer": ("Stock Entry", "MAT-STE-LIVE-"),
    "count": ("Stock Reconciliation", "MAT-RECO-LIVE-"),
}


def book_erpnext(con: Con, e: Event) -> None:
    """A ledger entry and the Bin for each leg; a count writes 0 and the new balance, as a Stock Reconciliation does."""
    voucher_type, series = _VOUCHER[e.kind]
    voucher = series + str(_one(con, "select left(md5(random()::text || clock_timestamp()), 8)"))
    for place, change in e.legs:
        balance = _one(
            con,
            'insert into "tabBin" as b (name, item_code, warehouse, actual_qty, reserved_qty, reserved_stock, '
            "ordered_qty, indented_qty, planned_qty, projected_qty, stock_uom, "
            "valuation_rate, stock_value, modified) select left(md5(%s || %s), 10), name, %s, %s, 0, 0, 0, 0, 0, %s, "
            "stock_uom, valuation_rate, %s * valuation_rate, "
            f'{_LOCAL} from "tabItem" where name = %s on conflict (item_code, warehouse) '
            "do update set actual_qty = b.actual_qty + excluded.actual_qty, "
            "projected_qty = b.projected_qty + excluded.actual_qty, stock_value = (b.actual_qty + "
            "excluded.actual_qty) * b.valuation_rate, modified = excluded.modified "
            "returning actual_qty",
            [e.item, place, place, change, change, change, e.item],
        )
        _run(
            con,
            'insert into "tabStock Ledger Entry" (name, item_code, warehouse, posting_date, posting_time, '
            "voucher_type, voucher_no, voucher_detail_no, actual_qty, "
            "qty_after_transaction, valuation_rate, stock_uom, company, is_cancelled, docstatus, creation, modified) "
            "select left(md5(random()::text || clock_timestamp()), 10), "
            f"name, %s, {_LOCAL}, {_LOCAL}, %s, %s, '1', %s, %s, valuation_rate, stock_uom, 'Hollowbrook Motors', 0, "
            f'1, {_LOCAL}, {_LOCAL} from "tabItem" where name = %s',
            [place, voucher_type, voucher, 0 if e.kind == "count" else change, balance, e.item],
        )


def book_ledger(con: Con, e: Event) -> None:
    """The clerk's ledger: the stock row and a line per leg, not yet sent."""
    document = _one(con, "select 'LV' || lpad((coalesce(max(id), 0) + 1)::text, 8, '0') from move")
    for line, (place, change) in enumerate(e.legs, start=1):
        after = _one(
            con,
            f"insert into stock as s values (%s, %s, %s, %s, %s, 0, (select max(expires_on) from stock where code = "
            f"%s and lot = %s and lot <> ''), {_LOCAL}) "
            "on conflict (code, place, lot, owner) do update set quantity = s.quantity + excluded.quantity, "
            "updated_at = excluded.updated_at returning quantity",
            [e.item, place, e.lot, e.owner, change, e.item, e.lot],
        )
        _run(
            con,
            f"insert into move (document, line, kind, code, place, lot, owner, change, after, at) values (%s, %s, %s, "
            f"%s, %s, %s, %s, %s, %s, {_LOCAL})",
            [document, line, e.kind, e.item, place, e.lot, e.owner, change, after],
        )


BOOKERS: dict[str, Callable[[Con, Event], None]] = {
    "u8": book_u8,
    "k3": book_k3,
    "jsherp": book_jsherp,
    "odoo": book_odoo,
    "erpnext": book_erpnext,
    "ledger": book_ledger,
}
