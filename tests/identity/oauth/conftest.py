"""A browser that is signed in, clients of several kinds, and the authorization code flow driven by hand."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest

from hub.database import Tenancy, set_tenancy
from identity.oauth import keys, service
from identity.oauth.schemas import ClientIn
from identity.principal import agents
from tests.conftest import GROUP

CALLBACK = "https://app.example/cb"
VERIFIER = "v" * 64
CHALLENGE = urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
ISSUER = "http://127.0.0.1:8470"
EVERY_SCOPE = ["openid", "profile", "email", "inventory:read", "settings:self", "people:read", "feeds:read"]
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
GRANTS = ["authorization_code", "refresh_token", EXCHANGE]


@pytest.fixture(autouse=True)
def _nothing_kept():
    keys._known.clear()
    agents.clear()
    yield
    keys._known.clear()
    agents.clear()


@dataclass
class App:
    """A client of ours as its programmer sees it."""

    http: Any
    client_id: str
    secret: str
    id: UUID

    def authorize(self, **changed: Any) -> Any:
        """What the authorization endpoint answers to a right request, some parameters changed or (None) left out."""
        given = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": CALLBACK,
            "scope": "openid profile email inventory:read",
            "state": "st",
            "nonce": "no",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        } | changed
        return self.http.get("/oauth/authorize", params={k: v for k, v in given.items() if v is not None})

    def code(self, **changed: Any) -> str:
        answer = self.authorize(**changed)
        assert answer.status_code == 303, answer.text
        found = parse_qs(urlsplit(answer.headers["location"]).query)
        assert "code" in found, found
        return found["code"][0]

    def token(self, **form: Any) -> Any:
        """The token endpoint, with the secret by HTTP Basic unless the form proves the client otherwise."""
        auth = None if "client_id" in form else (self.client_id, self.secret)
        return self.http.post("/oauth/token", data=form, auth=auth)

    def redeem(self, code: str, **changed: Any) -> Any:
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
        return self.token(**{k: v for k, v in (form | changed).items() if v is not None})

    def tokens(self, **changed: Any) -> dict[str, Any]:
        answer = self.redeem(self.code(**changed))
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def refresh(self, token: str, **changed: Any) -> Any:
        return self.token(grant_type="refresh_token", refresh_token=token, **changed)

    def call(self, path: str, token: str) -> Any:
        """The API by bearer token alone, as a program without cookies."""
        agents.clear()
        cookies, self.http.cookies = self.http.cookies, {}
        try:
            return self.http.get(path, headers={"authorization": f"Bearer {token}"})
        finally:
            self.http.cookies = cookies


def query_of(answer: Any) -> dict[str, str]:
    return {k: v[0] for k, v in parse_qs(urlsplit(answer.headers["location"]).query).items()}


@pytest.fixture
def make_app(client: Any, world: Any, session: Any) -> Callable[..., App]:
    def make(at: UUID = GROUP, **fields: Any) -> App:
        given = {
            "client_name": "App",
            "redirect_uris": [CALLBACK],
            "post_logout_redirect_uris": ["https://app.example/bye"],
            "grant_types": GRANTS,
            "scopes": [*EVERY_SCOPE, "offline_access"],
            "is_trusted": True,
            "organisation_id": at,
        } | fields
        admin = world.principal(world.a, "admin", at=GROUP)
        made = service.create_client(session, admin, ClientIn.model_validate(given))
        set_tenancy(session, Tenancy((GROUP, world.a, world.b), GROUP))
        return App(client, made.client.client_id, made.secret or "", made.client.id)

    return make


@pytest.fixture
def ann(world: Any, sign_in: Any) -> UUID:
    """Signed in; a steward of plant A."""
    person: UUID = world.person("ann@alpha.example", "steward", at=world.a)
    sign_in("ann@alpha.example")
    return person


@pytest.fixture
def app_of(make_app: Any, ann: UUID) -> App:
    made: App = make_app()
    return made
