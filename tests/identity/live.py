"""A hub as it runs: two HTTP processes that can be told apart and a worker, a client that listens, and a plant with
every door a person, a program or an agent enters by."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import create_server
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4

import httpx
from joserfc import jws
from joserfc.jwk import OKPKey
from sqlalchemy import Engine

from hub.columns import new_id
from hub.database import Tenancy, unit_of_work
from hub.supervisor import Supervisor
from identity.models import Membership, Person
from identity.scopes import scopes_of
from tests.conftest import GROUP
from tests.identity.conftest import HASH, PASSWORD
from tests.identity.oauth.conftest import CALLBACK, CHALLENGE, GRANTS, VERIFIER
from tests.identity.test_agents import bearer

ROOT = "root@group.example"
STOCK = "/v1/inventory/facets"
START_SECONDS = 60.0
NOW = "2026-11-01T08:00:00Z"


class Listener:
    """A client's back-channel: when it was told of whom."""

    def __init__(self) -> None:
        self.told: list[tuple[float, str]] = []
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                form = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
                claims = jws.extract_compact(form["logout_token"][0].encode()).payload
                listener.told.append((time.monotonic(), claims.decode()))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """The test reads `told`."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.uri = f"http://127.0.0.1:{self.server.server_address[1]}/logout"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def first(self, person: str, since: float) -> float | None:
        """Seconds from `since` until it was told of the person."""
        return min((at - since for at, claims in self.told if person in claims and at >= since), default=None)


@dataclass
class Live:
    """`at` are the addresses of the HTTP processes."""

    engine: Engine
    at: tuple[str, ...]
    listener: Listener
    root: httpx.Client = field(init=False)
    opened: list[httpx.Client] = field(default_factory=list)

    def http(self, address: str) -> httpx.Client:
        self.opened.append(httpx.Client(base_url=address, timeout=30))
        return self.opened[-1]

    def close(self) -> None:
        for one in self.opened:
            one.close()

    def browser(self, email: str, address: str = "") -> httpx.Client:
        """Signed in."""
        one = self.http(address or self.at[0])
        answer = one.post("/v1/session", json={"email": email, "password": PASSWORD})
        assert answer.status_code == 201, answer.text
        one.headers["x-csrf-token"] = answer.json()["csrf_token"]
        return one

    def act(self, method: str, path: str, body: Any = None) -> Any:
        """As head office; raises where it is refused."""
        answer = self.root.request(method, path, json=body)
        assert answer.status_code < 300, (path, answer.text)
        return answer.json() if answer.content else None

    def person(self, email: str, *scopes: str, at: UUID) -> str:
        with unit_of_work(self.engine, Tenancy((GROUP, at), at)) as session:
            made = Person(id=new_id(), organisation_id=at, email=email, name=email, password_hash=HASH)
            session.add(made)
            session.flush()
            session.add(Membership(organisation_id=at, person_id=made.id, scopes=["settings:self", *scopes]))
        return str(made.id)


@contextmanager
def running(url: str, application_url: str, engine: Engine, folder: Path) -> Iterator[Live]:
    supervisor = Supervisor(folder / "logs")
    ports = [_free_port() for _ in range(2)]
    addresses = tuple(f"http://127.0.0.1:{port}" for port in ports)
    known = {"HUB_DATABASE_URL": url, "HUB_APPLICATION_URL": application_url, "HUB_HOME": str(folder)}
    known["HUB_PUBLIC_URL"] = addresses[0]
    try:
        for n, port in enumerate(ports):
            supervisor.start(f"api-{n}", ["-m", "hub", "api"], known | {"HUB_PORT": str(port)})
        supervisor.start("worker", ["-m", "hub", "worker"], known)
        for address in addresses:
            _await(address, supervisor)
        live = Live(engine, addresses, Listener())
        live.person(ROOT, *scopes_of(["admin"], "group"), at=GROUP)
        live.root = live.browser(ROOT)
        yield live
        live.close()
        live.listener.close()
    finally:
        supervisor.end()


def _free_port() -> int:
    with create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def _await(address: str, supervisor: Supervisor) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"{address}/readyz", timeout=5).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise TimeoutError([child.output.read_text()[-600:] for child in supervisor.children])


@dataclass
class Plant:
    """A subsidiary with a person who reads its stock through an application, a program of its own, and an agent.
    `guest`: the person is a supplier's and reads by a grant of the plant's."""

    hub: Live
    key: str
    guest: bool = False

    def __post_init__(self) -> None:
        self.email = f"ann@{self.key}.example"
        self.id = self._organisation(self.key, "subsidiary")
        self.home = self._organisation(f"{self.key}-guest", "supplier") if self.guest else self.id
        scopes = () if self.guest else ("inventory:read", "feeds:read")
        self.person = self.hub.person(self.email, *scopes, at=UUID(self.home))
        self.grant = self._granted() if self.guest else ""
        self._clients()
        self._agent()

    def _organisation(self, key: str, kind: str) -> str:
        given = {"key": key, "kind": kind, "name_zh": key, "name_en": key}
        return str(self.hub.act("POST", "/v1/organisations", given)["id"])

    def _granted(self) -> str:
        given = {"partner": f"{self.key}-guest", "roles": ["planner"], "organisation_id": self.id}
        made = self.hub.act("POST", "/v1/partner-grants", given)["id"]
        self.hub.act("PUT", f"/v1/partner-grants/{made}/people/{self.person}", {"roles": ["planner"]})
        return str(made)

    def _clients(self) -> None:
        app = {"client_name": "app", "redirect_uris": [CALLBACK], "grant_types": GRANTS, "is_trusted": True,
               "scopes": ["openid", "inventory:read"], "backchannel_logout_uri": self.hub.listener.uri}  # fmt: skip
        robot = {"client_name": "robot", "grant_types": ["client_credentials"], "scopes": ["feeds:read"]}
        self.app = self.hub.act("POST", "/v1/clients", app)
        self.robot = self.hub.act("POST", "/v1/clients", robot | {"organisation_id": self.id})

    def _agent(self) -> None:
        system = {"key": self.key, "kind": "sql", "name_zh": self.key, "name_en": self.key, "zone": "UTC"}
        self.hub.act("POST", "/v1/systems", system | {"organisations": [self.key]})
        grants = [{"system": self.key, "organisation_ids": [self.id]}]
        made = self.hub.act("POST", "/v1/agents", {"name": self.key, "organisation_id": self.id, "grants": grants})
        self.agent, key = made["agent_id"], OKPKey.generate_key("Ed25519")
        given = {"code": made["code"], "public_key": key.as_dict(private=False)}
        self.hub.act("POST", "/v1/agents/enrol", given)
        self.upload = bearer(self.agent, key)

    # What they hold: a browser's session, tokens of the application and of the program.

    def sign_in(self, address: str) -> httpx.Client:
        browser = self.hub.browser(self.email, address)
        if self.guest:
            chosen = browser.put("/v1/session/organisation", json={"organisation_id": self.id})
            assert chosen.status_code < 300, chosen.text
        return browser

    def tokens(self, browser: httpx.Client) -> dict[str, Any]:
        asked = {"response_type": "code", "client_id": self.app["client_id"], "redirect_uri": CALLBACK, "nonce": "n",
                 "scope": "openid inventory:read", "state": "s", "code_challenge": CHALLENGE,
                 "code_challenge_method": "S256", "organization": self.id}  # fmt: skip
        answer = browser.get("/oauth/authorize", params=asked)
        assert answer.status_code == 303, answer.text
        code = parse_qs(urlsplit(answer.headers["location"]).query)["code"][0]
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
        return dict(self.token(browser, self.app, form).raise_for_status().json())

    def token(self, http: httpx.Client, client: dict[str, Any], form: dict[str, str]) -> httpx.Response:
        return http.post("/oauth/token", data=form, auth=(client["client_id"], client["client_secret"]))

    def robot_token(self, http: httpx.Client) -> httpx.Response:
        return self.token(http, self.robot, {"grant_type": "client_credentials"})

    def event(self) -> dict[str, Any]:
        line = {"item_id": "x", "place_id": "W1", "status": "unrestricted", "unit": "C62", "quantity": "1"}
        line |= {"document": "D", "line": str(uuid4()), "kind": "receipt", "occurred_at": NOW, "booked_at": NOW}
        known = {"system": self.key, "organisation": self.key, "stream": "stock_movements", "observed_at": NOW}
        return known | {"batch_id": str(uuid4()), "lines": [line]}


@dataclass
class Watch:
    """Asks at every door five times a second and keeps, from `since` on, when one last opened."""

    since: float = 0.0
    opened: dict[str, float] = field(default_factory=dict)
    ended: threading.Event = field(default_factory=threading.Event)
    threads: list[threading.Thread] = field(default_factory=list)

    def door(self, name: str, is_open: Callable[[], bool]) -> None:
        assert is_open(), f"{name} was closed from the start"
        self._follow(self._ask, name, is_open)

    def stream(self, name: str, http: httpx.Client, headers: dict[str, str] | None = None) -> None:
        """Of an event stream: when it ended."""
        arrived = threading.Event()
        self._follow(self._listen, name, http, headers or {}, arrived)
        assert arrived.wait(20), f"{name} did not begin"

    def _follow(self, work: Callable[..., None], *given: Any) -> None:
        self.threads.append(threading.Thread(target=work, args=given, daemon=True))
        self.threads[-1].start()

    def _ask(self, name: str, is_open: Callable[[], bool]) -> None:
        while not self.ended.wait(0.2):
            if is_open():
                self.opened[name] = time.monotonic()

    def _listen(self, name: str, http: httpx.Client, headers: dict[str, str], arrived: threading.Event) -> None:
        given = {"accept": "text/event-stream"} | headers
        with http.stream("GET", "/v1/inventory/changes", headers=given, timeout=30) as answer:
            for _ in answer.iter_raw():
                arrived.set()
        self.opened[name] = time.monotonic()

    def close(self) -> None:
        self.ended.set()
        for thread in self.threads:
            thread.join(5)

    def seconds(self) -> dict[str, float]:
        """How long each door stayed open after the act."""
        return {name: round(max(0.0, at - self.since), 2) for name, at in self.opened.items()}
