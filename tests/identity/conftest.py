"""A small group: head office, two subsidiaries, a supplier, and people of theirs who can really sign in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.orm import Session

from hub.columns import new_id
from hub.database import Tenancy, set_tenancy
from identity.audit import notes
from identity.models import Membership, Person
from identity.principal import Principal
from identity.scopes import effective, scopes_of
from identity.secrets import hash_password
from tests.conftest import GROUP

PASSWORD = "correct horse battery"
HASH = hash_password(PASSWORD)


@dataclass(frozen=True)
class World:
    session: Session
    a: UUID
    b: UUID
    supplier: UUID

    @property
    def everything(self) -> tuple[UUID, ...]:
        return GROUP, self.a, self.b, self.supplier

    def kind(self, at: UUID) -> str:
        return {GROUP: "group", self.supplier: "supplier"}.get(at, "subsidiary")

    def person(self, email: str, *roles: str, at: UUID, home: UUID | None = None) -> UUID:
        """A member of `at` with PASSWORD."""
        set_tenancy(self.session, Tenancy((*self.everything, at), home or at))
        person = Person(
            id=new_id(), organisation_id=home or at, email=email, name=email.split("@")[0], password_hash=HASH
        )
        self.session.add(person)
        self.session.flush()
        self.member(person.id, *roles, at=at)
        return person.id

    def member(self, person_id: UUID, *roles: str, at: UUID) -> None:
        set_tenancy(self.session, Tenancy((*self.everything, at), at))
        scopes = scopes_of(roles, self.kind(at))
        self.session.add(Membership(organisation_id=at, person_id=person_id, scopes=scopes))
        self.session.flush()

    def principal(self, person_id: UUID, *roles: str, at: UUID, **fields: Any) -> Principal:
        readable = self.everything if at == GROUP else (at,)
        kind = self.kind(at)
        scopes = effective(scopes_of(roles, kind), kind)
        return Principal("person", person_id, "Test", at, readable, scopes, is_group=at == GROUP, **fields)


@pytest.fixture
def world(session: Session, make_org: Callable[..., Any]) -> World:
    plants = make_org("alpha", letter="A").id, make_org("beta", letter="B").id
    return World(session, *plants, make_org("bolts", kind="supplier").id)


@pytest.fixture
def sign_in(client: Any) -> Callable[..., str]:
    """Signs the client in as a person; the answer is the CSRF token, which is also set as a header."""

    def enter(email: str, password: str = PASSWORD) -> str:
        answer = client.post("/v1/session", json={"email": email, "password": password})
        assert answer.status_code == 201, answer.text
        client.headers["x-csrf-token"] = answer.json()["csrf_token"]
        return str(answer.json()["csrf_token"])

    return enter


@pytest.fixture
def noted(client: Any) -> list[dict[str, Any]]:
    """What requests note, also those that are refused and so undone."""
    found: list[dict[str, Any]] = []
    plain = client.app.state.new_session

    def new_session() -> Session:
        made: Session = plain()
        made.info[notes.INFO] = SimpleNamespace(put=lambda event: found.append(event) or True)
        return made

    client.app.state.new_session = new_session
    return found
