"""Files as plants leave them: half written, oddly encoded, titles above the head, in workbooks and fixed columns."""

from __future__ import annotations

import os
import time
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter
from hypothesis import given
from hypothesis import strategies as st

from connectors.sources import Abort, Page, Retry, open_source
from connectors.sources.encodings import find_encoding

TEXT = '物料编码,名称,数量\r\nA-1,深沟球轴承 6204,12.50\r\nA-2,"螺栓, M8",-3\r\n'
STOCK = {"glob": "stock*", "columns": ["物料编码", "数量"], "settle": 0}


def put(folder: Path, name: str, data: bytes, age: float = 60) -> Path:
    path = folder / name
    path.write_bytes(data)
    os.utime(path, (time.time() - age, time.time() - age))
    return path


def read(folder: Path, zone: str = "Asia/Shanghai", **table: Any) -> list[Page]:
    return list(open_source("files", {"folder": str(folder)}, zone=zone).read(STOCK | table, None))


def cells(pages: list[Page]) -> list[tuple[Any, ...]]:
    return [row[:-3] for page in pages for row in page.rows]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "gb18030", "gbk"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_encoding_and_separator_are_found(tmp_path: Path, encoding: str, separator: str) -> None:
    text = TEXT.replace('"螺栓, M8"', "螺栓 M8").replace(",", separator)
    put(tmp_path, "stock.csv", text.encode(encoding))
    assert cells(read(tmp_path)) == [("A-1", "深沟球轴承 6204", "12.50"), ("A-2", "螺栓 M8", "-3")]


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("code;name\r\n1;Kugellager für Fördergerät, Größe 5\r\n", "cp1252"),
        ("code,name\r\n1,Rodamiento rígido de bolas, número 4\r\n", "cp1252"),
        ("料號,品名\r\n1,深溝球軸承\r\n2,內六角螺絲\r\n", "big5"),
        ("料号,品名\r\n1,深沟球轴承\r\n2,内六角螺丝\r\n", "gb18030"),
        ("code,name\r\n" + "1,plain\r\n" * 60_000 + "2,不锈钢\r\n", "gb18030"),
    ],
)
def test_legacy_encodings_are_told_apart(tmp_path: Path, text: str, encoding: str) -> None:
    assert find_encoding(put(tmp_path, "x.csv", text.encode(encoding))) == encoding


@given(st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x62FF), min_size=1, max_size=60))
def test_utf8_is_never_taken_for_anything_else(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    assert find_encoding(put(tmp_path_factory.mktemp("e"), "x.csv", f"码,名\n1,{text}\n".encode())) == "utf-8"


def test_header_is_found_below_a_title_and_doubly_encoded_names_are_repaired(tmp_path: Path) -> None:
    bad = "物料编码,名称,数量".encode().decode("gb18030")
    put(tmp_path, "stock.csv", f"库存报表 2026-11-22\r\n\r\n{bad}\r\nA-1,轴承,5\r\n".encode("gb18030"))
    (page,) = [p for p in read(tmp_path) if p.rows]
    assert list(page.columns)[:3] == ["物料编码", "名称", "数量"]
    assert cells([page]) == [("A-1", "轴承", "5")]


def test_rows_that_do_not_fit_are_kept_with_their_place(tmp_path: Path) -> None:
    put(tmp_path, "stock.csv", (TEXT + "A-3,x,1,surplus\r\n总计\r\n,,\r\nA-4,y\r\n").encode())
    pages = read(tmp_path)
    assert [r[0] for r in cells(pages)] == ["A-1", "A-2", "A-4"]
    skipped = [s for p in pages for s in p.skipped]
    assert [(s.where, s.reason) for s in skipped] == [
        ("stock.csv, row 4", "4 cells where the header has 3"),
        ("stock.csv, row 5", "1 cells where the header has 3"),
    ]
    assert skipped[0].raw == {"物料编码": "A-3", "名称": "x", "数量": "1", "cell 4": "surplus"}


INCOMPLETE: list[tuple[str, bytes, float, dict[str, Any], str]] = [
    ("stock.csv", TEXT.encode()[:-4], 60, {}, "last line has no end"),
    ("stock.csv", TEXT.encode(), 0, {"settle": 30}, "less than 30 s ago"),
    ("stock.csv", b"", 60, {}, "empty"),
    ("stock.csv", TEXT.encode(), 60, {"done": "*.ok"}, "done-file"),
    ("stock.xlsx", b"PK\x03\x04 half a workbook", 60, {}, "its end is missing"),
    ("stock.xls", b"no workbook", 60, {}, "does not begin"),
    ("other.csv", TEXT.encode(), 60, {}, "No file stock"),
]


@pytest.mark.parametrize("case", INCOMPLETE, ids=lambda case: case[4])
def test_what_is_not_complete_is_left_for_later(
    tmp_path: Path, case: tuple[str, bytes, float, dict[str, Any], str]
) -> None:
    name, data, age, table, words = case
    put(tmp_path, name, data, age)
    with pytest.raises(Retry, match=words):
        read(tmp_path, **table)


@pytest.mark.parametrize("mark", ["stock.ok", "stock.csv.ok"])
def test_done_file_makes_it_complete_unless_it_is_older(tmp_path: Path, mark: str) -> None:
    put(tmp_path, "stock.csv", TEXT.encode().rstrip(), age=30)
    put(tmp_path, mark, b"", age=20)
    assert len(cells(read(tmp_path, done="*.ok"))) == 2
    put(tmp_path, mark, b"", age=40)
    with pytest.raises(Retry, match="done-file"):
        read(tmp_path, done="*.ok")


@pytest.mark.parametrize(
    ("data", "table", "words"),
    [
        ("码,数量\n1,2\n".encode(), {}, r"stock\.csv.*'物料编码'|'物料编码' is missing"),
        (TEXT.encode("gb18030"), {"encoding": "utf-8"}, r"stock\.csv, after row 0: .* are not utf-8; set `encoding`"),
        (TEXT.encode(), {"encoding": "klingon"}, "no encoding 'klingon'"),
        (
            b"\x81abc123\n",
            {"widths": {"物料编码": [1, 1], "数量": [2, 7]}, "encoding": "gb18030"},
            "row 1, column 物料编码",
        ),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, data: bytes, table: dict[str, Any], words: str) -> None:
    put(tmp_path, "stock.csv", data)
    with pytest.raises(Abort, match=words):
        read(tmp_path, **table)


def test_newest_complete_file_is_the_snapshot_and_all_of_them_a_feed(tmp_path: Path) -> None:
    for hour, quantity in (("20", "1"), ("21", "2"), ("22", "3")):
        put(tmp_path, f"stock_20261122-{hour}00.csv", f"物料编码,数量\nA,{quantity}\n".encode(), age=3600)
    put(tmp_path, "stock_20261122-2300.csv", "物料编码,数量\nA,".encode())
    newest = read(tmp_path)
    assert cells(newest) == [("A", "3")]
    assert newest[0].observed_at == datetime(2026, 11, 22, 14, tzinfo=UTC)
    with pytest.raises(Retry, match=r"2300\.csv is not complete"):
        read(tmp_path, take="all")
    (tmp_path / "stock_20261122-2300.csv").unlink()
    assert cells(read(tmp_path, take="all")) == [("A", "1"), ("A", "2"), ("A", "3")]


def test_a_feed_tells_of_all_until_its_last_file_and_parts_stand_as_of_the_first(tmp_path: Path) -> None:
    """Else the moves of the last night lie after the read where two nights are read at once."""
    for day in ("21", "22"):
        put(tmp_path, f"stock_202611{day}-2000.csv", "物料编码,数量\nA,1\n".encode(), age=3600)
    feed = read(tmp_path, take="all", cursor="_arrived_at")
    assert {page.observed_at for page in feed} == {datetime(2026, 11, 22, 12, tzinfo=UTC)}
    parts = read(tmp_path, take="all")
    assert {page.observed_at for page in parts} == {datetime(2026, 11, 21, 12, tzinfo=UTC)}


def test_a_feed_waits_for_an_incomplete_file_and_takes_one_that_arrives_late(tmp_path: Path) -> None:
    source = open_source("files", {"folder": str(tmp_path)})
    feed = STOCK | {"take": "all", "cursor": "_arrived_at", "done": "*.ok"}

    def arrive(hour: str, *endings: str) -> None:
        for ending in endings:
            put(tmp_path, f"stock_{hour}{ending}", f"物料编码,数量\nA,{hour}\n".encode())
            time.sleep(0.01)

    arrive("0800", ".csv", ".ok")
    (row,) = (row for page in source.read(feed, None) for row in page.rows)
    arrive("0810", ".csv")
    arrive("0815", ".csv", ".ok")
    assert cells(list(source.read(feed, row[-1]))) == [("A", "0800")]
    arrive("0810", ".ok")
    arrive("0755", ".csv", ".ok")
    assert [q for _, q in cells(list(source.read(feed, row[-1])))] == ["0800", "0815", "0810", "0755"]


def test_workbook_sheet_title_and_numbers(tmp_path: Path) -> None:
    with xlsxwriter.Workbook(str(tmp_path / "stock.xlsx")) as book:
        book.add_worksheet("说明").write("A1", "请勿修改")
        sheet = book.add_worksheet("库存")
        sheet.write("A1", "鹿屿轴承厂 库存")
        for row, line in enumerate([["物料编码", "名称", "数量"], [1001, "轴承", 0.1], ["007", "螺母", 1250]], 2):
            sheet.write_row(row, 0, line)
    put(tmp_path, "stock.xlsx", (tmp_path / "stock.xlsx").read_bytes())
    assert cells(read(tmp_path)) == [("1001", "轴承", "0.1"), ("007", "螺母", "1250")]
    assert zipfile.is_zipfile(tmp_path / "stock.xlsx")
    with pytest.raises(Abort, match="no sheet '仓库'; its sheets: 说明, 库存"):
        read(tmp_path, sheet="仓库")


@pytest.mark.parametrize("encoding", ["gb18030", "utf-8"])
def test_fixed_width_counts_bytes_in_legacy_and_characters_in_unicode(tmp_path: Path, encoding: str) -> None:
    name = "轴承".encode(encoding).ljust(10) if encoding == "gb18030" else "轴承".ljust(10).encode()
    put(tmp_path, "stock.txt", b"A001" + name + b"0000125\n" + b"A002\n")
    pages = read(tmp_path, columns=[], widths={"code": [1, 4], "name": [5, 14], "qty": [15, 21]})
    assert cells(pages) == [("A001", "轴承", "0000125")]
    assert [s.where for p in pages for s in p.skipped] == ["stock.txt, row 2"]


def test_a_file_that_changes_while_it_is_read_is_read_again(tmp_path: Path) -> None:
    path = put(tmp_path, "stock.csv", TEXT.encode())
    reading = open_source("files", {"folder": str(tmp_path)}).read(STOCK, None)
    assert next(reading).rows == []
    assert len(next(reading).rows) == 2
    path.write_bytes(TEXT.encode() * 2)
    with pytest.raises(Retry, match="changed while it was read"):
        list(reading)


def test_fingerprint_tells_whether_a_read_would_bring_anything(tmp_path: Path) -> None:
    source: Any = open_source("files", {"folder": str(tmp_path)})
    assert source.fingerprint(STOCK) is None
    put(tmp_path, "stock.csv", TEXT.encode())
    first = source.fingerprint(STOCK)
    assert first is not None and source.fingerprint(STOCK) == first
    put(tmp_path, "stock.csv", TEXT.encode() * 2, age=50)
    assert source.fingerprint(STOCK) != first


def test_optional_feed_may_have_no_file(tmp_path: Path) -> None:
    (page,) = read(tmp_path, optional=True)
    assert page.rows == []
