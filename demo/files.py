"""The exports of the two plants without an interface: nightly GB18030 CSV files with a done-file each, and workbooks.
A file is written under a hidden name and renamed when whole; the books and what was written of them agree to the
row."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import xlsxwriter

from demo.load import system_dsn

KEPT_EXPORTS = 6
_STOCK = """select s.code, i.name, i.spec, i.unit, s.place, p.name, s.lot, s.owner, p.status, s.quantity, s.reserved,
    i.cost, i.currency, s.expires_on, s.updated_at
from stock s join item i on i.code = s.code join place p on p.code = s.place order by s.code, s.place, s.lot, s.owner"""
_ITEMS = """select code, name, spec, class_code, unit, base_unit, per_base, gtin, brand, mpn, cost, currency,
case when active then '在用' else '停用' end from item order by code"""
_PLACES = "select code, name, status from place order by code"
_MOVES = """select document, line, kind, m.code, i.unit, m.place, p.status, lot, owner, change, at from move m join
    item i on i.code = m.code join place p on p.code = m.place
where at >= %s order by id"""
_ORDERS = """select document, line, supplier, s.name, o.code, o.unit, quantity, received, i.unit, base_quantity,
    base_received, price, o.currency, state, ordered_on, due_on, place
from purchase o join supplier s on s.code = o.supplier join item i on i.code = o.code order by document, line"""

STATUS = {"unrestricted": "合格", "quality": "待检", "blocked": "冻结", "in_transit": "在途"}
KIND = {"opening": "期初", "receipt": "入库", "issue": "出库", "transfer": "移库", "count": "盘点", "return": "退回"}
STATE = {"draft": "草稿", "open": "在途", "closed": "关闭", "cancelled": "作废"}
HEADS = {
    "stock": (
        "料号",
        "品名",
        "规格",
        "单位",
        "仓库",
        "仓库名称",
        "批号",
        "货主",
        "质量状态",
        "数量",
        "占用数量",
        "单价",
        "币种",
        "有效期",
        "更新时间",
    ),
    "items": (
        "料号",
        "品名",
        "规格",
        "分类",
        "单位",
        "折算单位",
        "折算率",
        "条码",
        "品牌",
        "型号",
        "单价",
        "币种",
        "状态",
    ),
    "places": ("仓库", "仓库名称", "质量状态"),
    "moves": ("单据号", "行号", "类型", "料号", "单位", "仓库", "质量状态", "批号", "货主", "数量", "时间"),
    "orders": (
        "订单号",
        "行号",
        "供应商",
        "供应商名称",
        "料号",
        "单位",
        "数量",
        "已收数量",
        "库存单位",
        "库存数量",
        "库存已收",
        "单价",
        "币种",
        "状态",
        "订货日期",
        "交货日期",
        "仓库",
    ),
}
_QUERIES = {"stock": _STOCK, "items": _ITEMS, "places": _PLACES, "moves": _MOVES, "orders": _ORDERS}
_WORDS = {("stock", 8): STATUS, ("places", 2): STATUS, ("moves", 2): KIND, ("moves", 6): STATUS, ("orders", 13): STATE}
_SHEETS = {"stock": "库存", "items": "物料", "places": "库位", "moves": "出入库", "orders": "采购"}
Row = Sequence[Any]


def export_all(admin_dsn: str, folders: dict[str, Path]) -> None:
    """A new set of files of both plants, by their local clocks."""
    now = datetime.now(UTC).replace(tzinfo=None) + timedelta(hours=8)
    export_csv(system_dsn(admin_dsn, "duoyan-csv"), folders["duoyan-csv"], now)
    export_xlsx(system_dsn(admin_dsn, "luyu-xlsx"), folders["luyu-xlsx"], now)


def export_csv(dsn: str, folder: Path, now: datetime) -> Path:
    """One nightly set of files; returns the stock file. `now` is the plant's local time."""
    return _export(dsn, folder, now, _write_csv_set)


def export_xlsx(dsn: str, folder: Path, now: datetime) -> Path:
    """One workbook with five sheets; returns it. `now` is the plant's local time."""
    return _export(dsn, folder, now, _write_book)


def _export(
    dsn: str, folder: Path, now: datetime, write: Callable[[Path, datetime, dict[str, list[Row]]], Path]
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    with psycopg.connect(dsn) as con:
        con.execute("set transaction isolation level repeatable read")
        since = now - timedelta(days=800 if not any(folder.iterdir()) else 7)
        sets = {name: _rows(con, name, since) for name in _QUERIES}
        written = write(folder, now, sets)
        con.execute("truncate exported_stock")
        con.execute("insert into exported_stock select * from stock")
        con.execute("insert into export values (%s, %s)", [written.name, now])
    _forget_old(folder)
    return written


def _rows(con: psycopg.Connection, name: str, since: datetime) -> list[Row]:
    found = con.execute(_QUERIES[name].encode(), [since] if name == "moves" else None)
    words = [(column, table) for (of, column), table in _WORDS.items() if of == name]
    rows: list[Row] = []
    for row in found:
        cells = list(row)
        for column, table in words:
            cells[column] = table[cells[column]]
        rows.append(cells)
    return rows


def _write_csv_set(folder: Path, now: datetime, sets: dict[str, list[Row]]) -> Path:
    stamp = f"{now:%Y%m%d_%H%M%S}"
    for name, rows in sets.items():
        _write_csv(folder / f"{name}_{stamp}.csv", HEADS[name], rows)
    return folder / f"stock_{stamp}.csv"


def _write_csv(path: Path, head: Sequence[str], rows: Iterable[Row]) -> None:
    half = path.with_name(f".{path.name}.part")
    with half.open("w", encoding="gb18030", newline="") as file:
        out = csv.writer(file, lineterminator="\r\n")
        out.writerow(head)
        out.writerows([_plain(cell) for cell in row] for row in rows)
    half.replace(path)
    path.with_name(path.name + ".done").touch()


def _write_book(folder: Path, now: datetime, sets: dict[str, list[Row]]) -> Path:
    path = folder / f"库存日报_{now:%Y%m%d_%H%M%S}.xlsx"
    half = folder / f".{path.name}.part"
    with xlsxwriter.Workbook(str(half), {"constant_memory": True, "in_memory": False}) as book:
        bold = book.add_format({"bold": True})
        for name, rows in sets.items():
            sheet = book.add_worksheet(_SHEETS[name])
            sheet.write_string(0, 0, f"鹿屿轴承厂 {_SHEETS[name]} {now:%Y-%m-%d %H:%M}", bold)
            for at, row in enumerate([HEADS[name], *rows], start=2):
                for column, cell in enumerate(row):
                    if isinstance(cell, Decimal | int):
                        sheet.write_number(at, column, float(cell))
                    else:
                        sheet.write_string(at, column, _plain(cell))
    half.replace(path)
    return path


def _plain(cell: Any) -> str:
    """Quantities without trailing zeros, instants to the second, as people's programs write them."""
    if isinstance(cell, datetime):
        return f"{cell:%Y-%m-%d %H:%M:%S}"
    if isinstance(cell, Decimal):
        return f"{cell.normalize():f}"
    return "" if cell is None else str(cell)


def _forget_old(folder: Path) -> None:
    """Keep the last exports of each name; people tidy up their folders too."""
    by_kind: dict[str, list[Path]] = {}
    for path in sorted(p for p in folder.iterdir() if p.suffix in {".csv", ".xlsx"} and not p.name.startswith(".")):
        by_kind.setdefault(path.name.split("_")[0], []).append(path)
    for paths in by_kind.values():
        for path in paths[:-KEPT_EXPORTS]:
            path.unlink()
            path.with_name(path.name + ".done").unlink(missing_ok=True)
