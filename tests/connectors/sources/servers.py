"""Small real HTTP servers that speak as Odoo and ERPNext do, over rows given as data: the conformance suite feeds
them literal rows, the legacy tests recorded ones."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    "in": lambda a, b: a in b,
    "not in": lambda a, b: a not in b,
}

Answer = tuple[int, dict[str, Any] | bytes]


@contextmanager
def serving(answer: Callable[[str, str, dict[str, str], bytes], Answer]) -> Iterator[str]:
    """The URL of a server that answers (method, path, headers, body) until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _do(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            status, payload = answer(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body)
            data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = _do

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class OdooServer:
    """Models as lists of records with their field types. `fault` makes it misbehave; `calls` keeps what was asked."""

    def __init__(
        self, models: dict[str, list[dict[str, Any]]], types: dict[str, dict[str, str]], password: str
    ) -> None:
        self.models, self.types, self.password = models, types, password
        self.calls: list[tuple[str, str, list[Any], dict[str, Any]]] = []
        self.fault: Callable[[str, str], Answer | None] = lambda model, method: None

    def __call__(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        request = json.loads(body)
        params = request["params"]
        if params["service"] == "common":
            return 200, _rpc(2 if params["args"][2] == self.password else False)
        model, name, args = params["args"][3:6]
        options = params["args"][6] if len(params["args"]) > 6 else {}
        self.calls.append((model, name, args, options))
        if faulty := self.fault(model, name):
            return faulty
        if params["args"][2] != self.password:
            return 200, odoo_error("odoo.exceptions.AccessDenied", "Access Denied")
        return 200, _rpc(getattr(self, name)(model, *args, **options))

    def fields_get(self, model: str, names: list[str], attributes: list[str]) -> dict[str, Any]:
        return {n: {"type": t} for n, t in self.types[model].items() if n in names}

    def search_read(self, model: str, domain: list[Any], **options: Any) -> list[dict[str, Any]]:
        active_test = options.get("context", {}).get("active_test", True)
        found = [r for r in self.models[model] if all(_matches(r, *d) for d in domain)]
        found = sorted((r for r in found if not active_test or r.get("active", True)), key=lambda r: r["id"])
        page = found[options.get("offset", 0) :][: options.get("limit") or None]
        return [{k: r[k] for k in ["id", *(f for f in options["fields"] if f != "id")]} for r in page]


def _matches(record: dict[str, Any], field: str, operator: str, value: Any) -> bool:
    held = record[field.split(".")[0]]
    held = held[0] if isinstance(held, list) else held
    return held is not False and OPERATORS[operator](held, value) if operator != "=" else held == value


def _rpc(result: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "result": result}


def odoo_error(name: str, message: str) -> dict[str, Any]:
    """An error as Odoo sends it, with status 200."""
    error = {"code": 200, "message": "Odoo Server Error", "data": {"name": name, "message": message, "debug": "…"}}
    return {"jsonrpc": "2.0", "id": 1, "error": error}


class ErpnextServer:
    """DocTypes as lists of documents. Lists give 20 names unless asked for more; `forbidden` ones answer 403."""

    def __init__(self, doctypes: dict[str, list[dict[str, Any]]], token: str, forbidden: tuple[str, ...] = ()) -> None:
        self.doctypes, self.token, self.forbidden = doctypes, token, forbidden
        self.calls: list[str] = []
        self.documents: dict[tuple[str, str], dict[str, Any]] = {}
        self.fault: Callable[[str], Answer | None] = lambda path: None

    def __call__(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        self.calls.append(path)
        if faulty := self.fault(path):
            return faulty
        if headers.get("authorization") != f"token {self.token}":
            return 401, {"exc_type": "AuthenticationError", "exception": "frappe.exceptions.AuthenticationError"}
        parts = urlsplit(path)
        doctype, _, name = parts.path.removeprefix("/api/resource/").partition("/")
        doctype = unquote(doctype)
        if doctype in self.forbidden:
            return 403, {"exc_type": "PermissionError", "exception": "frappe.exceptions.PermissionError"}
        if name:
            name = unquote(name)
            listed = {d["name"]: d for d in self.doctypes[doctype]}
            return 200, {"data": self.documents.get((doctype, name)) or listed[name]}
        return 200, {"data": self._list(doctype, {k: v[0] for k, v in parse_qs(parts.query).items()})}

    def _list(self, doctype: str, query: dict[str, str]) -> list[dict[str, Any]]:
        fields, filters = json.loads(query.get("fields", '["name"]')), json.loads(query.get("filters", "[]"))
        found = [d for d in self.doctypes[doctype] if all(OPERATORS[op](d[f], v) for f, op, v in filters)]
        found.sort(key=lambda d: d["name"])
        start, length = int(query.get("limit_start", 0)), int(query.get("limit_page_length", 20))
        return [{f: d[f] for f in fields} for d in found[start : start + length]]
