"""RFC 9700, OAuth 2.1 and their neighbours as tests, one each, numbered: the authorization endpoint and its pages."""

from __future__ import annotations

import pytest

from identity.oauth import authorize
from tests.identity.oauth.conftest import CALLBACK, ISSUER, VERIFIER, query_of

WRONG_ADDRESSES = [
    f"{CALLBACK}/more", f"{CALLBACK}?x=1", "https://app.example:8443/cb", f"{CALLBACK}/", f"{CALLBACK}#x",
    "https://user@app.example/cb", "https://APP.example/cb", "https://app.example/CB", "http://app.example/cb",
    "https://app.example.evil.example/cb", "//app.example/cb", "https://app.example\\@evil.example/cb", "javascript:1",
]  # fmt: skip


def test_01_redirect_uri_is_compared_as_an_exact_string(app_of) -> None:
    for address in WRONG_ADDRESSES:
        answer = app_of.authorize(redirect_uri=address)
        assert answer.status_code == 400, address
        assert "location" not in answer.headers


def test_02_http_only_to_loopback_where_the_port_alone_may_vary(make_app, ann) -> None:
    native = make_app(
        application_type="native", token_endpoint_auth_method="none", redirect_uris=["http://127.0.0.1/cb"]
    )
    assert native.authorize(redirect_uri="http://127.0.0.1:51000/cb").status_code == 303
    for address in ("http://127.0.0.1:51000/other", "http://127.0.0.2:1/cb", "http://localhost:1/cb"):
        assert native.authorize(redirect_uri=address).status_code == 400
    web = make_app(redirect_uris=["http://127.0.0.1/cb"])
    assert web.authorize(redirect_uri="http://127.0.0.1:51000/cb").status_code == 400


@pytest.mark.parametrize("changed", [{"client_id": "nobody"}, {"redirect_uri": "https://evil.example"}])
def test_03_unknown_client_or_address_never_redirects(app_of, changed) -> None:
    for error in ({}, {"scope": "nonsense"}, {"response_type": "token"}, {"prompt": "none login"}):
        answer = app_of.authorize(**changed | error)
        assert (answer.status_code, answer.headers.get("location")) == (400, None)


@pytest.mark.parametrize(
    "changed",
    [
        {"code_challenge": None, "code_challenge_method": None},
        {"code_challenge_method": "plain"},
        {"code_challenge_method": None},
        {"code_challenge": None},
        {"code_challenge": "short"},
    ],
)
def test_04_pkce_by_s256_is_required_of_every_client(make_app, ann, changed) -> None:
    for method in ("none", "client_secret_basic"):
        refused = query_of(make_app(token_endpoint_auth_method=method).authorize(**changed))
        assert (refused["error"], refused["state"], "code" in refused) == ("invalid_request", "st", False)


def test_05_wrong_or_missing_verifier_is_refused(app_of) -> None:
    assert app_of.redeem(app_of.code(), code_verifier="w" * 64).json()["error"] == "invalid_grant"
    assert app_of.redeem(app_of.code(), code_verifier=None).json()["error"] == "invalid_request"
    assert app_of.redeem(app_of.code(), code_verifier="short").json()["error"] == "invalid_request"
    code = app_of.code()
    app_of.redeem(code, code_verifier="w" * 64)
    assert app_of.redeem(code, code_verifier=VERIFIER).json()["error"] == "invalid_grant"


def test_09_implicit_hybrid_and_password_are_unsupported(app_of) -> None:
    for kind in ("token", "id_token", "code id_token", "id_token token", ""):
        answer = app_of.authorize(response_type=kind)
        assert query_of(answer)["error"] in ("unsupported_response_type", "invalid_request")
    refused = app_of.token(grant_type="password", username="ann@alpha.example", password="x")
    assert refused.json()["error"] == "unsupported_grant_type"


def test_10_iss_stands_in_every_answer_also_of_errors(app_of) -> None:
    for changed in ({}, {"scope": "nonsense"}, {"prompt": "none login"}, {"response_type": "token"}):
        assert query_of(app_of.authorize(**changed))["iss"] == ISSUER


def test_11_state_and_nonce_come_back_as_they_were_given(app_of) -> None:
    odd = "a b&c=d%2F~!*'();:@+$,?#[]"
    answer = query_of(app_of.authorize(state=odd))
    assert answer["state"] == odd
    assert "state" not in query_of(app_of.authorize(state=None))


def test_16_redirects_after_a_form_are_303(make_app, ann, client) -> None:
    app = make_app(is_trusted=False)
    page = app.authorize()
    assert page.status_code == 200
    allow = {"decision": "allow", "csrf_token": client.headers["x-csrf-token"]}
    given = {
        "response_type": "code", "client_id": app.client_id, "redirect_uri": CALLBACK, "scope": "openid",
        "code_challenge": "c" * 43, "code_challenge_method": "S256",
    }  # fmt: skip
    answer = client.post("/oauth/authorize", data=given | allow)
    assert answer.status_code == 303
    assert "code" in query_of(answer)
    sign_in = client.post("/signin", data={"email": "ann@alpha.example", "password": "correct horse battery"})
    assert sign_in.status_code == 303


def test_17_pages_cannot_be_framed_and_tell_nobody_of_their_address(make_app, ann, client) -> None:
    app = make_app(is_trusted=False)
    pages = [app.authorize(), app.authorize(client_id="x"), client.get("/device"), client.get("/continue")]
    for page in pages:
        assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
        assert page.headers["x-frame-options"] == "DENY"
        assert page.headers["referrer-policy"] == "no-referrer"
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert "http" not in page.text.replace("http-equiv", "").replace(CALLBACK, "").replace("https%3A", "")


def test_18_no_cors_where_people_sign_in(app_of, client) -> None:
    origin = {"origin": "https://evil.example"}
    assert "access-control-allow-origin" not in app_of.authorize().headers
    assert client.options("/oauth/authorize", headers=origin).status_code == 405
    assert "access-control-allow-origin" not in client.get("/signin", headers=origin).headers
    assert client.get("/oauth/jwks").headers["access-control-allow-origin"] == "*"


def test_23_both_metadata_documents_agree(client) -> None:
    first = client.get("/.well-known/openid-configuration").json()
    assert client.get("/.well-known/oauth-authorization-server").json() == first
    assert first["issuer"] == ISSUER
    assert first["code_challenge_methods_supported"] == ["S256"]
    assert first["response_types_supported"] == ["code"]
    assert first["authorization_response_iss_parameter_supported"] is True
    assert "none" not in first["id_token_signing_alg_values_supported"]


def test_24_only_registered_addresses_follow_a_sign_out_or_a_sign_in(app_of, client) -> None:
    hint = app_of.tokens()["id_token"]
    for address in ("https://evil.example", "https://app.example/bye/x", "//evil.example", "https://app.example/bye?x"):
        answer = client.get("/oauth/logout", params={"id_token_hint": hint, "post_logout_redirect_uri": address})
        assert "location" not in answer.headers
    for address in ("https://evil.example", "//evil.example", "/\\evil.example", "javascript:1", "/\t/evil.example"):
        assert 'content="0; url=/"' in client.get("/continue", params={"next": address}).text


def test_25_forwarded_headers_of_a_stranger_change_nothing(app_of, client) -> None:
    forged = {"x-forwarded-host": "evil.example", "x-forwarded-proto": "http", "host": "evil.example"}
    forged |= {"forwarded": "host=evil.example"}
    assert client.get("/.well-known/openid-configuration", headers=forged).json()["issuer"] == ISSUER


def test_what_prompt_and_max_age_ask_is_done(make_app, ann, client, monkeypatch) -> None:
    app = make_app(is_trusted=False)
    assert query_of(app.authorize(prompt="none"))["error"] == "consent_required"
    assert app.authorize(prompt="login").headers["location"].startswith("/signin?next=")
    assert "prompt%3Dlogin" not in app.authorize(prompt="login").headers["location"]
    monkeypatch.setattr(authorize.time, "time", lambda: 4e9)
    assert app.authorize(max_age="60").headers["location"].startswith("/signin")
    assert query_of(app.authorize(max_age="60", prompt="none"))["error"] == "login_required"
    client.cookies.clear()
    assert query_of(app.authorize(prompt="none"))["error"] == "login_required"


@pytest.mark.parametrize(
    "changed",
    [
        {"scope": "openid \x07"}, {"state": "é"}, {"scope": "x" * 3000}, {"prompt": "always"},
        {"response_type": 'co"de'},
        {"response_mode": "form_post"}, {"request": "e30.e30."}, {"request_uri": "https://evil.example/r"},
        {"max_age": "-1"}, {"resource": "https://other.example"}, {"nonce": "n" * 3000}, {"organization": "nobody"},
    ],
)  # fmt: skip
def test_malformed_parameters_are_answered_and_give_no_code(app_of, changed) -> None:
    answer = app_of.authorize(**changed)
    assert answer.status_code in (303, 400)
    assert "code=" not in answer.headers.get("location", "")


def test_a_parameter_that_comes_twice_is_refused(app_of, client) -> None:
    again = app_of.authorize().request.url
    for name in ("client_id", "redirect_uri", "scope", "state", "code_challenge", "nonce"):
        assert client.get(f"{again}&{name}=x").status_code == 400
