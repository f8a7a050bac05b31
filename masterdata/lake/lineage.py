"""Which model reads which, as the dbt project's own files say: its refs and sources, those within macros included."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

PROJECT = Path(__file__).parents[2] / "dbt_project"
LAYERS = ("source", "staging", "intermediate", "marts")
_READ = re.compile(r"(?:ref|source)\(\s*'(\w+)'\s*(?:,\s*'(\w+)'\s*)?\)")
_MACRO = re.compile(r"{%-?\s*macro\s+(\w+)\(.*?endmacro", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Model:
    """A model, or a source where nothing is read; `layer` is one of LAYERS."""

    name: str
    layer: str
    reads: tuple[str, ...]


@cache
def lineage() -> tuple[Model, ...]:
    """Sources and models, layer by layer."""
    macros = _macros()
    folder = PROJECT / "models"
    made = [
        Model(path.stem, path.relative_to(folder).parts[0], _reads(path.read_text("utf-8"), macros))
        for path in sorted(folder.rglob("*.sql"))
    ]
    known = {model.name for model in made}
    sources = sorted({name for model in made for name in model.reads} - known)
    every = [Model(name, "source", ()) for name in sources] + made
    return tuple(sorted(every, key=lambda model: (LAYERS.index(model.layer), model.name)))


def _macros() -> dict[str, str]:
    texts = (path.read_text("utf-8") for path in sorted((PROJECT / "macros").glob("*.sql")))
    return {found.group(1): found.group(0) for text in texts for found in _MACRO.finditer(text)}


def _reads(text: str, macros: dict[str, str]) -> tuple[str, ...]:
    """What a text reads by itself and through the macros it calls."""
    pending, seen, found = [text], set[str](), set[str]()
    while pending:
        said = pending.pop()
        found |= {".".join(filter(None, match.groups())) for match in _READ.finditer(said)}
        called = {name for name in re.findall(r"\b(\w+)\(", said) if name in macros} - seen
        seen |= called
        pending += [macros[name] for name in called]
    return tuple(sorted(found))
