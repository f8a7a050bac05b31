"""RFC 9700, OAuth 2.1 and their neighbours as tests, one each, numbered: tokens, clients, devices, sign-out."""

from __future__ import annotations

import hmac
import json
import time
from base64 import urlsafe_b64encode
from datetime import timedelta
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey
from sqlalchemy import text

from identity.oauth import devices, endpoints, grants, keys, tokens
from identity.people import service as people
from identity.people.schemas import PersonPatch
from tests.conftest import GROUP
from tests.identity.audit.test_recorded import log_of
from tests.identity.oauth.conftest import ISSUER
from tests.identity.oauth.test_flow import decoded

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"


def age(session: Any, table: str, column: str, seconds: int) -> None:
    """Let time pass for what the table holds."""
    session.execute(text(f"update {table} set {column} = {column} - make_interval(secs => :s)"), {"s": seconds})


def test_06_a_code_is_good_once_and_its_second_use_ends_what_the_first_gave(app_of) -> None:
    code = app_of.code()
    given = app_of.redeem(code).json()
    assert app_of.redeem(code).json()["error"] == "invalid_grant"
    assert app_of.refresh(given["refresh_token"]).json()["error"] == "invalid_grant"
    assert app_of.call("/v1/me", given["access_token"]).status_code == 401


def test_08_a_code_is_bound_to_its_client_and_address_and_short_lived(app_of, make_app, monkeypatch) -> None:
    other, code = make_app(), app_of.code()
    assert other.redeem(code).json()["error"] == "invalid_grant"
    assert app_of.redeem(code).status_code == 200
    assert app_of.redeem(app_of.code(), redirect_uri="https://app.example/other").json()["error"] == "invalid_grant"
    monkeypatch.setattr(grants, "CODE_SECONDS", -1)
    assert app_of.redeem(app_of.code()).json()["error"] == "invalid_grant"


def test_12_refresh_rotates_and_a_reuse_after_the_grace_ends_the_family(app_of, make_app, world, monkeypatch) -> None:
    first = app_of.tokens()["refresh_token"]
    assert make_app().refresh(first).json()["error"] == "invalid_grant"
    second = app_of.refresh(first).json()["refresh_token"]
    monkeypatch.setattr(grants, "GRACE_SECONDS", 0)
    for token in (first, first, second):
        assert app_of.refresh(token).json()["error"] == "invalid_grant"
    for concerned in (world.a, GROUP):
        assert [e.action for e in log_of(world, concerned)].count("token_reuse_detected") == 1


def test_06_a_code_that_comes_again_is_recorded_with_its_grant(app_of, world) -> None:
    code = app_of.code()
    assert app_of.redeem(code).status_code == 200
    assert [app_of.redeem(code).status_code for _ in range(2)] == [400, 400]
    assert [e.action for e in log_of(world, world.a)].count("token_reuse_detected") == 1


def test_13_refresh_never_widens_and_ends_with_what_it_stands_on(app_of, world, session, ann, monkeypatch) -> None:
    held = app_of.tokens(scope="openid inventory:read")["refresh_token"]
    assert app_of.refresh(held, scope="openid people:read").json()["error"] == "invalid_scope"
    monkeypatch.setattr(grants, "IDLE_DAYS", -1)
    idle = app_of.tokens()["refresh_token"]
    assert app_of.refresh(idle).json()["error"] == "invalid_grant"
    monkeypatch.undo()
    held = app_of.tokens(scope="openid offline_access")["refresh_token"]
    boss = world.person("boss@alpha.example", "admin", at=world.a)
    caller = world.principal(boss, "admin", at=world.a)
    people.change_person(session, caller, ann, PersonPatch(is_disabled=True))
    assert app_of.refresh(held).json()["error"] == "invalid_grant"


def test_14_two_tabs_that_refresh_together_both_stay_and_share_one_successor(app_of) -> None:
    first = app_of.tokens()["refresh_token"]
    one, two = app_of.refresh(first).json(), app_of.refresh(first).json()
    assert one["refresh_token"] == two["refresh_token"]
    assert app_of.call("/v1/me", two["access_token"]).status_code == 200
    auth = (app_of.client_id, app_of.secret)
    app_of.http.post("/oauth/revoke", data={"token": one["refresh_token"]}, auth=auth)
    for held in (one, two):
        assert app_of.call("/v1/me", held["access_token"]).status_code == 401


def test_15_tokens_are_never_cached(app_of) -> None:
    for answer in (app_of.redeem(app_of.code()), app_of.redeem("nonsense")):
        assert answer.headers["cache-control"] == "no-store"


def test_19_a_token_in_the_address_is_no_token(app_of) -> None:
    token = app_of.tokens()["access_token"]
    app_of.http.cookies.clear()
    assert app_of.http.get(f"/v1/me?access_token={token}").status_code == 401
    assert app_of.http.get(f"/oauth/userinfo?access_token={token}").status_code == 401
    assert app_of.http.post("/oauth/userinfo", data={"access_token": token}).status_code == 401


def part(value: Any) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def forged(session: Any, claims: dict[str, Any], kind: str) -> str:
    own, public = RSAKey.generate_key(2048), keys.published(session).keys[0]
    header: dict[str, Any] = {"alg": "RS256", "typ": "at+jwt", "kid": public.kid}
    if kind in ("none", "hs256"):
        said = f"{part(header | {'alg': {'none': 'none', 'hs256': 'HS256'}[kind]})}.{part(claims)}"
        mac = hmac.digest(public.as_pem(private=False), said.encode(), "sha256")
        return f"{said}.{part(mac) if kind == 'hs256' else ''}"
    if kind in ("jwk", "jku"):
        header |= {"jwk": own.as_dict(private=False)} if kind == "jwk" else {"jku": "https://evil.example/jwks"}
        return jwt.encode(header, claims, own)
    return jwt.encode(header | {"kid": "other"}, claims, own)


@pytest.mark.parametrize("kind", ["none", "hs256", "jwk", "jku", "kid"])
def test_20_a_forged_token_is_refused(app_of, client, session, kind) -> None:
    claims = dict(decoded(client, app_of.tokens()["access_token"]).claims)
    assert app_of.call("/v1/me", forged(session, claims, kind)).status_code == 401


@pytest.mark.parametrize(
    ("kind", "changed"),
    [
        ("at+jwt", {"aud": "other"}), ("at+jwt", {"iss": "https://evil.example"}), ("at+jwt", {"exp": 1}),
        ("at+jwt", {"exp": None}), ("JWT", {}), ("logout+jwt", {}), ("at+jwt", {"org_id": str(GROUP)}),
        ("at+jwt", {"aud": [ISSUER, "other"]}),
    ],
)  # fmt: skip
def test_20_a_token_of_other_kind_place_or_time_is_refused(app_of, client, session, kind, changed) -> None:
    claims = dict(decoded(client, app_of.tokens()["access_token"]).claims) | changed
    key = keys.signing(session)
    token = jwt.encode({"alg": "RS256", "typ": kind, "kid": key.kid}, claims, key)
    assert app_of.call("/v1/me", token).status_code == 401


@pytest.fixture
def robot(make_app, world):
    key = RSAKey.generate_key(2048, {"kid": "one"})
    fields = {"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [key.as_dict(private=False)]}}
    app = make_app(grant_types=["client_credentials"], redirect_uris=[], scopes=["feeds:read"], at=world.a, **fields)

    def ask(signer: RSAKey = key, **changed: Any) -> Any:
        now = int(time.time())
        claims = {"iss": app.client_id, "sub": app.client_id, "aud": ISSUER, "iat": now, "exp": now + 60}
        claims |= {"jti": str(time.time_ns())} | changed
        assertion = jwt.encode({"alg": "RS256", "kid": "one"}, {k: v for k, v in claims.items() if v}, signer)
        form = {"grant_type": "client_credentials", "client_assertion_type": ASSERTION, "client_assertion": assertion}
        return app.http.post("/oauth/token", data=form)

    return app, ask


def test_21_private_key_jwt_works_once_per_assertion_and_by_the_registered_key_alone(robot, session) -> None:
    _, ask = robot
    assert ask(jti="same").status_code == 200
    assert ask(jti="same").json()["error"] == "invalid_client"
    past = int(time.time()) - 600
    for wrong in (
        {"aud": "https://evil.example"},
        {"exp": past},
        {"sub": "other"},
        {"jti": None},
        {"exp": 4_000_000_000},
    ):
        assert ask(**wrong).json()["error"] == "invalid_client", wrong
    assert ask(RSAKey.generate_key(2048)).json()["error"] == "invalid_client"
    kept = session.execute(text("select secret_hash from oauth_client_secret")).scalars().all()
    assert all(len(one) == 32 for one in kept)


def test_22_client_credentials_give_no_refresh_token_and_no_persons_sub(robot, client) -> None:
    _, ask = robot
    given = ask().json()
    assert "refresh_token" not in given and "id_token" not in given
    assert decoded(client, given["access_token"]).claims["sub"].startswith("client-")


def test_26_a_new_key_is_published_before_it_signs_and_the_old_one_after(app_of, client, session, monkeypatch) -> None:
    held = app_of.tokens()
    old = decoded(client, held["access_token"]).header["kid"]
    new = keys.rotate(session)
    assert {old, new} == {one["kid"] for one in client.get("/oauth/jwks").json()["keys"]}
    assert decoded(client, app_of.tokens()["access_token"]).header["kid"] == old
    age(session, "oauth_signing_key", "active_at", int(keys.LEAD / timedelta(seconds=1)) + 1)
    keys._known.clear()
    assert decoded(client, app_of.tokens()["access_token"]).header["kid"] == new
    assert app_of.call("/v1/me", held["access_token"]).status_code == 200


def test_27_a_logout_token_is_as_back_channel_logout_wants_it(session, client) -> None:
    token = decoded(client, tokens.logout_token(session, "client-1", "person", "session"))
    assert token.header["typ"] == "logout+jwt"
    assert token.claims["events"] == {"http://schemas.openid.net/event/backchannel-logout": {}}
    assert (token.claims["iss"], token.claims["aud"]) == (ISSUER, "client-1")
    assert (token.claims["sub"], token.claims["sid"]) == ("person", "session")
    assert {"iat", "exp", "jti"} <= set(token.claims) and "nonce" not in token.claims


def test_28_device_flow_waits_slows_ends_and_is_good_once(client, ann, world, session, monkeypatch) -> None:
    begun = client.post("/oauth/device_authorization", data={"client_id": "hub-agent"}).json()
    ask = lambda: client.post(  # noqa: E731
        "/oauth/token", data={"grant_type": DEVICE, "client_id": "hub-agent", "device_code": begun["device_code"]}
    )
    assert [ask().json()["error"], ask().json()["error"]] == ["authorization_pending", "slow_down"]
    assert len(begun["user_code"].replace("-", "")) * 4.32 >= 20
    csrf = {"csrf_token": client.headers["x-csrf-token"], "user_code": begun["user_code"].lower()}
    assert "hub-agent" in client.post("/device", data=csrf).text
    allow = csrf | {"decision": "allow", "organization": str(world.a)}
    assert client.post("/device", data=allow).status_code == 200
    assert client.post("/device", data=allow).status_code == 422
    assert ask().status_code == 200
    assert ask().json()["error"] == "invalid_grant"
    monkeypatch.setattr(devices, "TRIES", 0)
    assert client.post("/device", data=csrf).status_code == 429


def test_28_a_refused_and_an_expired_device_are_told(client, ann, monkeypatch) -> None:
    for decision, error in (("deny", "access_denied"), ("", "expired_token")):
        monkeypatch.setattr(endpoints, "DEVICE_SECONDS", 600 if decision else -1)
        begun = client.post("/oauth/device_authorization", data={"client_id": "hub-agent"}).json()
        csrf = {"csrf_token": client.headers["x-csrf-token"], "user_code": begun["user_code"]}
        assert client.post("/device", data=csrf | {"decision": decision}).status_code == (200 if decision else 422)
        form = {"grant_type": DEVICE, "client_id": "hub-agent", "device_code": begun["device_code"]}
        assert client.post("/oauth/token", data=form).json()["error"] == error
