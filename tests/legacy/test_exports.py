"""Recorded export files: Odoo's CSV and XLSX, jshERP's GB18030 text (one with a doubly encoded head), fixed width in
cp1252, BIFF workbooks. On hand equals the exporting system's own expectation, by code, name and place."""

from __future__ import annotations

import os
import shutil
import time
from collections import defaultdict
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from connectors.sources import open_source
from tests.legacy.agent import LegacyAgent
from tests.legacy.conftest import recorded

START = Callable[..., LegacyAgent]
Totals = dict[tuple[Any, ...], Decimal]


def folder_with(tmp_path: Path, name: str) -> dict[str, Any]:
    """A folder that holds the recorded file as an export finished a minute ago."""
    folder = tmp_path / "export"
    folder.mkdir()
    copied = Path(shutil.copy(recorded(f"files/{name}"), folder / name))
    os.utime(copied, (time.time() - 60, time.time() - 60))
    return {"folder": str(folder)}


def total(rows: list[Any], key: Callable[[Any], tuple[Any, ...]]) -> Totals:
    totals: Totals = defaultdict(Decimal)
    for row in rows:
        totals[key(row)] += Decimal(row["on_hand"])
    return {k: v for k, v in totals.items() if v}


@pytest.mark.parametrize("name", ["odoo_stock_quant.csv", "odoo_stock_quant.xlsx"])
def test_odoo_export(tmp_path: Path, agent: START, name: str) -> None:
    held = agent("odoo-export", folder_with(tmp_path, name)).read("stock_positions")
    rows = recorded("odoo17/expected_before.json.gz")["on_hand"]

    def key(r: Any) -> tuple[Any, ...]:
        code = r["item_code"] or None
        item = (code + " " if code else "") + r["item_name"]
        return item, r["location"], r["lot"], (r["owner"] or "").strip() or None

    got = {
        (*k[:3], (k[3] or "").strip() or None): v for k, v in held.sums("item_id", "place_id", "lot", "owner").items()
    }
    assert got == total(rows, key)
    assert held.problems == []


@pytest.mark.parametrize("name", ["jsherp_stock_gb18030.tsv", "jsherp_stock_gbk_badhead.tsv"])
def test_jsherp_export(tmp_path: Path, agent: START, name: str) -> None:
    held = agent("jsherp-export", folder_with(tmp_path, name), companies="63=jsh,150=nb").read("stock_positions")
    rows = recorded("jsherp/expected_jsherp.json.gz")["on_hand"]
    wanted = total(
        rows, lambda r: (f"{r['tenant']}/{r['item_code'] or r['item_name']}", f"{r['tenant']}/{r['location']}")
    )
    assert held.sums("item_id", "place_id") == wanted
    assert {r["organisation"] for r in held.all()} == {"jsh", "nb"}


def test_adventureworks_fixed_width(tmp_path: Path, agent: START) -> None:
    reader = agent("adventureworks-fixed", folder_with(tmp_path, "adventureworks_fixed_cp1252.txt"))
    rows = recorded("expected_adventureworks_northwind.json.gz")["adventureworks"]["on_hand"]
    held = reader.read("stock_positions")
    assert held.sums("item_id", "place_id") == total(rows, lambda r: (str(r["item_id"]), r["location"]))
    names = {r["item_id"]: (r["item_code"], r["name"]) for r in reader.read("materials").all()}
    assert names == {str(r["item_id"]): (r["item_code"], r["item_name"]) for r in rows}


@pytest.mark.parametrize(
    ("name", "first"),
    [
        (
            "jsherp_goods_template.xls",
            {"名称*": "可乐test", "规格": "250ml", "基本条码*": "2001", "采购价": "5", "副条码": None},
        ),
        ("jsherp_in_out_item_template.xls", {"仓库*": "仓库1", "条码*": "2001", "数量*": "1", "备注": None}),
    ],
)
def test_biff_workbooks_are_read(tmp_path: Path, name: str, first: dict[str, Any]) -> None:
    source = open_source("files", folder_with(tmp_path, name), zone="Asia/Shanghai")
    (page,) = [p for p in source.read({"glob": "*.xls", "columns": list(first)}, None) if p.rows]
    row = dict(zip(page.columns, page.rows[0], strict=True))
    assert {k: row[k] for k in first} == first
    assert (len(page.rows), len(page.skipped)) == (2, 0)
