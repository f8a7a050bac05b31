"""Ann of alpha: signed in by password, with ways to give her factors and to come back in another browser."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pyotp
import pytest

from tests.identity.conftest import *  # noqa: F403 - the world of identity, for this folder too
from tests.identity.conftest import PASSWORD
from tests.identity.strong.authenticator import Authenticator

EMAIL = "ann@alpha.example"


@dataclass
class Ann:
    id: UUID
    client: Any
    world: Any

    def add_passkey(self, **fields: Any) -> Authenticator:
        """Registers a passkey of whoever is signed in."""
        key = Authenticator(**fields)
        options = self.client.post("/v1/me/passkeys/options")
        assert options.status_code == 200, options.text
        given = {"credential": key.create(options.json()), "name": "Phone"}
        answer = self.client.post("/v1/me/passkeys", json=given)
        assert answer.status_code == 201, answer.text
        return key

    def add_totp(self) -> pyotp.TOTP:
        """Sets up an authenticator app of whoever is signed in. The code that confirmed it is used up."""
        app = pyotp.TOTP(self.client.post("/v1/me/totp").json()["secret"])
        assert self.client.post("/v1/me/totp/confirmation", json={"code": app.now()}).status_code == 204
        return app

    def leave(self) -> None:
        """Another browser from now on."""
        self.client.cookies.clear()
        self.client.headers.pop("x-csrf-token", None)

    def password(self) -> Any:
        """The first step of signing in, whatever comes of it."""
        return self.client.post("/v1/session", json={"email": EMAIL, "password": PASSWORD})

    def by_passkey(self, key: Authenticator) -> Any:
        """Signs in with a passkey, or goes on with it; the answer, whatever it is."""
        options = self.client.post("/v1/session/passkey/options").json()
        answer = self.client.post("/v1/session/passkey", json={"credential": key.get(options)})
        if answer.status_code == 201:
            self.client.headers["x-csrf-token"] = answer.json()["csrf_token"]
        return answer


@pytest.fixture
def ann(client: Any, world: Any, sign_in: Any) -> Ann:
    person = world.person(EMAIL, "admin", at=world.a)
    sign_in(EMAIL)
    return Ann(person, client, world)
