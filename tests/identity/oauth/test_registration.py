"""Dynamic registration: with an initial token, as often as it says; what comes in malformed is answered by RFC 7591."""

from __future__ import annotations

import pytest

from identity.oauth import service
from identity.oauth.schemas import RegistrationIn
from tests.conftest import GROUP

GOOD = {"client_name": "Portal", "redirect_uris": ["https://portal.example/cb"], "scope": "openid email rates:write"}


@pytest.fixture
def initial(world, session) -> str:
    admin = world.principal(world.a, "admin", at=GROUP)
    return service.create_registration(session, admin, RegistrationIn(uses=2, organisation_id=world.a))[0]


def register(client, token: str, given) -> object:
    return client.post("/oauth/register", json=given, headers={"authorization": f"Bearer {token}"})


def test_a_client_registers_changes_and_removes_itself(client, initial) -> None:
    made = register(client, initial, GOOD).json()
    assert made["client_secret"] and made["scope"] == "openid email"
    own = {"authorization": f"Bearer {made['registration_access_token']}"}
    at = f"/oauth/register/{made['client_id']}"
    assert client.get(at, headers=own).json()["client_name"] == "Portal"
    assert "client_secret" not in client.get(at, headers=own).json()
    changed = client.put(at, headers=own, json=GOOD | {"client_name": "New"}).json()
    assert changed["client_name"] == "New"
    assert client.delete(at, headers=own).status_code == 204
    assert client.get(at, headers=own).status_code == 401


def test_token_is_good_for_so_many_and_a_foreign_one_for_none(client, initial) -> None:
    first, second, third = (register(client, initial, GOOD) for _ in range(3))
    assert [first.status_code, second.status_code, third.status_code] == [201, 201, 401]
    at = f"/oauth/register/{first.json()['client_id']}"
    other = {"authorization": f"Bearer {second.json()['registration_access_token']}"}
    assert client.get(at, headers=other).status_code == 401
    assert third.json()["error"] == "invalid_token"


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"redirect_uris": ["http://evil.example/cb"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["javascript:alert(1)"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["https://a.example/cb#x"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["https://u@a.example/cb"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["https://*.example/cb"]}, "invalid_redirect_uri"),
        ({"redirect_uris": []}, "invalid_client_metadata"),
        ({"grant_types": ["password"]}, "invalid_client_metadata"),
        ({"grant_types": ["client_credentials"]}, "invalid_client_metadata"),
        ({"token_endpoint_auth_method": "private_key_jwt"}, "invalid_client_metadata"),
        (
            {"jwks": {"keys": [{"kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXM", "kid": "1"}]}},
            "invalid_client_metadata",
        ),
        ({"backchannel_logout_uri": "com.example:/x"}, "invalid_client_metadata"),
    ],
)
def test_bad_metadata_is_refused_by_name(client, initial, given, error) -> None:
    answer = register(client, initial, GOOD | given)
    assert (answer.status_code, answer.json()["error"]) == (400, error)


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b'"x"'])
def test_what_is_no_metadata_is_refused(client, initial, body) -> None:
    answer = client.post("/oauth/register", content=body, headers={"authorization": f"Bearer {initial}"})
    assert answer.status_code == 400 or answer.json()["error"] == "invalid_client_metadata"


def test_a_client_cannot_make_itself_trusted_or_anothers(client, initial, world) -> None:
    made = register(client, initial, GOOD | {"is_trusted": True, "organisation_id": str(world.b)})
    assert made.status_code == 201
    answer = client.get("/oauth/authorize", params={"client_id": made.json()["client_id"]})
    assert answer.status_code == 400
