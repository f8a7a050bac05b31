"""ERPNext / Frappe over REST: one DocType per table, paged by name, child rows through their documents."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

import httpx

from connectors.sources.base import Abort, Page, Retry
from connectors.sources.checks import require_columns, required
from connectors.sources.web import TIMEOUT, Answer, call

PAGE_ROWS = 500


class ErpnextSource:
    """`connection`: `url`, `key`, `secret`, optional `site` (the Host header that chooses the site) and `page`."""

    def __init__(self, connection: Mapping[str, Any]) -> None:
        key, secret = (str(required(connection, name, "erpnext")) for name in ("key", "secret"))
        if not (key + secret).isascii():
            raise Abort("The connection's `key` and `secret` are plain letters and digits: copy them again.")
        headers = {"Authorization": f"token {key}:{secret}", "Accept": "application/json"}
        if connection.get("site"):
            headers["Host"] = str(connection["site"])
        base = str(required(connection, "url", "erpnext"))
        self._page = int(connection.get("page", PAGE_ROWS))
        self._client = httpx.Client(base_url=base, headers=headers, timeout=TIMEOUT)

    def close(self) -> None:
        self._client.close()

    def read(self, table: Mapping[str, Any], since: str | None) -> Iterator[Page]:
        doctype, fields = str(required(table, "doctype", "the table")), list(required(table, "fields", "the table"))
        filters = [list(f) for f in table.get("filters", ())]
        child, parents = table.get("child"), [str(f) for f in table.get("parent_fields", ())]
        columns = [*fields, *(f"parent_{name}" for name in parents)]
        require_columns(table, columns, f"DocType {doctype}")
        if since is not None and table.get("cursor"):
            filters.append([str(table["cursor"]).removeprefix("parent_" if child else ""), ">=", since])
        at: datetime | None = None
        for records, answered_at in self._records(doctype, ["name"] if child else fields, filters):
            at = at or answered_at
            rows = (
                self._children(doctype, child, records, fields, parents) if child else _rows(records, fields, doctype)
            )
            yield Page(columns, rows, at)

    def _records(
        self, doctype: str, fields: Sequence[str], filters: list[list[Any]]
    ) -> Iterator[tuple[list[dict[str, Any]], datetime | None]]:
        asked, last = list(dict.fromkeys(["name", *fields])), ""
        while True:
            after = [["name", ">", last]] if last else []
            params = {
                "fields": json.dumps(asked), "filters": json.dumps(filters + after, ensure_ascii=False),
                "order_by": "name asc", "limit_start": 0, "limit_page_length": self._page,
            }  # fmt: skip
            answer = call(self._client, "GET", f"/api/resource/{quote(doctype)}", params=params)
            records = _data(answer, doctype)
            if not isinstance(records, list):
                raise Abort(f"ERPNext answered {type(records).__name__} instead of a list of {doctype}.")
            if records and records[-1]["name"] == last:
                raise Abort(f"ERPNext gave the same page of {doctype} twice: it does not obey the filter on name.")
            yield records, answer.at
            if len(records) < self._page:
                return
            last = str(records[-1]["name"])

    def _children(
        self, doctype: str, child: str, documents: list[dict[str, Any]], fields: list[str], parents: list[str]
    ) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = []
        for document in documents:
            # A name may hold / # and blanks: nothing of it is safe in a path.
            path = f"/api/resource/{quote(doctype)}/{quote(str(document['name']), safe='')}"
            whole = _data(call(self._client, "GET", path), f"{doctype} {document['name']}")
            beside = tuple(whole.get(name) for name in parents)
            # Frappe leaves empty fields out of single documents, so absence means NULL here.
            rows += [(*(line.get(name) for name in fields), *beside) for line in whole.get(child, ())]
        return rows


def _rows(records: list[dict[str, Any]], fields: Sequence[str], doctype: str) -> list[tuple[Any, ...]]:
    try:
        return [tuple(record[name] for name in fields) for record in records]
    except KeyError as missing:
        raise Abort(f"ERPNext's {doctype} gives no field {missing}: another version, or no right to it.") from None


def _data(answer: Answer, what: str) -> Any:
    """The payload, or what went wrong in words."""
    if isinstance(answer.body, dict) and answer.status == 200 and "data" in answer.body:
        return answer.body["data"]
    if answer.body is None and answer.status == 200:
        raise Retry(f"ERPNext answered {what} without JSON: a proxy page, or the server is starting.")
    said = _said(answer.body)
    if answer.status == 401:
        raise Abort(f"ERPNext refuses the login: check key and secret. It says: {said}")
    if answer.status == 403:
        raise Abort(f"The ERPNext user may not read {what}: give its role read permission. It says: {said}")
    if answer.status == 404:
        raise Abort(f"ERPNext knows no {what} here: check `site` (Host header) and the name. It says: {said}")
    if "does not permit" in said or "Unknown column" in said or "Field not permitted" in said or answer.status < 500:
        raise Abort(f"ERPNext cannot answer {what} ({answer.status}). It says: {said}")
    raise Retry(f"ERPNext failed on {what} ({answer.status}). It says: {said}")


def _said(body: Any) -> str:
    """Frappe's own words without the traceback."""
    if not isinstance(body, dict):
        return str(body)[:300]
    words = [str(body.get(key, "")) for key in ("exception", "_error_message", "message")]
    return " ".join(" ".join(words).split())[:300] or str(body.get("exc_type", ""))
