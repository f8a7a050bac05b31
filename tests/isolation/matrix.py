"""Every operation as one request that names what is organisation A's, and everyone who asks it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts

from hub.columns import new_id
from identity.principal import authenticate
from tests.isolation.cases import SIMPLE
from tests.isolation.world import GTIN, T0, Tenant

# What the schema alone does not make a right request of, by the schema's name.
BODIES: dict[str, dict[str, Any]] = {
    "EventsIn": {"coverage": "all", "lines": [{"item_id": "x", "place_id": "W1", "unit": "C62", "quantity": "1"}]},
    "BatchHeader": {"stream": "stock_positions", "sync": "full", "coverage": "all", "sha256": "0" * 64, "size": 9},
    "LimitsPatch": {"limits": {}},
    "UnitIn": {"code": "x", "unit": "C62"},
    "DomainIn": {"domain": "new.example"},
    "ProviderIn": {"issuer": "https://new.example"},
    "ClientIn": {"redirect_uris": ["https://app.example/cb"]},
    "AssignmentIn": {"roles": ["planner"]},
    "RateIn": {"currency": "EUR", "rate": "7.7"},
    "ReportIn": {"as_of": "2026-11-01T08:00:00Z"},
    "Jwk": {"x": "A" * 43},
}


@dataclass(frozen=True)
class Ask:
    """`names` are its path's parameters; `scopes` None: nobody need sign in."""

    method: str
    path: str
    names: tuple[str, ...]
    scopes: frozenset[str] | None
    target: str
    query: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None
    form: bool = False

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"


class Filler:
    """Values of A for every parameter and body."""

    def __init__(self, document: dict[str, Any], known: dict[str, str]) -> None:
        self.document, self.known = document, known
        # By the path, where a name means another thing than elsewhere.
        self.known_at: dict[str, dict[str, str]] = {}

    def asks(self) -> Iterator[Ask]:
        for path, methods in self.document["paths"].items():
            for method, described in methods.items():
                yield self.ask(method.upper(), path, described)

    def ask(self, method: str, path: str, described: dict[str, Any]) -> Ask:
        everywhere, self.known = self.known, self.known | self.known_at.get(path, {})
        try:
            return self._ask(method, path, described)
        finally:
            self.known = everywhere

    def _ask(self, method: str, path: str, described: dict[str, Any]) -> Ask:
        given = described.get("parameters", [])
        names = tuple(p["name"] for p in given if p["in"] == "path")
        values = {p["name"]: str(self.value(p["name"], p["schema"])) for p in given}
        query = {p["name"]: values[p["name"]] for p in given if p["in"] == "query" and self.is_asked(p)}
        headers = {p["name"]: values[p["name"]] for p in given if p["in"] == "header" and p.get("required")}
        content = described.get("requestBody", {}).get("content", {}).get("application/json")
        body = self.value("", content["schema"]) if content else None
        security = described.get("security")
        scopes = frozenset(security[0]["APIKeyCookie"]) if security else None
        return Ask(method, path, names, scopes, path.format(**values), query, headers, body)

    def is_asked(self, parameter: dict[str, Any]) -> bool:
        return bool(parameter.get("required")) or parameter["name"] in self.known

    def value(self, name: str, schema: dict[str, Any]) -> Any:
        if "$ref" in schema:
            of = schema["$ref"].rsplit("/", 1)[1]
            return self.value(name, self.document["components"]["schemas"][of] | {"title": of})
        known = self.known.get(name.removesuffix("s") if name.endswith("_ids") else name)
        if known is not None:
            return [known] if schema.get("type") == "array" else known
        if options := schema.get("anyOf") or schema.get("oneOf"):
            return self.value(name, next(o for o in options if o.get("type") != "null"))
        if schema.get("type") == "array":
            return [self.value(name, schema["items"])] if schema.get("minItems") else []
        return self.object(schema) if "properties" in schema else plain(schema)

    def object(self, schema: dict[str, Any]) -> dict[str, Any]:
        wanted = {*schema.get("required", ()), *(n for n in schema["properties"] if n in self.known)}
        made = {name: self.value(name, schema["properties"][name]) for name in sorted(wanted)}
        return made | BODIES.get(schema.get("title", ""), {})


def plain(schema: dict[str, Any]) -> Any:
    if options := schema.get("enum") or ("const" in schema and [schema["const"]]):
        return options[0]
    kind = schema.get("type"), schema.get("format")
    if kind == ("string", "uuid"):
        return str(new_id())
    if kind[0] == "object":
        return {}
    if kind[0] in ("integer", "number"):
        return max(1, schema.get("minimum", 1))
    if kind == ("string", None):
        return "a" * max(1, schema.get("minLength", 1))
    return {"boolean": False}.get(str(kind[0]), "2026-11-20T00:00:00Z" if kind in SIMPLE else "a")


def pages(app: FastAPI, known: dict[str, str]) -> Iterator[Ask]:
    """Pages and their forms that name a thing; whoever asks must sign in."""
    for route in iter_route_contexts(app.router.routes):
        original = route.original_route
        if not isinstance(original, APIRoute) or route.include_in_schema or "{" not in str(route.path):
            continue
        names = tuple(p.name for p in original.dependant.path_params)
        if set(names) <= set(known) and uses(original.dependant):
            for method in sorted(route.methods or ()):
                target = str(route.path).replace("{organisation}", "{organisation_id}").format(**known)
                yield Ask(method, str(route.path), names, frozenset(), target, form=method == "POST")


def uses(dependant: Any) -> bool:
    """Whether it stands on authenticate."""
    return dependant.call is authenticate or any(uses(one) for one in dependant.dependencies)


def known_of(a: Tenant, **more: str) -> dict[str, str]:
    """What of A each parameter may name."""
    return a.things | {
        "organisation_id": str(a.id),
        "parent_id": str(a.id),
        "organisation": a.key,
        "person_id": str(a.person_id),
        "agent_id": str(a.agent_id),
        "system": a.system,
        "key": a.system,
        "coverage": "all",
        "email": f"{a.token}@mail.example",
        "item_id": f"{a.token}-item",
        "report_id": str(a.report_id),
        "row_no": "0",
        "form": "csv",
        "text": f"{a.token}-item",
        "q": GTIN,
        "observed_at": T0.isoformat(),
        "Upload-Offset": "0",
    } | more  # fmt: skip


@dataclass(frozen=True)
class Caller:
    """`scopes` are all that its kind may hold; `organisation` is None for who is nobody."""

    name: str
    headers: dict[str, str]
    organisation: UUID | None = None
    scopes: frozenset[str] = frozenset()
