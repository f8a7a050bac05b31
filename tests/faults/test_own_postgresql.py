"""A PostgreSQL that others run, reached by password over TCP, its owner no superuser: set up, used by an agent and a
person, examined, backed up and restored by the commands of docs/install.md."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import httpx
import psycopg
import pytest
import yaml

from hub import postgres

pytestmark = pytest.mark.slow
# What an address must quote.
PASSWORD = "ow/n@er:%pw"
PERSON = {"email": "you@example.org", "password": "long enough for once"}
STOCK = "料号,品名,单位,仓库,数量\nGH-1,深沟球轴承 6204,个,原料库,120.5\nGH-2,Hex bolt M8,个,原料库,40\n"


@dataclass
class Installed:
    """The hub's commands on that server; `admin` is its administrator's address."""

    folder: Path
    admin: str
    database_port: int
    port: int
    more: dict[str, str] = field(default_factory=dict)

    def run(self, *command: str, database: str = "hub", home: str = "home") -> subprocess.CompletedProcess[str]:
        whole = [sys.executable, "-m", *command]
        environ = self.environ(database, home)
        return subprocess.run(whole, env=environ, cwd=self.folder, capture_output=True, text=True, check=False)

    def environ(self, database: str = "hub", home: str = "home") -> dict[str, str]:
        address = f"postgresql://owner:{quote(PASSWORD, safe='')}@127.0.0.1:{self.database_port}/{database}"
        own = {"HUB_HOME": str(self.folder / home), "HUB_PORT": str(self.port), "HUB_DATABASE_URL": address}
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("HUB_", "PG"))}
        return kept | own | self.more | {"COLUMNS": "250"}

    def order(self, statement: str) -> None:
        with psycopg.connect(self.admin, autocommit=True) as connection:
            connection.execute(statement)

    @contextmanager
    def up(self) -> Iterator[str]:
        """`hub up`; its address once it answers."""
        address = f"http://127.0.0.1:{self.port}"
        process = subprocess.Popen([sys.executable, "-m", "hub", "up"], env=self.environ(), cwd=self.folder)
        try:
            deadline = time.monotonic() + 180
            while not _is_ready(address):
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.2)
            yield address
        finally:
            process.terminate()
            process.wait(60)


def _is_ready(address: str) -> bool:
    try:
        return httpx.get(f"{address}/readyz").is_success
    except httpx.TransportError:
        return False


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture
def installed(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installed]:
    """A cluster of its own that asks for passwords (SCRAM), with an owner who may make roles and nothing more."""
    folder = tmp_path_factory.mktemp("own")
    for parent in (folder, folder.parent, folder.parent.parent):
        parent.chmod(0o755)
    port = _free_port()
    monkeypatch.setenv("PGPORT", str(port))
    with postgres.embedded(folder / "cluster", {"listen_addresses": "127.0.0.1", "port": str(port)}) as server:
        made = Installed(folder, server.dsn("postgres", postgres.SUPERUSER), port, _free_port())
        (server.base / "data/pg_hba.conf").write_text(
            "local all postgres trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
        )
        for statement in ("drop database hub", "drop role hub_app", "drop role hub", "select pg_reload_conf()"):
            made.order(statement)
        made.order(f"create role owner login createrole password '{PASSWORD}'")
        for name in ("hub", "again"):
            made.order(f"create database {name} owner owner")
        yield made


def _sign_up(installed: Installed, address: str) -> httpx.Client:
    """The first administrator, by the link that `hub admin create` prints."""
    said = installed.run("hub", "admin", "create", PERSON["email"])
    token = re.search(r"token=(\S+)", said.stdout)
    assert token, said.stdout + said.stderr
    client = httpx.Client(base_url=address, timeout=60)
    client.post("/v1/passwords", json={"token": token[1], "password": PERSON["password"]}).raise_for_status()
    signed_in = client.post("/v1/session", json=PERSON).raise_for_status().json()
    client.headers["x-csrf-token"] = signed_in["csrf_token"]
    return client


def _connect(installed: Installed, client: httpx.Client) -> None:
    """A plant, its system and its agent, which reads a file and sends it."""
    answers = [
        client.post("/v1/organisations", json={"key": "plant", "name_zh": "工厂", "name_en": "Plant"}),
        client.post(
            "/v1/systems",
            json={"key": "plant-csv", "kind": "csv", "name_zh": "表", "name_en": "Table", "organisations": ["plant"]},
        ),
    ]
    organisation_id = answers[0].raise_for_status().json()["id"]
    answers[1].raise_for_status()
    grants = [{"system": "plant-csv", "organisation_ids": [organisation_id]}]
    made = client.post("/v1/agents", json={"name": "agent", "grants": grants}).raise_for_status().json()
    address = str(client.base_url).rstrip("/")
    enrolled = installed.run("connectors.cli", "enrol", "--hub", address, "--code", made["code"], "--state", "state")
    assert enrolled.returncode == 0, enrolled.stdout + enrolled.stderr
    one = {"system": "plant-csv", "mapping": "csv-stock", "organisation": "plant", "connection": {"folder": "files"}}
    parameters = {"items_glob": "stock_*.csv", "places_glob": "stock_*.csv", "settle": "0"}
    config = {"hub": address, "state": "state", "systems": [one | {"parameters": parameters}]}
    (installed.folder / "agent.yaml").write_text(yaml.safe_dump(config), "utf-8")
    (installed.folder / "files").mkdir()
    (installed.folder / "files/stock_1.csv").write_text(STOCK, "utf-8")
    sent = installed.run("connectors.cli", "run", "--once", "--config", "agent.yaml")
    assert sent.returncode == 0, sent.stdout + sent.stderr


def _seen(client: httpx.Client, *words: str) -> bool:
    """The page of the inventory shows these words, within three minutes."""
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        page = client.get("/inventory").raise_for_status().text
        if all(word in page for word in words):
            return True
        time.sleep(0.5)
    return False


def test_set_up_used_examined_backed_up_and_restored(installed: Installed) -> None:
    said = installed.run("hub", "migrate")
    assert said.returncode == 0, said.stdout + said.stderr
    with installed.up() as address, closing(_sign_up(installed, address)) as client:
        _connect(installed, client)
        assert _seen(client, "深沟球轴承 6204", "120.5", "Hex bolt M8")
        doctor = installed.run("hub", "doctor").stdout
        assert "✗" not in doctor
        assert "(HUB_DATABASE_URL)" in doctor
        refused = installed.run("hub", "backup")
        assert refused.returncode == 1
        assert "alter role owner bypassrls" in refused.stdout + refused.stderr
        installed.order("alter role owner bypassrls")
        assert installed.run("hub", "backup", "kept").returncode == 0
    installed.order("alter role owner nobypassrls")
    kept = next((installed.folder / "kept").iterdir())
    restored = installed.run("hub", "restore", str(kept), database="again", home="other")
    assert restored.returncode == 0, restored.stdout + restored.stderr
    assert re.search(r"position +2\b", restored.stdout)


def test_an_owner_who_may_not_make_roles(installed: Installed) -> None:
    """Whoever runs the server makes the application's role; its address is a setting."""
    installed.order("alter role owner nocreaterole")
    refused = installed.run("hub", "migrate")
    assert "Ask who runs PostgreSQL for: create role hub_app" in refused.stdout + refused.stderr
    installed.order("create role hub_app login nobypassrls password 'its own'")
    port = installed.database_port
    installed.more["HUB_APPLICATION_URL"] = f"postgresql://hub_app:its%20own@127.0.0.1:{port}/hub"
    said = installed.run("hub", "migrate")
    assert said.returncode == 0, said.stdout + said.stderr
    assert "set-password?token=" in installed.run("hub", "admin", "create", PERSON["email"]).stdout
