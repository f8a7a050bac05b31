"""Requests made from the OpenAPI document: each operation with values out of every tenant's ids and words."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from hypothesis import strategies as st

from identity.principal import Principal
from tests.isolation.world import World


@dataclass(frozen=True)
class Case:
    caller: Principal
    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    body: str | None

    @property
    def sent(self) -> list[str]:
        """What an answer may repeat."""
        words = [*re.findall(r"[\w@.-]{3,}", self.path + (self.body or "")), *(v for _, v in self.query)]
        return sorted({w for v in words for w in (v, quote(v), json.dumps(v)[1:-1])}, key=len, reverse=True)


def cases(world: World, document: dict[str, Any]) -> st.SearchStrategy[Case]:
    callers = st.sampled_from([c for t in world.tenants for c in t.callers])
    every = [st.builds(Case, callers, *operation(world, document, *o)) for o in operations(document)]
    return st.one_of(every)


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Those that ask who is calling."""
    for path, methods in document["paths"].items():
        for method, described in methods.items():
            if described.get("security"):
                yield method.upper(), path, described


def plain_reads(world: World, document: dict[str, Any]) -> Iterator[Case]:
    """Every GET that needs no value, asked by everybody."""
    for method, path, described in operations(document):
        needed = [p for p in described.get("parameters", []) if p.get("required")]
        if method == "GET" and not needed:
            yield from (Case(c, method, path, (), None) for t in world.tenants for c in t.callers)


def operation(world: World, document: dict[str, Any], method: str, path: str, described: dict[str, Any]) -> list[Any]:
    parameters = described.get("parameters", [])
    made = {p["name"]: value(world, document, p["name"], p["schema"]).map(plain) for p in parameters}
    inner = {p["name"]: made[p["name"]] for p in parameters if p["in"] == "path"}
    asked = {p["name"]: p.get("required") for p in parameters if p["in"] == "query"}
    filled = st.fixed_dictionaries(inner).map(lambda v: path.format(**{k: quote(x, safe="") for k, x in v.items()}))
    query = st.fixed_dictionaries(
        {n: made[n] for n, is_required in asked.items() if is_required},
        optional={n: made[n] for n, is_required in asked.items() if not is_required},
    ).map(lambda v: tuple(v.items()))
    content = described.get("requestBody", {}).get("content", {}).get("application/json")
    body = value(world, document, "", content["schema"]).map(json.dumps) if content else st.none()
    return [st.just(method), filled, query, body]


def value(world: World, document: dict[str, Any], name: str, schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """A value of the schema, from the pool of its name where there is one."""
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    if pool := world.pools.get(name.removesuffix("s") if name.endswith("_ids") else name):
        chosen = st.sampled_from(pool)
        return st.lists(chosen, min_size=1, max_size=2) if schema.get("type") == "array" else chosen
    if "enum" in schema or "const" in schema:
        return st.sampled_from(schema.get("enum", [schema.get("const")]))
    if options := schema.get("anyOf") or schema.get("oneOf"):
        return st.one_of([value(world, document, name, o) for o in options])
    if schema.get("type") == "object":
        return _object(world, document, schema)
    if schema.get("type") == "array":
        return st.lists(value(world, document, name, schema["items"]), min_size=schema.get("minItems", 0), max_size=2)
    return SIMPLE.get((schema.get("type"), schema.get("format")), SIMPLE.get((schema.get("type"), None), st.just("a")))


def _object(world: World, document: dict[str, Any], schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    known = {n: value(world, document, n, s) for n, s in schema.get("properties", {}).items()}
    required = set(schema.get("required", ()))
    optional = {n: v for n, v in known.items() if n not in required}
    return st.fixed_dictionaries({n: v for n, v in known.items() if n in required}, optional=optional)


SIMPLE: dict[tuple[Any, Any], st.SearchStrategy[Any]] = {
    ("string", None): st.sampled_from(["a", "planner", "轴承", "C62"]),
    ("string", "uuid"): st.uuids().map(str),
    ("string", "date-time"): st.just("2026-11-20T00:00:00Z"),
    ("string", "date"): st.just("2026-11-20"),
    ("integer", None): st.integers(0, 30),
    ("number", None): st.integers(0, 30),
    ("boolean", None): st.booleans(),
    ("null", None): st.none(),
}


def plain(given: Any) -> str:
    return str(given[0]) if isinstance(given, list) and given else str(given)
