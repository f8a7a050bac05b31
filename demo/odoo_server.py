"""An Odoo-like JSON-RPC server over its own database, quirks included: errors come as HTTP 200, empty values as
false, names in the user's language, archived records hidden by default, instants in naive UTC, and no `result` for a
method that returns nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from psycopg import sql
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from demo.rows import Tables, UnknownField, plain

DATABASE, USER, PASSWORD, UID = "foghaven", "hub", "hub-secret", 2
_MODELS = {
    "product_id": "product.product",
    "location_id": "stock.location",
    "location_dest_id": "stock.location",
    "uom_id": "uom.uom",
    "uom_po_id": "uom.uom",
    "product_uom": "uom.uom",
    "product_uom_id": "uom.uom",
    "categ_id": "product.category",
    "lot_id": "stock.lot",
    "owner_id": "res.partner",
    "partner_id": "res.partner",
    "company_id": "res.company",
    "currency_id": "res.currency",
    "order_id": "purchase.order",
    "move_id": "stock.move",
    "purchase_line_id": "purchase.order.line",
    "package_id": "stock.quant.package",
    "result_package_id": "stock.quant.package",
}
_TYPES = {
    "integer": "integer",
    "numeric": "float",
    "boolean": "boolean",
    "timestamp without time zone": "datetime",
    "jsonb": "char",
    "character varying": "char",
}
_DISPLAY = {
    "stock.location": "complete_name",
    "product.category": "complete_name",
    "stock.move": "reference",
    "purchase.order.line": "id::text",
    "product.product": "coalesce('[' || default_code || '] ', '') || coalesce(name->>{lang}, name->>'en_US')",
}


class Fault(Exception):
    """What Odoo reports inside a 200: the class of its exception and a text in the user's language."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


class OdooServer:
    """`app` is the ASGI application; it answers `/jsonrpc` and `/web/webclient/version_info`."""

    def __init__(self, dsn: str) -> None:
        self.tables = Tables(dsn)
        self.app = Starlette(
            routes=[
                Route("/jsonrpc", self._rpc, methods=["POST"]),
                Route("/web/webclient/version_info", self._version, methods=["GET", "POST"]),
            ]
        )
        self._methods: dict[str, Callable[..., Any]] = {
            "search_read": self._search_read,
            "search": self._search,
            "read": self._read,
            "search_count": self._count,
            "fields_get": self._fields_get,
        }

    async def _version(self, _: Request) -> JSONResponse:
        info = {
            "server_version": "17.0",
            "server_version_info": [17, 0, 0, "final", 0, ""],
            "server_serie": "17.0",
            "protocol_version": 1,
        }
        return JSONResponse({"jsonrpc": "2.0", "id": None, "result": info})

    async def _rpc(self, request: Request) -> JSONResponse:
        body = await request.json()
        answer: dict[str, Any] = {"jsonrpc": "2.0", "id": body.get("id")}
        try:
            result = await run_in_threadpool(self._dispatch, body["params"])
            if result is not None:
                answer["result"] = result
        except Fault as fault:
            data = {"name": fault.name, "message": str(fault), "arguments": [str(fault)], "context": {}, "debug": ""}
            answer["error"] = {"code": 200, "message": "Odoo Server Error", "data": data}
        return JSONResponse(answer)

    def _dispatch(self, params: dict[str, Any]) -> Any:
        service, method, args = params["service"], params["method"], params["args"]
        if (service, method) == ("common", "version"):
            return {"server_version": "17.0", "protocol_version": 1}
        if service == "common" and method in {"login", "authenticate"}:
            self._check_database(args[0])
            return UID if tuple(args[1:3]) == (USER, PASSWORD) else False
        if (service, method) == ("object", "execute_kw"):
            return self._execute(args)
        raise Fault("builtins.KeyError", f"{service}.{method}")

    def _check_database(self, name: str) -> None:
        if name != DATABASE:
            raise Fault("psycopg2.OperationalError", f'FATAL:  database "{name}" does not exist')

    def _execute(self, args: Sequence[Any]) -> Any:
        database, uid, password, model, method, *rest = args
        self._check_database(database)
        if (uid, password) != (UID, PASSWORD):
            raise Fault("odoo.exceptions.AccessDenied", "访问被拒绝")
        if model.replace(".", "_") not in self.tables.columns or model == "res.users":
            text = f"您不被允许访问“{model}”({model})记录。\n\n没有群组目前允许此操作。"
            raise Fault("odoo.exceptions.AccessError", text)
        if method == "flush_model":
            return None
        if method not in self._methods:
            raise Fault("builtins.AttributeError", f"type object '{model}' has no attribute '{method}'")
        positional = rest[0] if rest else []
        try:
            return self._methods[method](model, *positional, **(rest[1] if len(rest) > 1 else {}))
        except UnknownField as field:
            raise Fault("builtins.ValueError", f"Invalid field '{field}' on model '{model}'") from None

    def _fields_get(self, model: str, allfields: Sequence[str] = (), **_: Any) -> dict[str, Any]:
        columns = self.tables.columns[model.replace(".", "_")]
        return {
            name: {"type": self._type(name, kind)}
            for name, kind in columns.items()
            if not allfields or name in allfields
        }

    def _type(self, name: str, kind: str) -> str:
        return "many2one" if name in _MODELS else _TYPES[kind]

    def _search_read(
        self, model: str, domain: Sequence[Any] = (), fields: Sequence[str] = (), **options: Any
    ) -> list[dict[str, Any]]:
        table = model.replace(".", "_")
        names = list(dict.fromkeys(["id", *(fields or self.tables.columns[table])]))
        lang = str(options.get("context", {}).get("lang", "zh_CN"))
        shown = sql.SQL(", ").join(self._shown(table, name, lang) for name in names)
        rest, params = self._where(model, domain, options)
        rows = self.tables.query(
            sql.SQL("select {} from {} r where {}").format(shown, sql.Identifier(table), rest), params
        )
        return [dict(zip(names, (False if v is None else plain(v) for v in row), strict=True)) for row in rows]

    def _search(self, model: str, domain: Sequence[Any] = (), **options: Any) -> list[int]:
        return [row["id"] for row in self._search_read(model, domain, ["id"], **options)]

    def _read(self, model: str, ids: Sequence[int], fields: Sequence[str] = (), **options: Any) -> list[dict[str, Any]]:
        context = {**options.get("context", {}), "active_test": False}
        return self._search_read(model, [["id", "in", list(ids)]], fields, context=context)

    def _count(self, model: str, domain: Sequence[Any] = (), **options: Any) -> int:
        return len(self._search(model, domain, context=options.get("context", {})))

    def _shown(self, table: str, name: str, lang: str) -> sql.Composable:
        column = sql.SQL("r.{}").format(self.tables.column(table, name))
        model = _MODELS.get(name)
        if model and model.replace(".", "_") in self.tables.columns:
            display = sql.SQL(_DISPLAY.get(model, "name")).format(lang=sql.Literal(lang))
            inner = sql.SQL("select jsonb_build_array(id, {}) from {} where id = {}").format(
                display, sql.Identifier(model.replace(".", "_")), column
            )
            return sql.SQL("({})").format(inner)
        if self.tables.columns[table][name] == "jsonb":
            return sql.SQL("coalesce({c}->>{lang}, {c}->>'en_US')").format(c=column, lang=sql.Literal(lang))
        return column

    def _where(self, model: str, domain: Sequence[Any], options: dict[str, Any]) -> tuple[sql.Composable, list[Any]]:
        table = model.replace(".", "_")
        tested = options.get("context", {}).get("active_test", True) and "active" in self.tables.columns[table]
        condition, params = self._domain(table, [*domain, ["active", "=", True]] if tested else list(domain))
        order = [part.split() for part in str(options.get("order") or "id").split(",")]
        sorting = sql.SQL(", ").join(
            sql.SQL("r.{} {}").format(
                self.tables.column(table, words[0]), sql.SQL("desc" if words[-1].lower() == "desc" else "asc")
            )
            for words in order
        )
        limit = sql.Literal(int(options["limit"])) if options.get("limit") else sql.SQL("all")
        tail = sql.SQL("{} order by {} limit {} offset {}").format(
            condition, sorting, limit, sql.Literal(int(options.get("offset") or 0))
        )
        return tail, params

    def _domain(self, table: str, domain: list[Any]) -> tuple[sql.Composable, list[Any]]:
        """Polish notation; neighbours without an operator are joined by and."""
        stack: list[tuple[sql.Composable, list[Any]]] = []
        for term in reversed(domain):
            if term == "!":
                inner, params = stack.pop()
                stack.append((sql.SQL("not ({})").format(inner), params))
            elif term in ("&", "|"):
                (a, x), (b, y) = stack.pop(), stack.pop()
                stack.append((sql.SQL("({} and {})" if term == "&" else "({} or {})").format(a, b), x + y))
            else:
                stack.append(self._leaf(table, *term))
        parts = list(reversed(stack)) or [(sql.SQL("true"), [])]
        return sql.SQL(" and ").join(p[0] for p in parts), [v for p in parts for v in p[1]]

    def _leaf(self, table: str, path: str, operator: str, value: Any) -> tuple[sql.Composable, list[Any]]:
        name, _, rest = path.partition(".")
        column = sql.SQL("r.{}").format(self.tables.column(table, name))
        if not rest:
            return self.tables.compare(column, operator, value)
        other = _MODELS[name].replace(".", "_")
        inner, params = self._leaf(other, rest, operator, value)
        return sql.SQL("{} in (select r.id from {} r where {})").format(column, sql.Identifier(other), inner), params
