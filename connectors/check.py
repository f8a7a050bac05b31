"""`hub-agent check`: read the first rows of every stream, map them, hold them against the contract; send nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice
from typing import Any

import pyarrow as pa

from connectors.contract import ContractField, Stream, streams
from connectors.mapping import Mapping
from connectors.sources.base import Page, Skipped, Source
from connectors.tables import raw_json, to_arrow
from connectors.transform import Transform

ROWS = 1_000


@dataclass(frozen=True)
class Violation:
    """Something the hub would quarantine: how many of the rows read, and one of them."""

    line: int
    message: str
    rows: int
    example: str


@dataclass
class Finding:
    """What a stream looks like: pairs of raw and mapped rows, and what is wrong with them."""

    stream: str
    rows: int = 0
    pairs: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    violations: list[Violation] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def check_stream(mapping: Mapping, source: Source, stream: str, show: int = 3) -> Finding:
    """Map up to ROWS rows. Raises what the source raises, and DocumentError."""
    spec, finding = mapping.spec.streams[stream], Finding(stream)
    with Transform(mapping, stream) as transform:
        page = _first_rows(source.read(mapping.spec.tables[spec.driving], None))
        finding.notes.extend(_clock(page))
        finding.violations.extend(_unreadable(mapping, stream, page.skipped))
        if not page.rows:
            finding.notes.append("the source gave no rows")
            return finding
        for name in mapping.lookups(stream):
            pages = source.read(mapping.spec.tables[name], None)
            transform.lookup(name, [to_arrow(p.columns, p.rows) for p in pages])
        tables = [t for _, t in transform.page(to_arrow(page.columns, page.rows))]
    mapped = pa.concat_tables(tables) if tables else transform.schema.empty_table()
    rows = mapped.to_pylist()
    finding.rows = len(rows)
    finding.pairs = [
        (r["_raw"], {k: v for k, v in r.items() if not k.startswith("_") and v is not None}) for r in rows[:show]
    ]
    finding.violations += [*_problems(mapping, stream, rows), *_broken_rules(mapping, streams()[stream], rows)]
    return finding


def _first_rows(pages: Iterator[Page]) -> Page:
    skipped: list[Skipped] = []
    for page in pages:
        skipped.extend(page.skipped)
        if page.rows:
            return Page(page.columns, list(islice(page.rows, ROWS)), page.observed_at, skipped)
    return Page((), (), None, skipped)


def _unreadable(mapping: Mapping, stream: str, skipped: Sequence[Skipped]) -> Iterator[Violation]:
    """What the source itself could not read, one entry per reason."""
    found: dict[str, list[Skipped]] = {}
    for record in skipped:
        found.setdefault(record.reason, []).append(record)
    for reason, records in found.items():
        first = records[0]
        yield Violation(mapping.line(stream), f"{first.where}: {reason}", len(records), raw_json(dict(first.raw)))


def _clock(page: Page) -> list[str]:
    if page.observed_at is None:
        return ["the source tells no time: the start of the agent's read stands for it"] if page.rows else []
    skew = abs((datetime.now(UTC) - page.observed_at).total_seconds())
    return [f"the source's clock differs from this machine's by {skew:,.0f} s"] if 60 < skew < 86_400 else []


def _problems(mapping: Mapping, stream: str, rows: list[dict[str, Any]]) -> Iterator[Violation]:
    """What the transform could not read, one entry per mapping line."""
    found: dict[tuple[int, str], list[str]] = {}
    for row in rows:
        for problem in (row["_problem"] or "").split("; ") if row["_problem"] else ():
            at = re.search(r", line (\d+)\)", problem)
            key = (int(at[1]) if at else mapping.line(stream), problem.split(" (")[0])
            found.setdefault(key, []).append(row["_raw"])
    for (line, message), raws in found.items():
        yield Violation(line, message, len(raws), raws[0])


def _broken_rules(mapping: Mapping, contract: Stream, rows: list[dict[str, Any]]) -> Iterator[Violation]:
    for rule in contract.fields:
        bad = [(words, row) for row in rows if not row["_problem"] and (words := broken(rule, row[rule.name]))]
        if bad:
            yield Violation(
                mapping.line(contract.name, "fields", rule.name),
                f"{rule.name} {bad[0][0]}",
                len(bad),
                bad[0][1]["_raw"],
            )


def broken(field: ContractField, value: Any) -> str | None:
    """What the contract has against a value, in words; None if nothing."""
    if value is None:
        return "is empty, and the contract requires it" if field.required else None
    for rule in field.quality:
        arguments = rule.get("arguments", {})
        if "validValues" in arguments and value not in arguments["validValues"]:
            return f"is '{value}', not one of {', '.join(arguments['validValues'])}"
        if "pattern" in arguments and not re.search(arguments["pattern"], str(value)):
            return f"is '{value}', which does not look as it must ({arguments['pattern']})"
        if "minimum" in arguments and (
            value < Decimal(arguments["minimum"])
            or (arguments.get("exclusive") and value == Decimal(arguments["minimum"]))
        ):
            return f"is {value}, and must be above {arguments['minimum']}"
    return None
