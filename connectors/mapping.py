"""The mapping file (docs/mapping.md) as models: what to read, and how common records come out of it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping as MappingType
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from connectors.contract import Counts, streams
from connectors.document import Document, DocumentError, parse, substitute
from connectors.schedule import Schedule, schedule, seconds

_FROM = re.compile(r"\s*(\w+)(?:\s+(?:as\s+)?(\w+))?", re.IGNORECASE)
_JOIN = re.compile(
    r"left|right|inner|outer|full|cross|natural|semi|anti|asof|positional|join|lateral|using|on", re.IGNORECASE
)


def _sql(value: object) -> str:
    return "NULL" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError):
        raise ValueError(f"'{value}' is not a time zone; write for example Asia/Shanghai or UTC") from None
    return value


def _seconds(value: object) -> int | None:
    return None if value is None else int(seconds(str(value)))


def _margin(value: object) -> float | None:
    """A length of time, or a number: of seconds or, for a cursor of numbers, of those."""
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool) and value >= 0):
        return value
    return 0.0 if str(value).strip() == "0" else seconds(str(value))


# Sources whose cursor the agent itself gives: nothing comes into them behind it.
_OWN_CURSOR = ("files", "push")

Sql = Annotated[str, BeforeValidator(_sql)]
When = Annotated[Schedule, BeforeValidator(schedule)]


class StreamSpec(BaseModel):
    """How one common record is derived; field names are the contract's, expressions are SQL."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    every: When = Schedule(seconds=300)
    full: When | None = None
    sla: Annotated[int | None, BeforeValidator(_seconds)] = None
    margin: Annotated[float | None, BeforeValidator(_margin)] = None
    counts: Counts = "balance"
    organisation: Sql | None = None
    coverage: Sql = "'all'"
    from_: str = Field(alias="from")
    where: Sql | None = None
    fields: dict[str, Sql]

    @property
    def driving(self) -> str:
        """Name of the driving table: the first one in `from`."""
        found = _FROM.match(self.from_)
        return found[1] if found else ""

    @property
    def alias(self) -> str:
        """The name under which `from` knows the driving table."""
        found = _FROM.match(self.from_)
        if not found:
            return ""
        return found[2] if found[2] and not _JOIN.fullmatch(found[2]) else found[1]

    @property
    def sql_text(self) -> str:
        return " ".join(
            [f"from {self.from_}", self.where or "", self.organisation or "", self.coverage, *self.fields.values()]
        )


class MappingSpec(BaseModel):
    """A whole mapping file, parameters replaced."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str
    zone: Annotated[str, AfterValidator(_zone)] = "UTC"
    parameters: dict[str, Any] = {}
    units: dict[str, str] = {}
    status: dict[str, str] = {}
    tables: dict[str, dict[str, Any]]
    streams: dict[str, StreamSpec]


@dataclass(frozen=True)
class Mapping:
    """A checked mapping for one system, with its file's lines for error messages."""

    name: str
    sha256: str
    organisation: str
    spec: MappingSpec
    document: Document

    def line(self, stream: str, *path: str) -> int:
        return self.document.line(("streams", stream, *path))

    def lookups(self, stream: str) -> list[str]:
        """Tables a stream needs beside its driving one."""
        spec = self.spec.streams[stream]
        named = re.findall(r"(?:\bfrom|\bjoin|,)\s+\(?\s*(\w+)", spec.sql_text, re.IGNORECASE)
        return [t for t in self.spec.tables if t != spec.driving and t in named]

    def cursor(self, stream: str) -> str | None:
        """Column of the driving table that only grows, if it has one."""
        column = self.spec.tables[self.spec.streams[stream].driving].get("cursor")
        return str(column) if column else None

    def margin(self, stream: str) -> float | None:
        """How far behind its cursor an incremental read begins; None for the usual (`connectors.cursor`)."""
        return 0.0 if self.spec.source in _OWN_CURSOR else self.spec.streams[stream].margin

    def full(self, stream: str) -> Schedule:
        """When all of the stream is read and compared."""
        spec = self.spec.streams[stream]
        if spec.full is not None:
            return spec.full
        if self.spec.source == "push":
            return Schedule()
        return Schedule(seconds=86_400) if self.cursor(stream) else spec.every


def load(name: str, parameters: MappingType[str, Any], folder: Path | None = None) -> Mapping:
    """Load a mapping that ships with the package by its name, else a file (relative to `folder`).
    `parameters` holds the system's own, with `system` and `organisation`. Raises DocumentError."""
    shipped = files("connectors") / "mappings" / f"{name}.yaml"
    if re.fullmatch(r"[\w-]+", name) and shipped.is_file():
        return loads(name, shipped.read_text("utf-8"), parameters)
    path = (folder or Path()) / name
    if not path.is_file():
        raise DocumentError(name, 1, f"no mapping of this name ships with the agent, and there is no file {path}")
    return loads(path.name, path.read_text("utf-8"), parameters)


def loads(name: str, text: str, parameters: MappingType[str, Any]) -> Mapping:
    """A mapping out of its text."""
    document = parse(name, text)
    own = document.values.get("parameters") or {}
    document = substitute(document, {**own, **parameters})
    try:
        spec = MappingSpec.model_validate(document.values)
    except ValidationError as error:
        raise document.invalid(error) from None
    for stream in spec.streams:
        _check(document, spec, stream)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return Mapping(name, digest, str(parameters.get("organisation", "")), spec, document)


def _check(document: Document, spec: MappingSpec, name: str) -> None:
    contract = streams().get(name)
    path = ("streams", name)
    if contract is None:
        raise document.error(path, f"there is no stream '{name}'; streams are {', '.join(streams())}")
    stream = spec.streams[name]
    if stream.driving not in spec.tables:
        raise document.error((*path, "from"), f"'{stream.driving}' is not one of the tables {', '.join(spec.tables)}")
    known = {f.name for f in contract.fields}
    for field in stream.fields:
        if field not in known:
            raise document.error(
                (*path, "fields", field), f"{name} has no field '{field}'; it has {', '.join(sorted(known))}"
            )
    missing = [f.name for f in contract.fields if f.required and f.name not in stream.fields]
    if missing:
        raise document.error((*path, "fields"), f"{name} needs an expression for {', '.join(missing)}")
