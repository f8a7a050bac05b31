"""The OpenAPI document, tidied: one problem schema for every error instead of FastAPI's own per operation."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from hub.problems import MEDIA_TYPE, FieldError, Problem

OWN_SCHEMAS = ("HTTPValidationError", "ValidationError")
METHODS = ("get", "put", "post", "delete", "patch", "head", "options")


def describe(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        made = get_openapi(title=app.title, version=app.version, summary=app.summary, routes=app.routes)
        app.openapi_schema = tidy(made)
    return app.openapi_schema


def tidy(document: dict[str, Any]) -> dict[str, Any]:
    """Every operation answers errors as Problem; nothing refers to FastAPI's validation schema any more."""
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for name in OWN_SCHEMAS:
        schemas.pop(name, None)
    template = "#/components/schemas/{model}"
    schemas["Problem"] = Problem.model_json_schema(ref_template=template)
    schemas["Problem"].pop("$defs", None)
    schemas["FieldError"] = FieldError.model_json_schema(ref_template=template)
    components["responses"] = {
        "Problem": {
            "description": "What happened and what to do (RFC 9457)",
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
    }
    for schema in schemas.values():
        _loosen_tuples(schema)
    for path in document.get("paths", {}).values():
        for method in METHODS:
            if method in path:
                _tidy_operation(path[method])
    return document


def _tidy_operation(operation: dict[str, Any]) -> None:
    responses = operation.setdefault("responses", {})
    if "HTTPValidationError" in str(responses.get("422", "")):
        del responses["422"]
    for status in ("4XX", "5XX"):
        responses.setdefault(status, {"$ref": "#/components/responses/Problem"})


def _loosen_tuples(schema: Any) -> None:
    """`prefixItems`, which many generators cannot read, as items of any of its kinds; the length stays fixed."""
    if isinstance(schema, list):
        for part in schema:
            _loosen_tuples(part)
    elif isinstance(schema, dict):
        if kinds := schema.pop("prefixItems", None):
            schema["items"] = {"anyOf": kinds}
        for part in schema.values():
            _loosen_tuples(part)
