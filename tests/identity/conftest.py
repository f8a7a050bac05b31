"""A small group: head office, two subsidiaries, and people of theirs who can really sign in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.orm import Session

from hub.columns import new_id
from hub.database import Tenancy, set_tenancy
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

    def person(self, email: str, *roles: str, at: UUID, home: UUID | None = None) -> UUID:
        """A member of `at` with PASSWORD."""
        everything = (GROUP, self.a, self.b)
        set_tenancy(self.session, Tenancy(everything, home or at))
        person = Person(
            id=new_id(), organisation_id=home or at, email=email, name=email.split("@")[0], password_hash=HASH
        )
        self.session.add(person)
        self.session.flush()
        self.member(person.id, *roles, at=at)
        return person.id

    def member(self, person_id: UUID, *roles: str, at: UUID) -> None:
        set_tenancy(self.session, Tenancy((GROUP, self.a, self.b), at))
        self.session.add(Membership(organisation_id=at, person_id=person_id, scopes=scopes_of(roles)))
        self.session.flush()

    def principal(self, person_id: UUID, *roles: str, at: UUID, **fields: Any) -> Principal:
        is_group = at == GROUP
        readable = (GROUP, self.a, self.b) if is_group else (at,)
        scopes = effective(scopes_of(roles), "group" if is_group else "subsidiary")
        return Principal("person", person_id, "Test", at, readable, scopes, is_group=is_group, **fields)


@pytest.fixture
def world(session: Session, make_org: Callable[..., Any]) -> World:
    return World(session, make_org("alpha", letter="A").id, make_org("beta", letter="B").id)


@pytest.fixture
def sign_in(client: Any) -> Callable[..., str]:
    """Signs the client in as a person; the answer is the CSRF token, which is also set as a header."""

    def enter(email: str, password: str = PASSWORD) -> str:
        answer = client.post("/v1/session", json={"email": email, "password": password})
        assert answer.status_code == 201, answer.text
        client.headers["x-csrf-token"] = answer.json()["csrf_token"]
        return str(answer.json()["csrf_token"])

    return enter
