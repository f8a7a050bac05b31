"""The exports: whole or not there, in the encoding promised, saying what the books say."""

from __future__ import annotations

import csv
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from python_calamine import CalamineWorkbook

from demo import files
from demo.group import DemoGroup

AT = datetime(2026, 11, 20, 2, 0)


@pytest.fixture
def csv_folder(plants: DemoGroup, tmp_path: Path) -> Path:
    return files.export_csv(plants.dsn("duoyan-csv"), tmp_path / "out", AT).parent


def test_csv_set_is_complete_and_done(csv_folder: Path) -> None:
    names = sorted(p.name for p in csv_folder.iterdir())
    stamp = "20261120_020000.csv"
    kinds = ("items", "moves", "orders", "places", "stock")
    assert names == sorted([f"{k}_{stamp}" for k in kinds] + [f"{k}_{stamp}.done" for k in kinds])


def test_csv_is_gb18030_and_adds_up(csv_folder: Path, plants: DemoGroup) -> None:
    raw = (csv_folder / "stock_20261120_020000.csv").read_bytes()
    with pytest.raises(UnicodeDecodeError):
        raw.decode("utf-8")
    rows = list(csv.DictReader(raw.decode("gb18030").splitlines()))
    assert tuple(rows[0]) == files.HEADS["stock"]
    truth = plants.true_stock("duoyan-csv", as_exported=True)
    assert sum(float(r["数量"]) for r in rows) == pytest.approx(float(sum(q for q, _ in truth.values())))
    assert len(rows) == len(truth)
    assert any(r["料号"].startswith("0") for r in rows)


def test_workbook_has_numbers_as_numbers(plants: DemoGroup, tmp_path: Path) -> None:
    path = files.export_xlsx(plants.dsn("luyu-xlsx"), tmp_path / "out", AT)
    book = CalamineWorkbook.from_path(str(path))
    assert book.sheet_names == ["库存", "物料", "库位", "出入库", "采购"]
    rows = book.get_sheet_by_name("库存").to_python()
    head = next(i for i, row in enumerate(rows) if row[0] == "料号")
    column = rows[head].index("数量")
    assert all(isinstance(row[column], float | int) for row in rows[head + 1 :])
    assert len(rows) - head - 1 == len(plants.true_stock("luyu-xlsx"))


def test_old_exports_are_tidied_up(plants: DemoGroup, tmp_path: Path) -> None:
    for hour in range(files.KEPT_EXPORTS + 3):
        files.export_csv(plants.dsn("duoyan-csv"), tmp_path, AT + timedelta(hours=hour))
    assert len(list(tmp_path.glob("stock_*.csv"))) == files.KEPT_EXPORTS
    assert len(list(tmp_path.glob("stock_*.done"))) == files.KEPT_EXPORTS
    assert not list(tmp_path.glob(".*"))


def test_a_write_that_breaks_off_leaves_no_file(
    plants: DemoGroup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "_plain", full)
    with pytest.raises(OSError, match="No space"):
        files.export_csv(plants.dsn("duoyan-csv"), tmp_path, AT)
    assert not list(tmp_path.glob("*.csv"))
    assert not list(tmp_path.glob("*.done"))
