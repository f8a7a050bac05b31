"""How numbers, money, ages and instants are written for a reader: one `Speaker` per language and time zone.
Signs and words follow the reader's language; digits group alike in both, so that figures compare at a glance."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cached_property, lru_cache
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel.dates import format_date, format_datetime
from markupsafe import Markup
from pydantic import PlainSerializer

LANGUAGES = ("zh", "en")
MINUS, DASH = "\u2212", "\u2014"
MINUTE, HOUR, DAY = 60, 3600, 86400
# An age line has twelve steps: six to the promise, twelve at twice the promise.
PROMISE_STEP, LAST_STEP = 6, 12

Number = Decimal | int | float


def sla_state(age_seconds: float | None, sla_seconds: float | None) -> str:
    """fresh, late (age above the promise), stale (above twice the promise); unknown where the source gave no time."""
    if age_seconds is None or not sla_seconds:
        return "unknown"
    ratio = age_seconds / sla_seconds
    return "fresh" if ratio <= 1 else "late" if ratio <= 2 else "stale"


def age_step(age_seconds: float | None, sla_seconds: float | None) -> int | None:
    """The step of the age line under a number, 1 to 12; None draws no line."""
    if age_seconds is None or not sla_seconds:
        return None
    ratio = max(age_seconds, 0) / sla_seconds
    if ratio <= 1:
        return max(1, math.ceil(PROMISE_STEP * ratio))
    return PROMISE_STEP + math.ceil(5 * (ratio - 1)) if ratio <= 2 else LAST_STEP


def exact(value: Decimal) -> str:
    """An exact decimal as JSON carries it: a text, without zeros that say nothing. As trim_scale writes it."""
    text = f"{value:f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


Exact = Annotated[Decimal, PlainSerializer(exact, return_type=str, when_used="json")]


def plain(value: Number, decimals: int | None = None) -> str:
    """Digits grouped by three; without `decimals` every digit that says something is kept."""
    if decimals is not None:
        text = f"{value:,.{decimals}f}"
    else:
        text = f"{value:,f}" if isinstance(value, Decimal) else f"{value:,}"
        if "." in text:
            text = text.rstrip("0").rstrip(".")
    if text.startswith("-"):
        return text[1:] if not any(c in "123456789" for c in text) else MINUS + text[1:]
    return text


@dataclass(frozen=True)
class Speaker:
    """Speaks one language (`zh` or `en`) in one time zone."""

    language: str
    zone: str

    @cached_property
    def clock(self) -> ZoneInfo:
        try:
            return ZoneInfo(self.zone)
        except (ZoneInfoNotFoundError, ValueError):
            return ZoneInfo("UTC")

    def t(self, zh: str, en: str, **values: Any) -> Markup:
        """The text of this language; `{name}` is replaced and escaped, the text itself may hold markup. An English text
        of two forms, "{n} code|{n} codes", takes the first where `n` is one."""
        one, two_forms, many = (zh, "", "") if self.language == "zh" else en.partition("|")
        spoken = many if two_forms and str(values["n"]) != "1" else one
        text = Markup(spoken)  # noqa: S704 - literals of templates and code
        return text.format(**values) if values else text

    def pick(self, zh: str | None, en: str | None) -> str:
        """A name given in one or both languages: this language's, else the other's."""
        first, second = (zh, en) if self.language == "zh" else (en, zh)
        return first or second or ""

    def other(self, zh: str | None, en: str | None) -> str:
        """The name in the other language where both exist and differ."""
        return ((en if self.language == "zh" else zh) or "") if zh and en and zh != en else ""

    @property
    def other_language(self) -> str:
        return "en" if self.language == "zh" else "zh"

    def number(self, value: Number | None, decimals: int | None = None) -> str:
        return DASH if value is None else plain(value, decimals)

    def signed(self, value: Number | None, decimals: int | None = None) -> str:
        if value is None:
            return DASH
        return ("+" if value > 0 else "") + plain(value, decimals)

    def percent(self, share: Number | None, decimals: int = 1) -> str:
        return DASH if share is None else plain(Decimal(str(share)) * 100, decimals) + "%"

    def money(self, value: Number | None, currency: str = "CNY") -> str:
        """An amount in a sentence: CNY 58,368 or 58,368 元, in magnitudes from 100,000 up."""
        if value is None:
            return DASH
        figure, unit = self.magnitude(value, currency)
        return (
            f"{figure} {unit}" if self.language == "zh" else " ".join(filter(None, self._latin(figure, unit, currency)))
        )

    def _latin(self, figure: str, unit: str, currency: str) -> tuple[str, str, str]:
        return currency, figure, unit.removeprefix(currency).strip()

    def magnitude(self, value: Number | None, currency: str = "CNY") -> tuple[str, str]:
        """Figure and unit apart, as a key figure shows them: ("12.846", "亿元"), ("1,284.6", "CNY M")."""
        if value is None:
            return DASH, ""
        amount = Decimal(str(value))
        if self.language == "zh":
            unit = "元" if currency == "CNY" else f" {currency}"
            return _scaled(
                amount, ((Decimal(10**8), f"亿{unit}", 3), (Decimal(10**5), f"万{unit}", 1)), unit.strip(), 10**4
            )
        return _scaled(amount, ((Decimal(10**6), f"{currency} M", 1),), currency, 1)

    def age(self, seconds: float | None) -> str:
        """At most two units; hours until 48."""
        if seconds is None:
            return DASH
        value = max(int(seconds), 0)
        if value < MINUTE:
            return f"{value} {self._unit('秒', 's')}"
        if value < HOUR:
            return f"{value // MINUTE} {self._unit('分', 'min')}"
        if value < 2 * DAY:
            return f"{value // HOUR} {self._unit('小时', 'h')}"
        days = f"{value // DAY} {self._unit('天', 'd')}"
        hours = value % DAY // HOUR
        return f"{days} {hours} {self._unit('小时', 'h')}" if hours and value < 30 * DAY else days

    def duration(self, seconds: float | None) -> str:
        """A measured delay: tenths below ten seconds."""
        if seconds is None:
            return DASH
        return f"{seconds:.1f} {self._unit('秒', 's')}" if seconds < 10 else self.age(seconds)

    def _unit(self, zh: str, en: str) -> str:
        return zh if self.language == "zh" else en

    def clock_time(self, at: datetime | None) -> str:
        """The time of day with seconds; with its day where that is not today."""
        if at is None:
            return DASH
        local = at.astimezone(self.clock)
        return f"{local:%H:%M:%S}" if local.date() == datetime.now(self.clock).date() else self.instant(at)

    def instant(self, at: datetime | None) -> str:
        if at is None:
            return DASH
        local = at.astimezone(self.clock)
        this_year = local.year == datetime.now(self.clock).year
        return _instant(local.replace(second=0, microsecond=0, tzinfo=None), self.language, this_year)

    def exact(self, at: datetime | None) -> str:
        """To the second, with the zone: for titles, raw rows and print."""
        return DASH if at is None else f"{at.astimezone(self.clock):%Y-%m-%d %H:%M:%S} {self.zone_name}"

    def iso_day(self, at: datetime | date | None) -> str:
        if at is None:
            return DASH
        return f"{at.astimezone(self.clock) if isinstance(at, datetime) else at:%Y-%m-%d}"

    def day(self, at: datetime | date | None) -> str:
        """A day of this year without its year: 20 Nov, 11-20."""
        if at is None:
            return DASH
        value = at.astimezone(self.clock).date() if isinstance(at, datetime) else at
        return _day(value, self.language, value.year == datetime.now(self.clock).year)

    def weekday(self, at: datetime) -> str:
        local = at.astimezone(self.clock)
        return format_date(local, "MM-dd EEE" if self.language == "zh" else "EEE d MMM", locale=self.language)

    def month(self, at: date) -> str:
        return f"{at.month}" if self.language == "zh" else format_date(at, "LLL", locale="en")

    @property
    def zone_name(self) -> str:
        minutes = (datetime.now(self.clock).utcoffset() or datetime.now(UTC) - datetime.now(UTC)).total_seconds() // 60
        hours, rest = divmod(abs(int(minutes)), 60)
        sign = "+" if minutes >= 0 else MINUS
        return "UTC" if not minutes else f"UTC{sign}{hours}" + (f":{rest:02}" if rest else "")


def _scaled(amount: Decimal, steps: tuple[tuple[Decimal, str, int], ...], unit: str, per: int) -> tuple[str, str]:
    for threshold, name, decimals in steps:
        if abs(amount) >= threshold:
            return plain(amount / (per if threshold == 10**5 else threshold), decimals), name
    return plain(amount, 0), unit


@lru_cache(maxsize=4096)
def _instant(local: datetime, language: str, this_year: bool) -> str:
    if language == "zh":
        return format_datetime(local, "MM-dd HH:mm" if this_year else "yyyy-MM-dd HH:mm", locale="zh")
    return format_datetime(local, "d MMM HH:mm" if this_year else "d MMM yyyy HH:mm", locale="en")


@lru_cache(maxsize=4096)
def _day(value: date, language: str, this_year: bool) -> str:
    if language == "zh":
        return format_date(value, "MM-dd" if this_year else "yyyy-MM-dd", locale="zh")
    return format_date(value, "d MMM" if this_year else "d MMM yyyy", locale="en")


@lru_cache(maxsize=64)
def speaker(language: str, zone: str) -> Speaker:
    return Speaker(language if language in LANGUAGES else "zh", zone)
