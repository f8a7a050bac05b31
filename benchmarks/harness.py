"""What every bench stands on: a hub of its own (embedded PostgreSQL with its usual settings, API and worker as
processes), organisations and agents entered as an administrator would, and the measuring of processes."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any
from uuid import UUID

import httpx
import psycopg
from sqlalchemy.orm import Session

from connectors.identity import Identity
from connectors.identity import read as read_identity
from hub import migrate, postgres
from hub.cli.serve import start
from hub.columns import new_id
from hub.database import Tenancy, make_engine, set_tenancy, unit_of_work
from hub.models import Organisation
from hub.settings import settings
from hub.supervisor import Child, Supervisor
from identity.agents.schemas import AgentIn, Grant
from identity.agents.service import create_agent
from identity.models import Membership, Person
from identity.organisations.schemas import OrganisationIn
from identity.organisations.service import create_organisation
from identity.people.schemas import PersonIn
from identity.people.service import add_person
from identity.principal import Principal
from identity.scopes import ROLES, scopes_of
from identity.secrets import hash_password
from masterdata.landscape.schemas import SystemIn
from masterdata.landscape.service import register_system

PASSWORD = "bench-bench-bench-1"  # noqa: S105 - of a database that ends with the bench


@dataclass(slots=True)
class Deployment:
    """A running hub. `root` is head office, `organisations` its plants by key; `agent` holds grants for all systems."""

    folder: Path
    server: postgres.Server
    supervisor: Supervisor
    address: str
    root: UUID
    organisations: dict[str, UUID] = field(default_factory=dict)
    agent: Identity | None = None

    def owner(self, database: str = "hub") -> psycopg.Connection:
        """A connection past row security, for seeding and for the bare SQL a bench compares with."""
        return psycopg.connect(self.server.dsn(database, postgres.SUPERUSER), autocommit=True)

    def process(self, name: str) -> Child:
        return next(child for child in self.supervisor.children if child.name == name)

    def client(self, email: str = "planner@bench.example") -> httpx.Client:
        """A browser's session of a person: the cookie is in the client."""
        client = httpx.Client(base_url=self.address, timeout=60)
        answer = client.post("/v1/session", json={"email": email, "password": PASSWORD})
        client.headers["x-csrf-token"] = answer.raise_for_status().json()["csrf_token"]
        return client


@contextmanager
def deployment(plants: int = 1) -> Iterator[Deployment]:
    """A hub with head office, `plants` subsidiaries p00, p01, …, one system (same key) and one planner each."""
    folder = Path(tempfile.mkdtemp(prefix="hub-bench-"))
    folder.chmod(0o755)
    address = _configure(folder)
    supervisor = Supervisor(folder / "logs")
    try:
        with postgres.embedded(folder / "postgres") as server:
            migrate.upgrade(server.dsn())
            made = Deployment(folder, server, supervisor, address, new_id())
            code = _found(made, [f"p{n:02}" for n in range(plants)])
            os.environ["HUB_DATABASE_URL"] = server.dsn()
            os.environ["HUB_APPLICATION_URL"] = server.dsn(user=postgres.APPLICATION)
            settings.cache_clear()
            start(supervisor, {}, lambda *_: None)
            made.agent = _enrol(made, code)
            yield made
            supervisor.end()
    finally:
        supervisor.end()
        shutil.rmtree(folder, ignore_errors=True)


def _configure(folder: Path) -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    os.environ |= {"HUB_HOME": str(folder / "home"), "HUB_PORT": str(port), "HUB_HOST": "127.0.0.1"}
    for name in ("HUB_DATABASE_URL", "HUB_APPLICATION_URL"):
        os.environ.pop(name, None)
    settings.cache_clear()
    return f"http://127.0.0.1:{port}"


def _found(made: Deployment, keys: Sequence[str]) -> str:
    """Organisations, people, systems and the agent; its one-time code."""
    owner = make_engine(made.server.dsn(), 1)
    with unit_of_work(owner, Tenancy((made.root,))) as session:
        session.add(Organisation(id=made.root, key="bench", kind="group", name_zh="集团", name_en="Group"))
    owner.dispose()
    application = make_engine(made.server.dsn(user=postgres.APPLICATION), 1)
    caller = Principal("person", new_id(), "bench", made.root, (made.root,), frozenset(scopes_of(ROLES)), is_group=True)
    with unit_of_work(application, Tenancy((made.root,), made.root)) as session:
        for key in keys:
            plant = create_organisation(session, caller, OrganisationIn(key=key, name_zh=key, name_en=key))
            made.organisations[key] = plant.id
        readable = (made.root, *made.organisations.values())
        _person(session, made.root, "planner@bench.example", readable)
        for key, organisation_id in made.organisations.items():
            _person(session, organisation_id, f"{key}@bench.example", readable)
            register_system(
                session, SystemIn(key=key, kind="bench", name_zh=key, name_en=key, zone="UTC", organisations=[key])
            )
        set_tenancy(session, Tenancy(readable, made.root))
        grants = [Grant(system=key, organisation_ids=[i]) for key, i in made.organisations.items()]
        everyone = Principal("person", caller.id, "bench", made.root, readable, caller.scopes, is_group=True)
        code = create_agent(session, everyone, AgentIn(name="bench", grants=grants)).code
    application.dispose()
    return code


def _person(session: Session, organisation_id: UUID, email: str, readable: tuple[UUID, ...]) -> None:
    set_tenancy(session, Tenancy(readable, organisation_id))
    roles: list[Any] = list(ROLES)
    person_id = add_person(session, organisation_id, PersonIn(email=email, name=email, roles=roles, locale="en"))
    person = session.get(Person, person_id)
    if person is not None:
        person.password_hash = hash_password(PASSWORD)
    session.add(Membership(organisation_id=organisation_id, person_id=person_id, scopes=scopes_of(roles)))
    session.flush()


def _enrol(made: Deployment, code: str) -> Identity:
    state = made.folder / "state"
    command = [sys.executable, "-m", "connectors.cli", "enrol", "--hub", made.address, "--state", str(state)]
    subprocess.run([*command, "--code", code], check=True, capture_output=True)
    return read_identity(state)


class PeakMemory:
    """The highest sum of resident memory of some processes while the block runs, in MB, sampled 20 times a second."""

    def __init__(self, pids: Sequence[int]) -> None:
        self.pids, self.peak_mb = pids, 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> PeakMemory:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(0.05):
            self.peak_mb = max(self.peak_mb, sum(_resident_mb(pid) for pid in self.pids))


def _resident_mb(pid: int) -> float:
    """A process with its children: a worker may have some."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (OSError, ValueError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20 + sum(_resident_mb(int(child)) for child in children)


def percentile(values: Sequence[float], share: float) -> float:
    """Nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, round(share * len(ordered) + 0.5) - 1))]


def milliseconds(values: Sequence[float], share: float) -> float:
    """A percentile of seconds, as the benches report it."""
    return round(percentile(values, share) * 1_000, 1)


def wait_for(connection: psycopg.Connection, query: str, seconds: float = 300) -> None:
    """Until a query answers true."""
    deadline = time.monotonic() + seconds
    while not (row := connection.execute(query).fetchone()) or not row[0]:
        if time.monotonic() > deadline:
            raise TimeoutError(f"Not true within {seconds:.0f} s: {query}")
        time.sleep(0.05)
