"""docs/contract.md: the wire in words, and the streams' fields as the ODCS documents state them.
`python -m connectors.contract_doc` writes the tables anew; a test holds the page to the documents."""

from __future__ import annotations

from pathlib import Path

from connectors.contract import ContractField, Stream, streams

PAGE = Path(__file__).parent.parent / "docs" / "contract.md"
MARK = "<!-- the tables below are made by `python -m connectors.contract_doc` -->\n"


def tables() -> str:
    """All streams as Markdown."""
    return "\n".join(_table(stream) for stream in streams().values())


def _table(stream: Stream) -> str:
    promise = f"Version {stream.version}, promised within {_length(stream.sla_seconds)}."
    head = f"### {stream.name}\n\n{stream.title}. {promise}\n"
    lines = [_row(field) for field in stream.fields]
    return "\n".join([head, "| field | type | | description |", "|---|---|---|---|", *lines, ""])


def _row(field: ContractField) -> str:
    marks = ", ".join(word for word, is_so in (("key", field.is_key), ("required", field.required)) if is_so)
    return f"| `{field.name}` | {field.type} | {marks} | {field.description} |"


def _length(seconds: int) -> str:
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds % size == 0:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def rendered(page: str) -> str:
    """The page with its tables as they should be."""
    return page.split(MARK, maxsplit=1)[0] + MARK + "\n" + tables()


if __name__ == "__main__":
    PAGE.write_text(rendered(PAGE.read_text("utf-8")), "utf-8")
