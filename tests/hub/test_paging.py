"""Cursors come back as they went in, and nothing else is taken for one."""

from __future__ import annotations

import base64
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import column

from hub.errors import Unprocessable
from hub.paging import Paging, after, cut, decode, encode

PARTS = st.one_of(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    st.integers(-(2**63), 2**63 - 1),
    st.uuids(),
    st.decimals(allow_nan=False, allow_infinity=False),
    st.datetimes(timezones=st.just(UTC)),
    st.dates(),
)
U = UUID("00000000-0000-7000-8000-000000000001")


@given(st.lists(PARTS, max_size=4))
def test_cursor_comes_back_as_it_went_in(key: list[Any]) -> None:
    assert decode(encode(key), [type(part) for part in key]) == tuple(key)


@given(st.text() | st.binary().map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
def test_anything_else_is_refused_in_words(cursor: str) -> None:
    with pytest.raises(Unprocessable, match="no cursor of this list"):
        decode(cursor, (UUID, datetime))


def cursor_of(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    ("cursor", "kinds"),
    [
        (encode(("a",)), (int,)),
        (encode(("a", 1)), (str,)),
        (encode((1,)), (str, int)),
        (cursor_of([2**63]), (int,)),
        (cursor_of(["a\0"]), (str,)),
        (cursor_of([True]), (int,)),
        (cursor_of([1.5]), (float,)),
        (cursor_of({"0": 1}), (int,)),
        (cursor_of([{"t": "2026-01-01T00:00:00"}]), (datetime,)),
        (cursor_of([{"u": "x"}]), (UUID,)),
        (cursor_of([{"z": "x"}]), (str,)),
        (cursor_of([[1]]), (list,)),
        (encode((date(2026, 1, 1),)), (datetime,)),
    ],
)
def test_cursor_of_another_list_is_refused(cursor: str, kinds: tuple[type, ...]) -> None:
    with pytest.raises(Unprocessable):
        decode(cursor, kinds)


@given(st.integers(0, 30), st.integers(1, 10))
def test_pages_hold_every_row_once(count: int, limit: int) -> None:
    rows, seen, position = list(range(count)), [], None
    while True:
        key = Paging(limit, position).key((int,))
        left = [row for row in rows if key is None or row > key[0]]
        page, position = cut(left[: limit + 1], limit, lambda row: (row,))
        seen += page
        if position is None:
            break
    assert seen == rows


def test_condition_compares_rows_as_a_whole() -> None:
    condition = str(after([column("a"), column("b")], (Decimal(1), U)))
    assert condition == "(a, b) > (:param_1, :param_2)"
