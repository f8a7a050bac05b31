"""Odoo 14 and later over JSON-RPC: one model per table, paged by id, incremental by write_date."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import chain
from typing import Any

import httpx

from connectors.sources.base import Abort, Page, Retry
from connectors.sources.checks import require_columns, required
from connectors.sources.web import TIMEOUT, Answer, call

PAGE_ROWS = 1_000
DENIED = ("AccessDenied", "SessionExpired")
BUSY = ("OperationalError", "SerializationFailure", "PoolError", "LockNotAvailable", "InterfaceError")


class OdooSource:
    """`connection`: `url`, `database`, `user`, `password` (or an API key), optional `companies` and `page`."""

    def __init__(self, connection: Mapping[str, Any]) -> None:
        self._database, self._user, self._password = (
            str(required(connection, key, "odoo")) for key in ("database", "user", "password")
        )
        self._companies = list(connection.get("companies", ()))
        self._page = int(connection.get("page", PAGE_ROWS))
        self._client = httpx.Client(base_url=str(required(connection, "url", "odoo")), timeout=TIMEOUT)
        self._uid: int | None = None

    def close(self) -> None:
        self._client.close()

    def read(self, table: Mapping[str, Any], since: str | None) -> Iterator[Page]:
        model, names = str(required(table, "model", "the table")), list(required(table, "fields", "the table"))
        types, at = self._types(model, names)
        columns = ["id", *(c for name in names if name != "id" for c in _columns(name, types[name]))]
        sides = (-1, 1) if table.get("sides") else ()
        require_columns(table, columns, f"model {model}")
        header = [*columns, "_side"] if sides else columns
        domain = list(table.get("domain", ()))
        changed = [[table["cursor"], ">=", since]] if since is not None and table.get("cursor") else []
        for part in self._parts(table, domain, changed):
            pages = self._records(model, names, part, table)
            # Rows that belong together stay on one page: the reader keeps or drops them as one.
            for records in [list(chain.from_iterable(pages))] if table.get("whole") and changed else pages:
                rows = [_row(record, names, types) for record in records]
                yield Page(header, [(*row, side) for row in rows for side in sides] if sides else rows, at)
        yield Page(header, [], at)

    def _parts(self, table: Mapping[str, Any], domain: list[Any], changed: list[Any]) -> Iterable[list[Any]]:
        """One domain for all, or, with `whole`, one per chunk of the groups that hold a changed row."""
        group = table.get("whole")
        if not (group and changed):
            return [domain + changed]
        pages = self._records(str(table["model"]), [group], domain + changed, table)
        keys = {_id(record[group]) for records in pages for record in records}
        return [[*domain, [group, "in", list(chunk)]] for chunk in _chunks(sorted(k for k in keys if k is not None))]

    def _records(
        self, model: str, names: Sequence[str], domain: list[Any], table: Mapping[str, Any]
    ) -> Iterator[list[dict[str, Any]]]:
        last, context = 0, {**table.get("context", {}), "active_test": False}
        if self._companies:
            context["allowed_company_ids"] = self._companies
        while True:
            options = {"fields": list(names), "limit": self._page, "offset": 0, "order": "id", "context": context}
            records, _ = self._execute(model, "search_read", [[*domain, ["id", ">", last]]], options)
            if not isinstance(records, list):
                raise Abort(f"Odoo answered {type(records).__name__} instead of rows for {model}.")
            if records:
                last = _advanced(records, last, model)
                yield records
            if len(records) < self._page:
                return

    def _types(self, model: str, names: Sequence[str]) -> tuple[dict[str, str], datetime | None]:
        known, at = self._execute(model, "fields_get", [list(names)], {"attributes": ["type"]})
        missing = [name for name in names if name not in known and name != "id"]
        if missing:
            raise Abort(
                f"Odoo's model {model} has no field {', '.join(map(repr, missing))}: another Odoo version, or no right."
            )
        return {name: str(spec.get("type")) for name, spec in known.items()}, at

    def _execute(
        self, model: str, method: str, args: list[Any], options: dict[str, Any]
    ) -> tuple[Any, datetime | None]:
        if self._uid is None:
            self._uid = self._login()
        sent = [self._database, self._uid, self._password, model, method, args, options]
        answer = self._call("object", "execute_kw", sent)
        return _result(answer, f"{method} on {model}"), answer.at

    def _login(self) -> int:
        answer = self._call("common", "login", [self._database, self._user, self._password])
        uid = _result(answer, "login")
        if not isinstance(uid, int) or isinstance(uid, bool):
            raise Abort(
                f"Odoo refuses the login of '{self._user}' to database '{self._database}': check user and password."
            )
        return uid

    def _call(self, service: str, method: str, args: list[Any]) -> Answer:
        params = {"service": service, "method": method, "args": args}
        return call(
            self._client, "POST", "/jsonrpc", json={"jsonrpc": "2.0", "method": "call", "id": 1, "params": params}
        )


def _result(answer: Answer, what: str) -> Any:
    """The result, or what went wrong in words: Odoo answers 200 to everything."""
    if not isinstance(answer.body, dict):
        raise Retry(f"Odoo answered {answer.status} without JSON to {what}: a proxy page, or the server is starting.")
    error = answer.body.get("error")
    if error is not None:
        raise _in_words(error if isinstance(error, dict) else {"message": str(error)}, what)
    if "result" not in answer.body:
        raise Abort(f"Odoo's answer to {what} has no result: nothing was read.")
    return answer.body["result"]


def _in_words(error: Mapping[str, Any], what: str) -> Abort | Retry:
    data = error.get("data") or {}
    name, said = str(data.get("name", "")), " ".join(str(data.get("message") or error.get("message", "")).split())[:500]
    if name.endswith("AccessError"):
        return Abort(f"The Odoo user may not do {what}: give it read access. Odoo says: {said}")
    if name.endswith(DENIED):
        return Abort(f"Odoo refuses the login: check user and password. Odoo says: {said}")
    if name.endswith(BUSY):
        return Retry(f"Odoo's database is busy or away during {what}. Odoo says: {said}")
    return Abort(f"Odoo reports an error in {what}. Odoo says: {said or name}")


def _columns(name: str, kind: str) -> tuple[str, ...]:
    return (name, f"{name}_name") if kind == "many2one" else (name,)


def _row(record: Mapping[str, Any], names: Sequence[str], types: Mapping[str, str]) -> tuple[Any, ...]:
    values: list[Any] = [record["id"]]
    for name in names:
        value, kind = record.get(name), types.get(name)
        if name == "id":
            continue
        if kind == "many2one":
            values += [_id(value), value[1] if isinstance(value, list) else None]
        else:
            values.append(None if value is False and kind != "boolean" else value)
    return tuple(values)


def _id(value: Any) -> int | None:
    return int(value[0]) if isinstance(value, list) else None


def _chunks(keys: list[int]) -> Iterator[tuple[int, ...]]:
    return (tuple(keys[i : i + 500]) for i in range(0, len(keys), 500))


def _advanced(records: list[dict[str, Any]], last: int, model: str) -> int:
    newest = max(int(record["id"]) for record in records)
    if newest <= last:
        raise Abort(f"Odoo gave the same page of {model} twice: it does not obey the domain [id > {last}].")
    return newest
