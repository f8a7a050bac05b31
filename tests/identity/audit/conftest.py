"""A log of its own on a committed database, and a superuser who alters it behind the program's back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg
import pytest
from cryptography.fernet import Fernet
from sqlalchemy import Engine

from hub import vault
from hub.database import Tenancy, unit_of_work
from hub.settings import Settings
from identity.audit import sealing, service
from identity.audit.verify import Verified, verify
from tests.conftest import GROUP


@pytest.fixture(autouse=True)
def key(monkeypatch: Any, tmp_path: Any) -> Iterator[None]:
    made = Settings(home=tmp_path, secret_keys=Fernet.generate_key().decode())
    monkeypatch.setattr(vault, "settings", lambda: made)
    vault._marking.cache_clear()
    yield
    vault._marking.cache_clear()


@dataclass(frozen=True)
class Log:
    engine: Engine
    superuser: psycopg.Connection[Any]

    def add(self, count: int = 1, **detail: Any) -> None:
        with unit_of_work(self.engine, Tenancy()) as session:
            for number in range(count):
                service.record(session, "thing_happened", organisations=[GROUP], number=number, **detail)

    def seal(self) -> None:
        sealing.seal(self.engine)

    def verified(self, kept: tuple[int, bytes] | None = None, of: UUID = GROUP) -> Verified:
        with unit_of_work(self.engine, Tenancy((of,))) as session:
            return verify(session, of, kept)

    def findings(self) -> list[str]:
        return [finding.what for finding in self.verified().findings]

    def tamper(self, statement: str, values: Any = ()) -> list[Any]:
        """As a superuser with the triggers off."""
        with self.superuser.transaction():
            self.superuser.execute("set local session_replication_role = replica")
            done = self.superuser.execute(statement, values)  # type: ignore[arg-type]
            return done.fetchall() if done.description else []

    def event(self, seal: int, position: int) -> UUID:
        query = "select event_id from audit_event where seal = %s and position = %s"
        return self.superuser.execute(query, [seal, position]).fetchone()[0]  # type: ignore[index]


@pytest.fixture
def log(committed_db: Any, server: Any) -> Iterator[Log]:
    with psycopg.connect(server.dsn(committed_db.name, "postgres"), autocommit=True) as superuser:
        yield Log(committed_db.engine, superuser)


@pytest.fixture
def three(log: Log) -> Callable[[], Log]:
    """Three seals of three events each."""
    for _ in range(3):
        log.add(3)
        log.seal()
    return log
