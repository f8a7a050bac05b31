"""Both legacy servers in one background thread of uvicorn: one port each, on this machine alone."""

from __future__ import annotations

import asyncio
import socket
import threading
import time

import uvicorn

from demo.erpnext_server import ErpnextServer
from demo.odoo_server import OdooServer

_STARTED_WITHIN = 15.0


class LegacyServers:
    """Started by the constructor; `odoo_url` and `erpnext_url` answer from then on. Port 0 takes any free one."""

    def __init__(self, odoo_dsn: str, erpnext_dsn: str, *, odoo_port: int = 0, erpnext_port: int = 0) -> None:
        self._odoo, self._erpnext = OdooServer(odoo_dsn), ErpnextServer(erpnext_dsn)
        sockets = [_listen(odoo_port), _listen(erpnext_port)]
        self.odoo_url, self.erpnext_url = (f"http://127.0.0.1:{s.getsockname()[1]}" for s in sockets)
        quiet = {"log_config": None, "access_log": False, "lifespan": "off"}
        self._servers = [uvicorn.Server(uvicorn.Config(app, **quiet)) for app in (self._odoo.app, self._erpnext.app)]  # type: ignore[arg-type]
        self._thread = threading.Thread(target=self._run, args=(sockets,), name="legacy-servers", daemon=True)
        self._thread.start()
        deadline = time.monotonic() + _STARTED_WITHIN
        while not all(server.started for server in self._servers):
            if time.monotonic() > deadline:
                raise TimeoutError(f"The legacy servers did not start within {_STARTED_WITHIN:.0f} s.")
            time.sleep(0.01)

    def _run(self, sockets: list[socket.socket]) -> None:
        async def serve() -> None:
            await asyncio.gather(*(server.serve(sockets=[s]) for server, s in zip(self._servers, sockets, strict=True)))

        asyncio.run(serve())

    def stop(self) -> None:
        for server in self._servers:
            server.should_exit = True
        self._thread.join(10)
        self._odoo.tables.close()
        self._erpnext.tables.close()


def _listen(port: int) -> socket.socket:
    """The wanted port, or any when another program holds it: the agent is told where, so nothing depends on it."""
    try:
        return socket.create_server(("127.0.0.1", port))
    except OSError:
        return socket.create_server(("127.0.0.1", 0))
