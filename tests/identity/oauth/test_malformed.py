"""Requests that no good client sends: answered as RFC 6749 says, never by an accident."""

from __future__ import annotations

from base64 import b64encode

import pytest

from tests.identity.oauth.conftest import CALLBACK, query_of

FORM = {"content-type": "application/x-www-form-urlencoded"}
MANY = "&".join(f"p{n}=x" for n in range(101))


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (f"grant_type=client_credentials&{MANY}", FORM),
        ("scope=feeds:read", FORM),
        ('{"grant_type": "client_credentials"}', {"content-type": "application/json"}),
    ],
)
def test_what_is_no_request_is_called_so(client, app_of, body, headers) -> None:
    answer = client.post("/oauth/token", content=body, headers=headers, auth=(app_of.client_id, app_of.secret))
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


def test_credentials_that_are_no_text_prove_nothing(client) -> None:
    wrong = {"authorization": f"Basic {b64encode(bytes([255, 58, 254])).decode()}"}
    answer = client.post("/oauth/token", data={"grant_type": "client_credentials"}, headers=wrong)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


def test_a_client_proves_itself_in_one_way(client, make_app) -> None:
    robot = make_app(grant_types=["client_credentials"], redirect_uris=[], scopes=["feeds:read"])
    twice = {"grant_type": "client_credentials", "client_id": robot.client_id, "client_secret": robot.secret}
    answer = client.post("/oauth/token", data=twice, auth=(robot.client_id, robot.secret))
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


def test_authorization_request_without_its_type_or_with_too_much(app_of) -> None:
    answer = app_of.authorize(response_type=None)
    assert answer.headers["location"].startswith(CALLBACK)
    assert query_of(answer)["error"] == "invalid_request"
    assert app_of.authorize(**{f"p{n}": "x" for n in range(101)}).status_code == 400
