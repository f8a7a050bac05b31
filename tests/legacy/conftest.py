"""Recorded data of real systems (never part of the project), and servers that answer from it."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from connectors.sources import open_source
from tests.connectors.sources.servers import ErpnextServer, OdooServer, serving
from tests.legacy.agent import LegacyAgent

DATA = Path(os.environ.get("HUB_SHARED_DATA", Path(__file__).parents[3] / "shared" / "data")) / "legacy"


def recorded(name: str, number: Callable[[str], Any] = Decimal) -> Any:
    """A recorded file, parsed with exact numbers; the test is skipped where it is absent."""
    path = DATA / name
    if not path.exists():
        pytest.skip(f"no recorded data: {path} (set HUB_SHARED_DATA)")
    if name.endswith(".json.gz"):
        return json.loads(gzip.decompress(path.read_bytes()), parse_float=number)
    return gzip.decompress(path.read_bytes()) if name.endswith(".gz") else path


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Callable[..., LegacyAgent]]:
    """agent(mapping, connection, **parameters) reads with the real source, mapping and spool."""
    opened: list[LegacyAgent] = []

    def start(mapping: str, connection: dict[str, Any], **parameters: Any) -> LegacyAgent:
        opened.append(LegacyAgent(mapping, connection, parameters, tmp_path / f"agent{len(opened)}"))
        return opened[-1]

    yield start
    for one in opened:
        one.close()


def odoo_server(name: str) -> OdooServer:
    """A server over the rows of a recorded sync."""
    models: dict[str, list[dict[str, Any]]] = {}
    types: dict[str, dict[str, str]] = {}
    for call in recorded(f"odoo17/{name}.json.gz", float):
        args = call["request"].get("params", {}).get("args", [])
        if len(args) > 4 and args[4] == "fields_get":
            types[args[3]] = {field: spec["type"] for field, spec in call["response"]["result"].items()}
        elif len(args) > 4:
            models.setdefault(args[3], []).extend(call["response"]["result"])
    return OdooServer(models, types, "admin")


@pytest.fixture
def odoo() -> Iterator[tuple[OdooServer, dict[str, Any]]]:
    """(server, connection), as Odoo stood at the first sync."""
    server = odoo_server("rpc_before")
    with serving(server) as url:
        yield server, {"url": url, "database": "odoo17", "user": "admin", "password": "admin", "page": 400}


def erpnext_server() -> ErpnextServer:
    """A server over the rows of a recorded sync; what answered 403 then answers 403."""
    server = ErpnextServer({}, "hubkey000000001:hubsecret000001")
    forbidden = []
    for call in recorded("erpnext15/rest_before.json.gz", float):
        path = unquote(call["path"].removeprefix("/api/resource/").split("?")[0])
        data = call["response"].get("data")
        if call["status"] == 403:
            forbidden.append(path)
        elif isinstance(data, list) and "fields" in call["path"]:
            server.doctypes[path] = data
        elif isinstance(data, dict):
            doctype, _, _name = path.partition("/")
            server.documents[doctype, data["name"]] = data
    server.forbidden = tuple(forbidden)
    return server


@pytest.fixture
def erpnext() -> Iterator[tuple[ErpnextServer, dict[str, Any]]]:
    """(server, connection) over the recorded rows."""
    server = erpnext_server()
    with serving(server) as url:
        yield server, {"url": url, "key": "hubkey000000001", "secret": "hubsecret000001", "page": 100}


__all__ = ["DATA", "open_source"]
