"""What makes a delivered row unacceptable, as DuckDB expressions out of the contract: a fault is 'reason|field', NULL
for a sound row. The sentence a person reads is made in the same place, set-wise."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from connectors.contract import ContractField, Stream

# Fields that hold a unit code, which must be known before a quantity can be trusted.
UNIT_FIELDS = ("unit", "base_unit")
# Codes longer than this are no codes, and would not fit an index.
KEY_LENGTH, TEXT_LENGTH = 200, 10_000
# What a position's key consists of; the contract's other streams have their own.
POSITION_KEY = ("item_id", "place_id", "lot", "owner", "status", "unit")
FUTURE = ("booked_at", "occurred_at")

SENTENCES = {
    "unreadable": "The agent could not read the row: {value}",
    "missing": "Field {field} is empty; the contract requires it.",
    "invalid_value": "Field {field} says '{value}', none of the contract's values. Map it in the mapping file.",
    "invalid_pattern": "Field {field} says '{value}', which has not the form the contract requires.",
    "out_of_range": "Field {field} says {value}, which is outside the contract's limits.",
    "too_long": "Field {field} is longer than a text of its kind may be: {value}",
    "invalid_text": "Field {field} holds a character (NUL or U+001F) that no text may hold.",
    "in_future": "Field {field} says {value}, later than the read. Set the mapping's zone or the source's clock.",
    "unknown_unit": "Unit '{value}' is no UN/ECE Rec 20 code and nobody has said what it means here. Add the unit.",
    "duplicate_key": "Another row of this batch has the same key but says something else; none of them was taken.",
    "key_incomplete": "Another row of the same stock key could not be read, so the key keeps its last value.",
}


def fault_sql(stream: Stream) -> str:
    """The first fault of a row of `delivered`; the macro known_unit(code) must exist."""
    cases = "\n".join(f"when {condition} then '{fault}'" for condition, fault in _faults(stream))
    return f"case {cases} end"


def value_sql(stream: Stream) -> str:
    """The value in question, as text, out of `fault`."""
    cases = "\n".join(f"when '{f.name}' then left({_name(f)}::varchar, 200)" for f in stream.fields)
    return f"case split_part(fault, '|', 2) {cases} when '_problem' then left(_problem, 500) end"


def sentence_sql() -> str:
    """The sentence of a fault, out of `reason`, `field` and `value`."""
    cases = "\n".join(f"when '{reason}' then {_literal(said)}" for reason, said in SENTENCES.items())
    return (
        f"replace(replace(case reason {cases} end, '{{field}}', coalesce(field, '')), '{{value}}', coalesce(value, ''))"
    )


def record_sql(stream: Stream) -> str:
    """The mapped record as JSON, numbers as exact text."""
    members = ", ".join(f"'{f.name}': {clean(_name(f) + '::varchar')}" for f in stream.fields)
    return f"to_json({{{members}}})"


def clean(text: str) -> str:
    """PostgreSQL keeps no NUL character; its sign stands for it."""
    return f"replace({text}, chr(0), '␀')"


def readable_key_sql(stream: Stream) -> str:
    """True where a faulty row still says of which position it speaks."""
    if stream.name not in ("stock_positions", "stock_movements"):
        return "false"
    sound = [condition for condition, fault in _faults(stream, POSITION_KEY) if not fault.startswith("unknown_unit")]
    return "not coalesce(" + " or ".join(f"({c})" for c in sound) + ", false)"


def _faults(stream: Stream, only: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    if not only:
        yield "_problem is not null", "unreadable|_problem"
    for field in stream.fields:
        if not only or field.name in only:
            yield from _field_faults(field)


def _field_faults(field: ContractField) -> Iterator[tuple[str, str]]:
    name = _name(field)
    if field.type == "VARCHAR":
        yield from _text_faults(field)
    elif field.required:
        yield f"{name} is null", f"missing|{field.name}"
    for rule in field.quality:
        if rule.get("severity") != "warning":
            yield from _rule_faults(field, rule["arguments"])
    if field.name in UNIT_FIELDS:
        yield f"{name} is not null and {name} <> '' and not known_unit({name})", f"unknown_unit|{field.name}"
    if field.name in FUTURE:
        yield f"{name} > latest()", f"in_future|{field.name}"


def _text_faults(field: ContractField) -> Iterator[tuple[str, str]]:
    name = _name(field)
    if field.required:
        yield f"coalesce(trim({name}), '') = ''", f"missing|{field.name}"
    longest = KEY_LENGTH if field.is_key or field.name in POSITION_KEY else TEXT_LENGTH
    yield f"length({name}) > {longest}", f"too_long|{field.name}"
    yield f"contains({name}, chr(0)) or contains({name}, chr(31))", f"invalid_text|{field.name}"


def _rule_faults(field: ContractField, rule: dict[str, Any]) -> Iterator[tuple[str, str]]:
    name = _name(field)
    if "validValues" in rule:
        values = ", ".join(_literal(v) for v in rule["validValues"])
        yield f"{name} is not null and {name} not in ({values})", f"invalid_value|{field.name}"
    if "pattern" in rule:
        yield f"not regexp_matches({name}, {_literal(rule['pattern'])})", f"invalid_pattern|{field.name}"
    if "minimum" in rule:
        operator = "<=" if rule.get("exclusive") else "<"
        yield f"{name} {operator} {rule['minimum']}", f"out_of_range|{field.name}"


def _name(field: ContractField) -> str:
    return f'"{field.name}"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
