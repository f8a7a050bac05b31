"""PyPI simple-openid-connect, a strictly typed relying party."""

from __future__ import annotations

import secrets
from typing import Any

import pytest
from simple_openid_connect.client import OpenidClient
from simple_openid_connect.data import (
    RpInitiatedLogoutRequest,
    TokenErrorResponse,
    TokenIntrospectionSuccessResponse,
    TokenSuccessResponse,
    UserinfoErrorResponse,
    UserinfoSuccessResponse,
)
from simple_openid_connect.exceptions import AuthenticationFailedError
from simple_openid_connect.pkce import generate_pkce_pair

from tests.conformance.browser import Browser

pytestmark = pytest.mark.peer("simple-openid-connect")


@pytest.fixture
def rp(stage: dict[str, Any]) -> OpenidClient:
    given = stage["clients"]["basic"]
    return OpenidClient.from_issuer_url(
        stage["issuer"], stage["callback"], given["client_id"], given["client_secret"], scope="openid profile email"
    )


class SignIn:
    """One authorization request of the peer's, answered in ann's browser."""

    def __init__(self, rp: OpenidClient, browser: Browser, **asked: Any) -> None:
        self.rp, self.nonce, self.state = rp, secrets.token_urlsafe(), secrets.token_urlsafe()
        self.verifier, self.challenge = generate_pkce_pair()
        own = {"state": self.state, "nonce": self.nonce, "code_challenge": self.challenge}
        address = rp.authorization_code_flow.start_authentication(**own, code_challenge_method="S256", **asked)
        self.back = browser.answered(address)

    def tokens(self, **changed: Any) -> TokenSuccessResponse | TokenErrorResponse:
        given = {"code_verifier": self.verifier, "code_challenge": self.challenge, "state": self.state} | changed
        return self.rp.authorization_code_flow.handle_authentication_result(
            self.back, additional_redirect_args={}, code_challenge_method="S256", **given
        )


@pytest.fixture
def held(rp: OpenidClient, ann: Browser) -> TokenSuccessResponse:
    given = SignIn(rp, ann).tokens()
    assert isinstance(given, TokenSuccessResponse), given
    return given


def test_sign_in(rp: OpenidClient, ann: Browser, stage: dict[str, Any]) -> None:
    signing_in = SignIn(rp, ann)
    given = signing_in.tokens()
    assert isinstance(given, TokenSuccessResponse), given
    claims = rp.decode_id_token(given.id_token, nonce=signing_in.nonce)
    assert claims.sub == stage["people"]["ann"]["id"]


def test_userinfo(rp: OpenidClient, held: TokenSuccessResponse, stage: dict[str, Any]) -> None:
    said = rp.fetch_userinfo(held.access_token)
    assert isinstance(said, UserinfoSuccessResponse)
    assert (said.sub, said.email) == (stage["people"]["ann"]["id"], stage["people"]["ann"]["email"])


def test_userinfo_of_a_wrong_token(rp: OpenidClient) -> None:
    assert isinstance(rp.fetch_userinfo("no-token"), UserinfoErrorResponse)


def test_refresh(rp: OpenidClient, held: TokenSuccessResponse) -> None:
    again = rp.exchange_refresh_token(held.refresh_token)
    assert isinstance(again, TokenSuccessResponse)
    assert again.refresh_token != held.refresh_token


def test_refresh_with_a_wrong_token(rp: OpenidClient) -> None:
    refused = rp.exchange_refresh_token("no-token")
    assert isinstance(refused, TokenErrorResponse)
    assert refused.error == "invalid_grant"


def test_introspection(rp: OpenidClient, held: TokenSuccessResponse) -> None:
    found = rp.introspect_token(held.access_token)
    assert isinstance(found, TokenIntrospectionSuccessResponse)
    assert found.active


def test_wrong_verifier(rp: OpenidClient, ann: Browser) -> None:
    other = generate_pkce_pair()
    refused = SignIn(rp, ann).tokens(code_verifier=other[0], code_challenge=other[1])
    assert isinstance(refused, TokenErrorResponse)
    assert refused.error == "invalid_grant"


def test_login_required(rp: OpenidClient, stage: dict[str, Any]) -> None:
    with pytest.raises(AuthenticationFailedError) as refused:
        SignIn(rp, Browser(stage), prompt=["none"]).tokens()
    assert refused.value.error.error == "login_required"


def test_logout(rp: OpenidClient, stage: dict[str, Any]) -> None:
    person = Browser(stage)
    person.sign_in("ann")
    given = SignIn(rp, person).tokens()
    request = RpInitiatedLogoutRequest(
        id_token_hint=given.id_token, post_logout_redirect_uri=stage["goodbye"], state="bye"
    )
    assert person.answered(rp.initiate_logout(request)) == f"{stage['goodbye']}?state=bye"
