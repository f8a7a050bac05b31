"""The flows that must work: code with PKCE, refresh, client credentials, exchange, userinfo, sign-out."""

from __future__ import annotations

from joserfc import jwt
from joserfc.jwk import KeySet

from tests.identity.oauth.conftest import EXCHANGE, ISSUER, query_of


def decoded(client, token: str) -> jwt.Token:
    published = KeySet.import_key_set(client.get("/oauth/jwks").json())
    return jwt.decode(token, published, algorithms=["RS256"])


def test_code_becomes_tokens_that_say_who_for_whom_and_for_what(client, app_of, ann, world) -> None:
    answer = app_of.authorize()
    assert query_of(answer)["state"] == "st"
    assert query_of(answer)["iss"] == ISSUER
    tokens = app_of.redeem(query_of(answer)["code"]).json()
    access, identity = decoded(client, tokens["access_token"]), decoded(client, tokens["id_token"])
    assert access.header["typ"] == "at+jwt"
    assert access.claims["aud"] == ISSUER
    assert identity.claims["aud"] == app_of.client_id
    for claims in (access.claims, identity.claims):
        assert (claims["sub"], claims["org_id"], claims["home_org_id"]) == (str(ann), str(world.a), str(world.a))
    assert identity.claims["nonce"] == "no"
    assert identity.claims["email"] == "ann@alpha.example"
    assert "inventory:read" in tokens["scope"].split()


def test_access_token_opens_the_api_with_what_was_granted_alone(app_of) -> None:
    token = app_of.tokens()["access_token"]
    assert app_of.call("/v1/me", token).json()["scopes"] != []
    assert app_of.call("/v1/people", token).status_code == 403
    assert app_of.call("/v1/agents", app_of.tokens(scope="feeds:read")["access_token"]).status_code == 200


def test_scope_not_held_is_not_given(app_of) -> None:
    given = app_of.tokens(scope="openid people:read inventory:read")
    assert given["scope"].split() == ["inventory:read", "openid"]


def test_userinfo_tells_what_was_agreed(client, app_of, ann) -> None:
    full = app_of.call("/oauth/userinfo", app_of.tokens()["access_token"]).json()
    assert (full["sub"], full["email"], full["name"]) == (str(ann), "ann@alpha.example", "ann")
    assert "email" not in app_of.call("/oauth/userinfo", app_of.tokens(scope="openid")["access_token"]).json()
    assert app_of.call("/oauth/userinfo", app_of.tokens(scope="inventory:read")["access_token"]).status_code == 403


def test_who_is_refused_a_person_is_told_by_name_why(client, app_of) -> None:
    narrow = app_of.refresh(app_of.tokens()["refresh_token"], scope="inventory:read").json()["access_token"]
    asked = {token: app_of.call("/oauth/userinfo", token) for token in (narrow, "no-token")}
    assert asked[narrow].headers["www-authenticate"] == 'Bearer error="insufficient_scope", scope="openid"'
    assert asked["no-token"].headers["www-authenticate"] == 'Bearer error="invalid_token"'
    assert [one.status_code for one in asked.values()] == [403, 401]
    client.cookies.clear()
    assert client.get("/oauth/userinfo").headers["www-authenticate"] == "Bearer"


def test_refresh_goes_on_with_a_new_token(app_of) -> None:
    first = app_of.tokens()
    second = app_of.refresh(first["refresh_token"]).json()
    assert second["refresh_token"] != first["refresh_token"]
    assert app_of.refresh(second["refresh_token"]).status_code == 200


def test_service_account_acts_for_its_organisation(make_app, world, client) -> None:
    robot = make_app(grant_types=["client_credentials"], redirect_uris=[], scopes=["feeds:read"], at=world.a)
    given = robot.token(grant_type="client_credentials").json()
    assert "refresh_token" not in given
    claims = decoded(client, given["access_token"]).claims
    assert (claims["sub"], claims["org_id"]) == (robot.client_id, str(world.a))
    agents = robot.call("/v1/agents", given["access_token"])
    assert agents.status_code == 200
    assert robot.call("/v1/me", given["access_token"]).json()["kind"] == "client"


def test_exchange_switches_the_acting_organisation(client, app_of, world, ann) -> None:
    world.member(ann, "planner", at=world.b)
    held = app_of.tokens()["access_token"]
    form = {
        "grant_type": EXCHANGE,
        "subject_token": held,
        "subject_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "organization": "beta",
    }
    given = app_of.token(**form).json()
    assert decoded(client, given["access_token"]).claims["org_id"] == str(world.b)
    assert app_of.call("/v1/me", given["access_token"]).json()["readable"] == [str(world.b)]
    assert app_of.token(**form | {"organization": "group"}).status_code == 400


def test_introspection_and_revocation(app_of, make_app) -> None:
    held = app_of.tokens()
    auth = (app_of.client_id, app_of.secret)
    ask = lambda token: app_of.http.post("/oauth/introspect", data={"token": token}, auth=auth).json()  # noqa: E731
    assert ask(held["access_token"])["active"] and ask(held["refresh_token"])["active"]
    assert ask("no token at all") == {"active": False}
    app_of.http.post("/oauth/revoke", data={"token": held["access_token"]}, auth=auth)
    assert ask(held["access_token"]) == {"active": False}
    assert app_of.call("/v1/me", held["access_token"]).status_code == 401
    assert ask(held["refresh_token"])["active"]
    app_of.http.post("/oauth/revoke", data={"token": held["refresh_token"]}, auth=auth)
    assert app_of.refresh(held["refresh_token"]).json()["error"] == "invalid_grant"


def test_sign_out_by_the_client_ends_session_and_tokens(app_of, session) -> None:
    held = app_of.tokens()
    asked = {"id_token_hint": held["id_token"], "post_logout_redirect_uri": "https://app.example/bye", "state": "x"}
    answer = app_of.http.get("/oauth/logout", params=asked)
    assert answer.headers["location"] == "https://app.example/bye?state=x"
    assert app_of.call("/v1/me", held["access_token"]).status_code == 401
    assert app_of.refresh(held["refresh_token"]).json()["error"] == "invalid_grant"
