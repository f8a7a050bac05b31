"""An ERPNext-like REST server over its own database, quirks included: 20 rows of only `name` unless asked otherwise,
the site chosen by the Host header, 403 for doctypes and child tables a plain reader may not list, instants in the
naive zone of the site."""

from __future__ import annotations

import json
import re
from typing import Any

from psycopg import sql
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from demo.rows import Tables, UnknownField, plain

SITE, KEY, SECRET = "erp.hollowbrook.example", "hubkey000000001", "hubsecret000001"
_CHILDREN = {"Item": ("Item Barcode", "UOM Conversion Detail"), "Purchase Order": ("Purchase Order Item",)}
_FIELD_OF = {"Item Barcode": "barcodes", "UOM Conversion Detail": "uoms", "Purchase Order Item": "items"}
_PARENT_OF = {child: parent for parent, children in _CHILDREN.items() for child in children}
_ORDER = re.compile(r"^`?(?:tab[\w ]+`\.`)?(\w+)`?(?:\s+(asc|desc))?$", re.IGNORECASE)


class Refused(Exception):
    """An answer other than 200: Frappe's exception type and words."""

    def __init__(self, status: int, kind: str, message: str) -> None:
        super().__init__(message)
        self.status, self.kind = status, kind


class ErpnextServer:
    """`app` answers `/api/resource/…` and `/api/method/frappe.auth.get_logged_user`."""

    def __init__(self, dsn: str) -> None:
        self.tables = Tables(dsn)
        self.app = Starlette(
            routes=[
                Route("/api/method/frappe.auth.get_logged_user", self._user),
                Route("/api/resource/{doctype}", self._listing),
                Route("/api/resource/{doctype}/{name:path}", self._document),
            ]
        )

    async def _user(self, request: Request) -> Response:
        return await self._answer(request, lambda: {"message": "hub@hollowbrook.example"})

    async def _listing(self, request: Request) -> Response:
        return await self._answer(
            request, lambda: {"data": self._list(request.path_params["doctype"], dict(request.query_params))}
        )

    async def _document(self, request: Request) -> Response:
        doctype, name = request.path_params["doctype"], request.path_params["name"]
        return await self._answer(request, lambda: {"data": self._get(doctype, name)})

    async def _answer(self, request: Request, work: Any) -> Response:
        host = request.headers.get("host", "").rsplit(":", 1)[0]
        if host != SITE:
            return PlainTextResponse(f"{host} does not exist", 404)
        try:
            if request.headers.get("authorization") != f"token {KEY}:{SECRET}":
                raise Refused(401, "AuthenticationError", "Invalid API Key or Secret")
            return JSONResponse(await run_in_threadpool(work))
        except Refused as refused:
            exception = f"frappe.exceptions.{refused.kind}: {refused}"
            return JSONResponse(
                {"exception": exception, "exc_type": refused.kind, "_server_messages": "[]"}, refused.status
            )

    def _table(self, doctype: str) -> str:
        table = f"tab{doctype}"
        if table in self.tables.columns:
            return table
        if doctype in {"DocType", "User", "Role", "Salary Slip", "GL Entry", "Custom Field"}:
            raise Refused(
                403,
                "PermissionError",
                f"User hub@hollowbrook.example does not have doctype access via role permission for document {doctype}",
            )
        raise Refused(404, "DoesNotExistError", f"DocType {doctype} not found")

    def _list(self, doctype: str, query: dict[str, str]) -> list[dict[str, Any]]:
        table = self._table(doctype)
        if doctype in _PARENT_OF and query.get("parent") != _PARENT_OF[doctype]:
            raise Refused(403, "PermissionError", f"Insufficient Permission for {doctype}")
        names = json.loads(query.get("fields", '["name"]'))
        names = list(self.tables.columns[table]) if names == ["*"] else names
        length = int(query.get("limit_page_length") or query.get("limit") or 20)
        try:
            condition, params = self._where(table, json.loads(query.get("filters") or "[]"))
            shown = sql.SQL(", ").join(self.tables.column(table, n) for n in names)
            statement = sql.SQL("select {} from {} where {} order by {} limit {} offset {}").format(
                shown, sql.Identifier(table), condition, self._order(table, query.get("order_by", "modified desc")),
                sql.Literal(length) if length else sql.SQL("all"), sql.Literal(int(query.get("limit_start") or 0)),
            )  # fmt: skip
        except UnknownField as field:
            raise Refused(417, "DataError", f"Field not permitted in query: {field}") from None
        except ValueError as operator:
            raise Refused(
                417, "ValidationError", f"Operator must be one of =, !=, >, <, >=, <=, like, in, between: {operator}"
            ) from None
        return [_named(names, row) for row in self.tables.query(statement, params)]

    def _where(self, table: str, filters: Any) -> tuple[sql.Composable, list[Any]]:
        if isinstance(filters, dict):
            filters = [[k, *(v if isinstance(v, list) else ["=", v])] for k, v in filters.items()]
        parts: list[sql.Composable] = [sql.SQL("true")]
        params: list[Any] = []
        for term in filters:
            name, operator, value = term[-3:]
            if operator == "between":
                parts.append(sql.SQL("{} between %s and %s").format(self.tables.column(table, name)))
                params += value
                continue
            condition, values = self.tables.compare(self.tables.column(table, name), operator.lower(), value)
            parts.append(condition)
            params += values
        return sql.SQL(" and ").join(parts), params

    def _order(self, table: str, text: str) -> sql.Composable:
        found = [_ORDER.match(part.strip()) for part in text.split(",")]
        if not all(found):
            raise Refused(417, "ValidationError", f"Invalid field used in order_by: {text}")
        return sql.SQL(", ").join(
            sql.SQL("{} {}").format(self.tables.column(table, f[1]), sql.SQL(f[2] or "asc")) for f in found if f
        )

    def _get(self, doctype: str, name: str) -> dict[str, Any]:
        table = self._table(doctype)
        rows = self._rows(table, "name", name)
        if not rows:
            raise Refused(404, "DoesNotExistError", f"{doctype} {name} not found")
        document = {"doctype": doctype, **rows[0]}
        for child in _CHILDREN.get(doctype, ()):
            document[_FIELD_OF[child]] = [
                {"doctype": child, **row} for row in self._rows(f"tab{child}", "parent", name)
            ]
        return document

    def _rows(self, table: str, column: str, value: str) -> list[dict[str, Any]]:
        """Whole rows; Frappe leaves empty fields out of single documents."""
        names = list(self.tables.columns[table])
        order = sql.Identifier("idx" if "idx" in names else "name")
        statement = sql.SQL("select {} from {} where {} = %s order by {}").format(
            sql.SQL(", ").join(map(sql.Identifier, names)), sql.Identifier(table), sql.Identifier(column), order
        )
        return [
            {k: v for k, v in _named(names, row).items() if v is not None}
            for row in self.tables.query(statement, [value])
        ]


def _named(names: list[str], row: tuple[Any, ...]) -> dict[str, Any]:
    return {name: plain(value, micros=True) for name, value in zip(names, row, strict=True)}
