"""The warehouse system's side of the push: it reports its books once a day and every movement at once, in order, and
sends again what was not answered 202. Each movement goes with the balance after it, so that a lost beginning heals
itself."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import httpx
import psycopg

LINES_PER_CALL = 500
_STATUS = {"unrestricted": "good", "quality": "qc", "blocked": "hold", "in_transit": "transit"}
_REPORT_EVERY = "24 hours"
_LOCAL = "(clock_timestamp() at time zone 'Asia/Shanghai')"


class Pusher:
    """Sends what the WMS database has not sent yet. `send()` answers how many events were taken."""

    def __init__(self, dsn: str, url: str, secret: str) -> None:
        self._dsn, self._url, self._headers = dsn, url, {"X-Push-Secret": secret}

    def send(self) -> int:
        """Raises httpx.HTTPError when the agent is away or refuses; nothing is marked as sent then."""
        with psycopg.connect(self._dsn) as con, httpx.Client(timeout=20, trust_env=False) as client:
            return self._report(con, client) + self._moves(con, client)

    def _report(self, con: psycopg.Connection[tuple[Any, ...]], client: httpx.Client) -> int:
        due = con.execute(
            f"select not exists (select 1 from export where file = 'report' "
            f"and at > {_LOCAL} - interval '{_REPORT_EVERY}')".encode()
        ).fetchone()
        if not due or not due[0]:
            return 0
        items = con.execute(
            "select code, name, spec, unit, gtin, brand, mpn, cost, currency from item order by code"
        ).fetchall()
        names = ("item", "name", "specification", "unit", "gtin", "brand", "mpn", "cost", "currency")
        lines = [{"event": "item", **_without_empty(zip(names, row, strict=True))} for row in items]
        lines += [
            {"event": "place", "place": c, "name": n}
            for c, n in con.execute("select code, name from place order by code")
        ]
        lines += [_balance(row) for row in con.execute(f"{_BALANCES} order by 1, 2, 3, 4".encode())]
        self._post(client, lines)
        con.execute(f"insert into export values ('report', {_LOCAL})".encode())
        con.commit()
        return len(lines)

    def _moves(self, con: psycopg.Connection[tuple[Any, ...]], client: httpx.Client) -> int:
        rows = con.execute(
            "select m.id, m.kind, m.document, m.line, m.code, m.place, m.lot, m.owner, p.status, i.unit, m.change, "
            "m.at from move m "
            "join item i on i.code = m.code join place p on p.code = m.place where not m.sent order by m.id limit 200"
        ).fetchall()
        if not rows:
            return 0
        lines = [_movement(row) for row in rows]
        keys = sorted({(row[4], row[5], row[6], row[7]) for row in rows})
        moved = con.execute(f"{_BALANCES} {_OF_KEYS}".encode(), [list(part) for part in zip(*keys, strict=True)])
        lines += [_balance(row) for row in moved]
        self._post(client, lines)
        con.execute("update move set sent = true where id = any(%s)", [[row[0] for row in rows]])
        con.commit()
        return len(lines)

    def _post(self, client: httpx.Client, lines: list[dict[str, Any]]) -> None:
        for at in range(0, len(lines), LINES_PER_CALL):
            body = "\n".join(json.dumps(line, ensure_ascii=False) for line in lines[at : at + LINES_PER_CALL])
            client.post(self._url, content=body.encode(), headers=self._headers).raise_for_status()


# True at the newest booking of the same snapshot of the books.
_BALANCES = """select s.code, s.place, s.lot, s.owner, p.status, i.unit, s.quantity, s.reserved, s.expires_on,
    (select greatest((select max(at) from move), max(updated_at)) from stock)
from stock s join item i on i.code = s.code join place p on p.code = s.place"""
_OF_KEYS = """where (s.code, s.place, s.lot, s.owner) in (
    select * from unnest(%s::varchar[], %s::varchar[], %s::varchar[], %s::varchar[])) order by 1, 2, 3, 4"""


def _balance(row: tuple[Any, ...]) -> dict[str, Any]:
    item, place, lot, owner, status, unit, quantity, reserved, expires, at = row
    return {
        "event": "balance",
        "item": item,
        "place": place,
        "lot": lot,
        "owner": owner,
        "status": _STATUS[status],
        "unit": unit,
        "quantity": str(quantity),
        "reserved": str(reserved),
        "expires_on": expires and expires.isoformat(),
        "at": f"{at.isoformat()}+08:00",
    }


def _movement(row: tuple[Any, ...]) -> dict[str, Any]:
    _, kind, document, line, item, place, lot, owner, status, unit, change, at = row
    return {
        "event": kind,
        "document": document,
        "line": str(line),
        "item": item,
        "place": place,
        "lot": lot,
        "owner": owner,
        "status": _STATUS[status],
        "unit": unit,
        "quantity": str(change),
        "at": f"{at.isoformat()}+08:00",
    }


def _without_empty(pairs: Iterable[tuple[str, Any]]) -> dict[str, str]:
    return {name: str(value) for name, value in pairs if value not in (None, "")}
