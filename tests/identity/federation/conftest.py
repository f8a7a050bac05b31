"""Alpha has shown that alpha.example is its own, and its people sign in at a provider of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import pytest

from hub import vault
from hub.columns import new_id
from hub.database import Tenancy, set_tenancy
from hub.settings import settings
from identity.federation import oidc
from identity.federation.models import IdentityProvider, VerifiedDomain
from tests.conftest import GROUP
from tests.identity.federation.provider import CLIENT, SECRET, Provider, back, serving

ANN = {"sub": "ann-1", "email": "ann@alpha.example", "email_verified": True, "name": "Ann", "locale": "en-GB"}


@pytest.fixture
def theirs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    monkeypatch.setattr(settings(), "outgoing_networks", "127.0.0.0/8")
    oidc.forget()
    with serving() as provider:
        provider.person = dict(ANN)
        yield provider


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Iterator[None]:
    monkeypatch.setattr(settings(), "home", tmp_path)
    vault._vault.cache_clear()
    yield
    vault._vault.cache_clear()


@pytest.fixture
def register(world: Any) -> Callable[..., UUID]:
    """Makes an organisation's provider, and its domain verified."""

    def make(at: UUID, issuer: str, domain: str = "", **fields: Any) -> UUID:
        set_tenancy(world.session, Tenancy((at,), at))
        known = {"name": "Theirs", "client_id": CLIENT, "client_secret": vault.seal(SECRET.encode())}
        roles = {"scopes": ["email"], "role_claim": "", "role_mapping": {}, "default_roles": ["planner"]}
        flags = {"is_authoritative": False, "is_enforced": False}
        made = IdentityProvider(id=new_id(), organisation_id=at, issuer=issuer, **known | roles | flags | fields)
        world.session.add(made)
        if domain:
            proof = {"token": "t", "method": "dns", "verified_at": datetime.now(UTC)}
            world.session.add(VerifiedDomain(id=new_id(), organisation_id=at, domain=domain, **proof))
        world.session.flush()
        return made.id

    return make


@pytest.fixture
def ours(world: Any, theirs: Provider, register: Callable[..., UUID]) -> UUID:
    """Alpha's provider, as the hub keeps it."""
    return register(world.a, theirs.issuer, "alpha.example")


@pytest.fixture
def leave(client: Any) -> Callable[..., str]:
    """Begins a sign-in; the answer is the provider's address that the browser is led to."""

    def begin(provider_id: UUID, next: str = "/inventory") -> str:
        answer = client.get(f"/federation/{provider_id}/start", params={"next": next})
        return follow(client, answer)

    return begin


@pytest.fixture
def enter(client: Any, theirs: Provider, leave: Callable[..., str]) -> Callable[..., Any]:
    """The whole way at a provider of the hub's; the answer is the callback's."""

    def way(provider_id: UUID, **changes: str | None) -> Any:
        address = leave(provider_id)
        assert urlsplit(address).netloc == urlsplit(theirs.issuer).netloc
        answer = {k: v for k, v in (theirs.authorize(address) | changes).items() if v is not None}
        return client.get(back(address, answer))

    return way


def follow(client: Any, answer: Any) -> str:
    assert answer.status_code == 303, answer.text
    led = client.get(answer.headers["location"])
    assert led.status_code == 200, led.text
    return str(led.headers["refresh"].removeprefix("0;url="))


@pytest.fixture
def come_back(enter: Callable[..., Any], ours: UUID) -> Callable[..., Any]:
    """The whole way at Alpha's."""
    return partial(enter, ours)


@pytest.fixture
def world_of() -> Callable[[Any], UUID]:
    """In a database of its own: the group with a provider."""

    def make(database: Any) -> UUID:
        from sqlalchemy.orm import Session

        with Session(database.engine) as session, session.begin():
            set_tenancy(session, Tenancy((GROUP,), GROUP))
            flags = {"is_authoritative": False, "is_enforced": False, "scopes": [], "default_roles": ["planner"]}
            made = IdentityProvider(
                id=new_id(), organisation_id=GROUP, name="Theirs", issuer="https://id.example", client_id=CLIENT,
                role_claim="", role_mapping={}, **flags,
            )  # fmt: skip
            session.add(made)
            session.flush()
            return made.id

    return make
