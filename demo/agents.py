"""The agent's configuration for the group's eight systems: which mapping reads each, where it is, what its columns
mean there."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import yaml
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import URL

from demo import erpnext_server, odoo_server
from demo.plants import SYSTEMS, System
from demo.servers import LegacyServers

PUSH_SECRET = "wms-push-26"  # noqa: S105 - of a demonstration on this machine alone
_POINVENTORY = (
    "union all select FItemID, FBatchNo, FMTONo, FAuxPropID, FStockID, FStockPlaceID, FKFDate, FKFPeriod, FQty, null "
    "from POInventory"
)
_EXPORT = {
    "specification": 'i."规格"',
    "class_code": 'i."分类"',
    "gtin": 'i."条码"',
    "brand": 'i."品牌"',
    "mpn": 'i."型号"',
    "active": "i.\"状态\" = '在用'",
    "unit_cost": 'i."单价"',
    "currency": 'i."币种"',
    "alternative_unit": 'i."折算单位"',
    "alternative_factor": 'i."折算率"',
    "place_name": 'p."仓库名称"',
    "lot": 's."批号"',
    "owner": 's."货主"',
    "status": 's."质量状态"',
    "reserved": 's."占用数量"',
    "expires": 's."有效期"',
    "move_lot": 'm."批号"',
    "move_owner": 'm."货主"',
    "move_status": 'm."质量状态"',
    "supplier": 'o."供应商"',
    "supplier_name": 'o."供应商名称"',
    "received": 'o."已收数量"',
    "base_unit": 'o."库存单位"',
    "base_quantity": 'o."库存数量"',
    "base_received": 'o."库存已收"',
    "price": 'o."单价"',
    "order_currency": 'o."币种"',
    "order_state": 'o."状态"',
    "ordered_on": 'o."订货日期"',
    "due_on": 'o."交货日期"',
    "order_place": 'o."仓库"',
}
_BOOK = "库存日报_*.xlsx"
_PARAMETERS: dict[str, dict[str, str]] = {
    "qingyu-u8": {"item_columns": ", cInvDefine1, cInvDefine2", "brand": "i.cInvDefine1", "mpn": "i.cInvDefine2"},
    "songjian-k3": {
        "every": "30s",
        "item_columns": ", F_101",
        "brand": "nullif(i.F_101, '')",
        "more_stock": _POINVENTORY,
    },
    "wugang-odoo": {},
    "wugang-wms": {},
    "baishi-jsh": {
        "every": "30s",
        "companies": "63=baishi",
        "item_columns": ", m.other_field1",
        "gtin": "m.other_field1",
        "mpn": "nullif(m.mfrs, '')",
    },
    "kongxi-erpnext": {"currency": "EUR"},
    "duoyan-csv": {**_EXPORT, "done": "*.done"},
    "luyu-xlsx": {
        **_EXPORT,
        "glob": _BOOK,
        "items_glob": _BOOK,
        "places_glob": _BOOK,
        "moves_glob": _BOOK,
        "orders_glob": _BOOK,
        "sheet": "库存",
        "items_sheet": "物料",
        "places_sheet": "库位",
        "moves_sheet": "出入库",
        "orders_sheet": "采购",
    },
}


def write_config(
    path: Path, hub_url: str, dsns: dict[str, str], folders: dict[str, Path], servers: LegacyServers
) -> str:
    """Writes agent.yaml; returns the address the WMS pushes to. The port stays the same over restarts if it is free."""
    port = _push_port(path)
    connections: dict[str, dict[str, Any]] = {
        "wugang-odoo": {
            "url": servers.odoo_url,
            "database": odoo_server.DATABASE,
            "user": odoo_server.USER,
            "password": odoo_server.PASSWORD,
        },
        "kongxi-erpnext": {
            "url": servers.erpnext_url,
            "key": erpnext_server.KEY,
            "secret": erpnext_server.SECRET,
            "site": erpnext_server.SITE,
        },
        "wugang-wms": {"listen": f"127.0.0.1:{port}", "secret": PUSH_SECRET},
    }
    systems = [_system(s, connections.get(s.key) or _plain_connection(s, dsns, folders)) for s in SYSTEMS]
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {"hub": hub_url, "state": "state", "systems": systems}
    path.write_text(yaml.safe_dump(document, allow_unicode=True, sort_keys=False, width=160), "utf-8")
    path.chmod(0o600)
    return f"http://127.0.0.1:{port}/events"


def _plain_connection(system: System, dsns: dict[str, str], folders: dict[str, Path]) -> dict[str, Any]:
    if system.key in folders:
        return {"folder": str(folders[system.key])}
    return {"url": _sqlalchemy_url(dsns[system.key])}


def _system(system: System, connection: dict[str, Any]) -> dict[str, Any]:
    parameters = {"zone": system.zone, **_PARAMETERS[system.key]}
    if system.mapping == "odoo-17":
        del parameters["zone"]
    return {
        "system": system.key,
        "mapping": system.mapping,
        "organisation": system.organisation,
        "connection": connection,
        "parameters": parameters,
    }


def _sqlalchemy_url(dsn: str) -> str:
    parts: dict[str, Any] = dict(conninfo_to_dict(dsn))
    query = {"host": parts["host"]} if str(parts.get("host", "")).startswith("/") else {}
    port = int(parts["port"]) if parts.get("port") else None
    url = URL.create(
        "postgresql+psycopg",
        parts.get("user"),
        parts.get("password"),
        None if query else parts.get("host"),
        port,
        parts["dbname"],
        query,
    )
    return url.render_as_string(hide_password=False)


def _push_port(path: Path) -> int:
    """The port of an earlier configuration while it is free, else any free one."""
    earlier = 0
    if path.exists():
        systems = yaml.safe_load(path.read_text("utf-8"))["systems"]
        earlier = next(
            int(s["connection"]["listen"].rpartition(":")[2]) for s in systems if s["system"] == "wugang-wms"
        )
    for port in (earlier, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise OSError("No port on 127.0.0.1 is free for the WMS to push to.")
