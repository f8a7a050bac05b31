"""YAML with line numbers: a file as plain values, the line of every value in it, `${name:-default}` replaced."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml
from pydantic import ValidationError

Path = tuple[str | int, ...]

_PARAMETER = re.compile(r"\$\{([A-Za-z_][\w.]*)(?::-([^}]*))?\}")


class DocumentError(Exception):
    """A file that cannot be used: which one, at which line, why."""

    def __init__(self, name: str, line: int, message: str) -> None:
        super().__init__(f"{name}, line {line}: {message}")
        self.name, self.line, self.message = name, line, message


@dataclass(frozen=True)
class Document:
    """Values of a YAML file; `lines` gives the line of each path (keys and list positions)."""

    name: str
    values: dict[str, Any]
    lines: dict[Path, int] = field(default_factory=dict)

    def line(self, path: Path) -> int:
        """Line of the value at `path`, else of the nearest value around it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def error(self, path: Path, message: str) -> DocumentError:
        return DocumentError(self.name, self.line(path), message)

    def invalid(self, error: ValidationError) -> DocumentError:
        """The first complaint of a model about these values, at its line."""
        first = error.errors()[0]
        path = tuple(first["loc"])
        return self.error(path, f"{'.'.join(map(str, path))}: {first['msg']}")


def parse(name: str, text: str) -> Document:
    """Read one YAML document whose top is a mapping. Keys are taken as text, whatever YAML makes of them."""
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise DocumentError(name, mark.line + 1 if mark else 1, f"not YAML: {error.problem}") from None
    if not isinstance(node, yaml.MappingNode):
        raise DocumentError(name, 1, "expected keys and values at the top of the file")
    lines: dict[Path, int] = {}
    values = _build(loader, node, (), lines)
    return Document(name, values, lines)


def _build(loader: yaml.SafeLoader, node: yaml.Node, path: Path, lines: dict[Path, int]) -> Any:
    lines[path] = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        loader.flatten_mapping(node)
        values = {k.value: _build(loader, v, (*path, k.value), lines) for k, v in node.value}
        lines |= {(*path, k.value): k.start_mark.line + 1 for k, _ in node.value}
        return values
    if isinstance(node, yaml.SequenceNode):
        return [_build(loader, item, (*path, i), lines) for i, item in enumerate(node.value)]
    return loader.construct_object(node)


def substitute(document: Document, parameters: Mapping[str, Any], skip: str = "parameters") -> Document:
    """Replace `${name}` and `${name:-default}` in every text value, except below the key `skip`."""

    def walk(value: Any, path: Path) -> Any:
        if isinstance(value, dict):
            return {k: walk(v, (*path, k)) for k, v in value.items()}
        if isinstance(value, list):
            return [walk(v, (*path, i)) for i, v in enumerate(value)]
        if isinstance(value, str):
            return _PARAMETER.sub(lambda found: _parameter(document, path, found, parameters), value)
        return value

    values = {k: v if k == skip else walk(v, (k,)) for k, v in document.values.items()}
    return Document(document.name, values, document.lines)


def _parameter(document: Document, path: Path, found: re.Match[str], parameters: Mapping[str, Any]) -> str:
    name, default = found.groups()
    if name in parameters:
        return str(parameters[name])
    if default is None:
        raise document.error(path, f"parameter '{name}' has no value; give it under `parameters` of the system")
    return default
