"""Both servers answer with the quirks of what they stand for."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from demo.erpnext_server import KEY, SECRET, SITE
from demo.group import DemoGroup
from demo.odoo_server import DATABASE, PASSWORD, UID, USER

TOKEN = {"Authorization": f"token {KEY}:{SECRET}", "Host": SITE}


def rpc(plants: DemoGroup, service: str, method: str, *args: Any) -> tuple[int, dict[str, Any]]:
    assert plants.servers is not None
    body = {"jsonrpc": "2.0", "method": "call", "id": 7, "params": {"service": service, "method": method, "args": args}}
    answer = httpx.post(plants.servers.odoo_url + "/jsonrpc", json=body, trust_env=False)
    return answer.status_code, answer.json()


def execute(plants: DemoGroup, model: str, method: str, *args: Any, **options: Any) -> dict[str, Any]:
    status, body = rpc(plants, "object", "execute_kw", DATABASE, UID, PASSWORD, model, method, list(args), options)
    assert status == 200
    return body


def rest(plants: DemoGroup, path: str, headers: dict[str, str] = TOKEN, **params: Any) -> httpx.Response:
    assert plants.servers is not None
    texts = {k: v if isinstance(v, str | int) else json.dumps(v) for k, v in params.items()}
    return httpx.get(plants.servers.erpnext_url + path, headers=headers, params=texts or None, trust_env=False)


@pytest.mark.parametrize(("password", "uid"), [(PASSWORD, UID), ("wrong", False)])
def test_odoo_login(plants: DemoGroup, password: str, uid: int | bool) -> None:
    assert rpc(plants, "common", "login", DATABASE, USER, password)[1]["result"] == uid


@pytest.mark.parametrize(
    ("model", "method", "args", "error"),
    [
        ("account.move", "search_read", [[]], "odoo.exceptions.AccessError"),
        ("res.users", "search_read", [[]], "odoo.exceptions.AccessError"),
        ("stock.quant", "search_read", [[["colour", "=", 1]]], "builtins.ValueError"),
        ("stock.quant", "explode", [], "builtins.AttributeError"),
    ],
)
def test_odoo_errors_are_200(plants: DemoGroup, model: str, method: str, args: list[Any], error: str) -> None:
    body = execute(plants, model, method, *args)
    assert body["error"]["data"]["name"] == error
    assert "result" not in body


def test_odoo_method_without_answer_has_no_result(plants: DemoGroup) -> None:
    assert execute(plants, "stock.quant", "flush_model") == {"jsonrpc": "2.0", "id": 7}


def test_odoo_hides_archived_records_by_default(plants: DemoGroup) -> None:
    shown = execute(plants, "product.product", "search_count", [])["result"]
    every = execute(plants, "product.product", "search_count", [], context={"active_test": False})["result"]
    inactive = execute(
        plants, "product.product", "search_count", [["active", "=", False]], context={"active_test": False}
    )["result"]
    assert shown + inactive == every


def test_odoo_pages_by_domain_order_and_limit(plants: DemoGroup) -> None:
    seen: list[int] = []
    while True:
        domain = [["id", ">", seen[-1] if seen else 0], ["location_id.usage", "in", ["internal", "transit"]]]
        rows = execute(plants, "stock.quant", "search_read", domain, fields=["quantity"], order="id", limit=17)[
            "result"
        ]
        if not rows:
            break
        seen += [row["id"] for row in rows]
    assert seen == sorted(set(seen))
    assert (
        len(seen)
        == execute(plants, "stock.quant", "search_count", [["location_id.usage", "in", ["internal", "transit"]]])[
            "result"
        ]
    )


@pytest.mark.parametrize(
    ("domain", "same_as"),
    [
        ([["quantity", ">", 5], ["quantity", "<=", 50]], ["&", ["quantity", ">", 5], ["quantity", "<=", 50]]),
        (["!", ["quantity", ">", 5]], [["quantity", "<=", 5]]),
        (["|", ["quantity", ">", 50], ["quantity", "<=", 50]], []),
        ([["lot_id", "!=", False]], ["!", ["lot_id", "=", False]]),
    ],
)
def test_odoo_domains(plants: DemoGroup, domain: list[Any], same_as: list[Any]) -> None:
    assert execute(plants, "stock.quant", "search", domain, order="id") == execute(
        plants, "stock.quant", "search", same_as, order="id"
    )


def test_odoo_values(plants: DemoGroup) -> None:
    row = execute(plants, "stock.quant", "search_read", [["lot_id", "=", False]], limit=1)["result"][0]
    assert row["lot_id"] is False
    assert isinstance(row["product_id"][0], int)
    assert len(row["write_date"]) == len("2026-11-20 06:00:00")


def test_erpnext_default_page_is_twenty_names(plants: DemoGroup) -> None:
    rows = rest(plants, "/api/resource/Bin").json()["data"]
    assert len(rows) == 20
    assert all(list(row) == ["name"] for row in rows)


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/api/resource/Bin", {}, 404),
        ("/api/resource/Bin", {"Host": SITE}, 401),
        ("/api/resource/Bin", {**TOKEN, "Authorization": f"token {KEY}:wrong"}, 401),
        ("/api/resource/DocType", TOKEN, 403),
        ("/api/resource/Purchase Order Item", TOKEN, 403),
        ("/api/resource/Purchase Order Item?parent=Purchase Order", TOKEN, 200),
        ("/api/resource/Nonsense", TOKEN, 404),
        ('/api/resource/Bin?fields=["colour"]', TOKEN, 417),
        ('/api/resource/Bin?filters=[["actual_qty","resembles","3"]]', TOKEN, 417),
        ("/api/resource/Bin?order_by=1;drop table x", TOKEN, 417),
        ("/api/resource/Warehouse/Rack%20A%2F1%20-%20HBM", TOKEN, 200),
        ("/api/resource/Item/none", TOKEN, 404),
    ],
)
def test_erpnext_statuses(plants: DemoGroup, path: str, headers: dict[str, str], status: int) -> None:
    assert rest(plants, path, headers).status_code == status


def test_erpnext_filters_and_pages(plants: DemoGroup) -> None:
    every = rest(
        plants, "/api/resource/Bin", limit_page_length=0, fields=["name", "actual_qty"], order_by="name asc"
    ).json()["data"]
    positive = rest(plants, "/api/resource/Bin", limit_page_length=0, filters=[["actual_qty", ">", 0]]).json()["data"]
    second = rest(
        plants,
        "/api/resource/Bin",
        limit_start=5,
        limit_page_length=5,
        fields=["name", "actual_qty"],
        order_by="name asc",
    ).json()["data"]
    assert len(positive) == sum(row["actual_qty"] > 0 for row in every)
    assert second == every[5:10]
