"""PyPI idpyoidc as a relying party of ours."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from idpyoidc.client.defaults import DEFAULT_OIDC_SERVICES
from idpyoidc.client.exception import OidcServiceError
from idpyoidc.client.rp_handler import RPHandler

from tests.conformance.browser import Browser

pytestmark = pytest.mark.peer("idpyoidc RP")

PKCE = {
    "function": "idpyoidc.client.oauth2.add_on.pkce.add_support",
    "kwargs": {"code_challenge_length": 64, "code_challenge_method": "S256"},
}
TOKEN = {"class": "idpyoidc.client.oidc.access_token.AccessToken"}
SERVICES = DEFAULT_OIDC_SERVICES | {"end_session": {"class": "idpyoidc.client.oidc.end_session.EndSession"}}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It writes its keys where it stands."""
    monkeypatch.chdir(tmp_path)


def handler(stage: dict[str, Any], name: str, method: str) -> RPHandler:
    given = stage["clients"][name]
    config = {
        "issuer": stage["issuer"],
        "client_id": given["client_id"],
        "client_secret": given["client_secret"],
        "client_type": "oidc",
        "redirect_uris": [stage["callback"]],
        "post_logout_redirect_uris": [stage["goodbye"]],
        "client_authn_methods": [method, "bearer_header"],
        "token_endpoint_auth_methods_supported": [method],
        "services": SERVICES | {"access_token": TOKEN | {"kwargs": {"conf": {"default_authn_method": method}}}},
        "add_ons": {"pkce": PKCE},
    }
    return RPHandler(base_url="https://rp.example", client_configs={"hub": config})


def came_back(rp: RPHandler, browser: Browser, **asked: str) -> dict[str, str]:
    asked = {"scope": "openid profile email"} | asked
    return dict(parse_qsl(urlsplit(browser.answered(rp.begin("hub", req_args=asked))).query))


@pytest.fixture
def rp(stage: dict[str, Any]) -> RPHandler:
    return handler(stage, "basic", "client_secret_basic")


@pytest.mark.parametrize(("name", "method"), [("basic", "client_secret_basic"), ("post", "client_secret_post")])
def test_sign_in(stage: dict[str, Any], ann: Browser, name: str, method: str) -> None:
    rp = handler(stage, name, method)
    found = rp.finalize(stage["issuer"], came_back(rp, ann))
    assert found.get("error") is None, found
    assert found["id_token"]["sub"] == stage["people"]["ann"]["id"]
    assert found["userinfo"]["email"] == stage["people"]["ann"]["email"]


def test_refresh(stage: dict[str, Any], rp: RPHandler, ann: Browser) -> None:
    found = rp.finalize(stage["issuer"], came_back(rp, ann))
    again = rp.refresh_access_token(found["state"])
    assert again["access_token"] != found["token"]
    assert rp.get_user_info(found["state"], access_token=again["access_token"])["sub"] == found["id_token"]["sub"]


def test_login_required(stage: dict[str, Any], rp: RPHandler) -> None:
    found = rp.finalize(stage["issuer"], came_back(rp, Browser(stage), prompt="none"))
    assert "login_required" in str(found)


def test_code_of_another_client(stage: dict[str, Any], rp: RPHandler, ann: Browser) -> None:
    other = handler(stage, "post", "client_secret_post")
    stolen = came_back(rp, ann)["code"]
    with pytest.raises(OidcServiceError, match="invalid_grant"):
        other.finalize(stage["issuer"], came_back(other, ann) | {"code": stolen})


def test_another_state(stage: dict[str, Any], rp: RPHandler, ann: Browser) -> None:
    answer = came_back(rp, ann) | {"state": "another"}
    with pytest.raises(Exception, match=r"another|state"):
        rp.finalize(stage["issuer"], answer)


def test_logout(stage: dict[str, Any], rp: RPHandler) -> None:
    person = Browser(stage)
    person.sign_in("ann")
    found = rp.finalize(stage["issuer"], came_back(rp, person))
    leaving = rp.logout(found["state"], post_logout_redirect_uri=stage["goodbye"])
    assert person.answered(leaving["url"]).startswith(stage["goodbye"])
    assert "login_required" in str(came_back(rp, person, prompt="none"))
