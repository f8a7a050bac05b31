"""How numbers, ages and instants are written, and the steps of the age line."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal as D
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from hub.formats import Exact, age_step, plain, sla_state, speaker
from hub.marks import Marks

ZH, EN = speaker("zh", "Asia/Shanghai"), speaker("en", "Asia/Shanghai")


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [
        (D("182400.000000000"), None, "182,400"), (D("312.660000000"), None, "312.66"), (D("-25"), 0, "\u221225"),
        (D("0.000000001"), None, "0.000000001"), (D("12480"), 1, "12,480.0"), (D("-0.001"), 2, "0.00"), (0, None, "0"),
        (D("1E+3"), None, "1,000"), (1234567, None, "1,234,567"),
    ],
)  # fmt: skip
def test_numbers(value: D | int, decimals: int | None, text: str) -> None:
    assert plain(value, decimals) == text


@pytest.mark.parametrize(
    ("value", "zh", "en"),
    [
        ("58368", "58,368 元", "CNY 58,368"), ("1860000", "186.0 万元", "CNY 1.9 M"),
        ("1284600000", "12.846 亿元", "CNY 1,284.6 M"), ("-950", "\u2212950 元", "CNY \u2212950"),
    ],
)  # fmt: skip
def test_money(value: str, zh: str, en: str) -> None:
    assert (ZH.money(D(value)), EN.money(D(value))) == (zh, en)


@pytest.mark.parametrize(
    ("seconds", "zh", "en"),
    [
        (48, "48 秒", "48 s"), (2820, "47 分", "47 min"), (36 * 3600, "36 小时", "36 h"), (-5, "0 秒", "0 s"),
        (277200, "3 天 5 小时", "3 d 5 h"), (48 * 3600, "2 天", "2 d"), (None, "—", "—"),
    ],
)  # fmt: skip
def test_ages(seconds: int | None, zh: str, en: str) -> None:
    assert (ZH.age(seconds), EN.age(seconds)) == (zh, en)


@pytest.mark.parametrize(
    ("ratio", "state", "step"),
    [(0, "fresh", 1), (0.5, "fresh", 3), (1, "fresh", 6), (1.01, "late", 7), (2, "late", 11), (2.01, "stale", 12)],
)
def test_promise(ratio: float, state: str, step: int) -> None:
    assert (sla_state(ratio * 1000, 1000), age_step(ratio * 1000, 1000)) == (state, step)


@given(st.floats(0, 1e7), st.floats(0, 1e7), st.floats(1, 1e6))
def test_an_older_number_never_has_the_shorter_line(one: float, other: float, sla: float) -> None:
    younger, older = sorted((one, other))
    first, second = age_step(younger, sla), age_step(older, sla)
    assert first is not None and second is not None
    assert 1 <= first <= second <= 12


@given(st.decimals(allow_nan=False, allow_infinity=False, places=9, min_value=-(10**20), max_value=10**20))
def test_no_digit_of_a_quantity_is_lost(value: D) -> None:
    assert D(plain(value).replace(",", "").replace("\u2212", "-")) == value


def test_line_of_a_sum_shows_most_of_it_and_its_oldest_part() -> None:
    at = datetime.now(UTC) - timedelta(seconds=2500)
    age = SimpleNamespace(source_at=at, age_seconds=2500, sla_seconds=1000, state="stale", ratio=2.5, main_ratio=0.4)
    line = Marks(EN).line(age)
    assert 'data-a="3"' in line
    assert 'data-o="12"' in line
    assert Marks(EN).line(None) == ""


def test_names_are_escaped_and_texts_are_not() -> None:
    assert EN.t("<b>{n}</b>", "<b>{n}</b>", n="<i>") == "<b>&lt;i&gt;</b>"
    assert (EN.pick("螺栓", None), EN.other("螺栓", "bolt"), ZH.other("a", "a")) == ("螺栓", "螺栓", "")


def test_one_and_several_in_english() -> None:
    zh, en = speaker("zh", "UTC"), speaker("en", "UTC")
    pair = ("{n} 个料号", "{n} code|{n} codes")
    assert [en.t(*pair, n=n) for n in (0, 1, "1", 2, "1,001")] == [
        "0 codes",
        "1 code",
        "1 code",
        "2 codes",
        "1,001 codes",
    ]
    assert zh.t(*pair, n=1) == "1 个料号"


@pytest.mark.parametrize(
    ("value", "text"),
    [("5.000000000", "5"), ("0.100", "0.1"), ("-0.000", "0"), ("1E+3", "1000"), ("1200", "1200"), ("-25.50", "-25.5")],
)
def test_json_carries_a_decimal_without_zeros_that_say_nothing(value: str, text: str) -> None:
    assert TypeAdapter(Exact).dump_json(D(value)) == f'"{text}"'.encode()
    assert TypeAdapter(Exact).validate_json(f'"{text}"') == D(value)
