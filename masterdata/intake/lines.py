"""Event lines judged by the contract in plain Python, so that the API needs neither DuckDB nor pandas. It must say the
same as `checks` says of a batch file; a test holds the two together."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any

from connectors.contract import ContractField, streams
from masterdata.intake.checks import FUTURE, KEY_LENGTH, POSITION_KEY, SENTENCES, TEXT_LENGTH, UNIT_FIELDS

# decimal(38,9): 29 digits before the point.
_LARGEST = Decimal(10) ** 29


@dataclass(frozen=True)
class Fault:
    reason: str
    field: str
    value: str | None = None

    @property
    def sentence(self) -> str:
        return SENTENCES[self.reason].replace("{field}", self.field).replace("{value}", self.value or "")


@dataclass(frozen=True)
class Context:
    """What a line is judged against beside the contract: unit codes known in its system, the latest believable time."""

    units: Collection[str]
    latest: datetime


class _Unreadable(Exception):
    pass


@dataclass(frozen=True, slots=True)
class _Check:
    """One field, made ready: `reason` says what is wrong with a value that is there."""

    name: str
    is_required: bool
    reason: Callable[[Any, Context], str | None]


def judge(stream: str, line: Mapping[str, Any], context: Context) -> tuple[dict[str, str | None], Fault | None]:
    """The line's fields as exact text, and its first fault (None: sound)."""
    record: dict[str, str | None] = {}
    fault: Fault | None = None
    if line.get("_problem"):
        fault = Fault("unreadable", "_problem", str(line["_problem"])[:500])
    for check in _checks(stream):
        name, given = check.name, line.get(check.name)
        said = record[name] = given if given is None or type(given) is str else _text(given)
        if fault is None and (reason := _reason(check, given, context)):
            shown = said and said[:200]
            fault = Fault(reason, name, f"{name}: {shown}" if reason == "unreadable" else shown)
    return record, fault


def has_readable_key(stream: str, record: Mapping[str, Any], context: Context) -> bool:
    """True where a faulty line still says of which position it speaks."""
    keys = (c for c in _checks(stream) if c.name in POSITION_KEY)
    return all(_reason(c, record[c.name], context) in (None, "unknown_unit") for c in keys)


def _reason(check: _Check, given: Any, context: Context) -> str | None:
    if given is None:
        return "missing" if check.is_required else None
    try:
        return check.reason(given, context)
    except (_Unreadable, ValueError, InvalidOperation, OverflowError):
        return "unreadable"


@cache
def _checks(stream: str) -> tuple[_Check, ...]:
    return tuple(
        _Check(f.name, f.required, _text_reason(f) if f.type == "VARCHAR" else _value_reason(f))
        for f in streams()[stream].fields
    )


def _text_reason(field: ContractField) -> Callable[[Any, Context], str | None]:
    """In the order of `checks`."""
    longest = KEY_LENGTH if field.is_key or field.name in POSITION_KEY else TEXT_LENGTH
    required, is_unit, rules = field.required, field.name in UNIT_FIELDS, _rules(field)

    def reason(given: Any, context: Context) -> str | None:
        value = given if type(given) is str else _read_text(given)
        if required and not value.strip(" "):
            return "missing"
        if len(value) > longest:
            return "too_long"
        if "\0" in value or "\x1f" in value:
            return "invalid_text"
        for broken, name in rules:
            if broken(value):
                return name
        return "unknown_unit" if is_unit and value and value not in context.units else None

    return reason


def _value_reason(field: ContractField) -> Callable[[Any, Context], str | None]:
    read, is_dated, rules = _READ[field.type], field.name in FUTURE, _rules(field)

    def reason(given: Any, context: Context) -> str | None:
        value = read(given)
        for broken, name in rules:
            if broken(value):
                return name
        return "in_future" if is_dated and value > context.latest else None

    return reason


def _rules(field: ContractField) -> tuple[tuple[Callable[[Any], bool], str], ...]:
    return tuple(_rule(r["arguments"]) for r in field.quality if r.get("severity") != "warning")


def _rule(arguments: Mapping[str, Any]) -> tuple[Callable[[Any], bool], str]:
    if "validValues" in arguments:
        allowed = frozenset(arguments["validValues"])
        return (lambda value: value not in allowed), "invalid_value"
    pattern = re.compile(arguments["pattern"])
    return (lambda value: pattern.search(value) is None), "invalid_pattern"


def _read_text(given: Any) -> str:
    if not isinstance(given, str | int) or isinstance(given, bool):
        raise _Unreadable
    return str(given)


def _read_decimal(given: Any) -> Decimal:
    """From text or a whole number; a JSON float has lost digits already."""
    if isinstance(given, bool | float):
        raise _Unreadable
    value = Decimal(given)
    if not value.is_finite() or abs(value) >= _LARGEST:
        raise _Unreadable
    return value


def _read_instant(given: Any) -> datetime:
    value = datetime.fromisoformat(given) if isinstance(given, str) else None
    if value is None or value.tzinfo is None:
        raise _Unreadable
    return value.astimezone(UTC)


def _read_date(given: Any) -> date:
    if not isinstance(given, str):
        raise _Unreadable
    return date.fromisoformat(given)


def _read_truth(given: Any) -> bool:
    if isinstance(given, bool):
        return given
    if given in ("true", "false"):
        return bool(given == "true")
    raise _Unreadable


_READ: Mapping[str, Callable[[Any], Any]] = {
    "DECIMAL(38,9)": _read_decimal,
    "TIMESTAMPTZ": _read_instant,
    "DATE": _read_date,
    "BOOLEAN": _read_truth,
}


def _text(given: Any) -> str:
    if isinstance(given, bool):
        return "true" if given else "false"
    return given if isinstance(given, str) else str(given)
