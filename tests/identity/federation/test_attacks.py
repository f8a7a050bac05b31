"""What a provider, or somebody between, may try: nobody is signed in, and the state is spent."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from joserfc.jwk import ECKey, RSAKey
from sqlalchemy import text
from sqlalchemy.orm import Session

from identity.federation import flow, oidc
from tests.identity.federation.provider import CLIENT, back, serving

OWN_KEY = RSAKey.generate_key(2048, {"kid": "mine"})
SMALL_KEY = ECKey.generate_key("P-256", {"kid": "mine"})
JWK = {"alg": "ES256", "jwk": SMALL_KEY.as_dict(private=False)}

CLAIMS = [
    ({"iss": "https://evil.example"}, "another issuer"),
    ({"iss": None}, "another issuer"),
    ({"aud": "somebody else"}, "another client"),
    ({"aud": None}, "another client"),
    ({"aud": [CLIENT, "somebody else"]}, "another client"),
    ({"azp": "somebody else"}, "another client"),
    ({"nonce": "of another sign-in"}, "another sign-in"),
    ({"nonce": None}, "another sign-in"),
    ({"exp": int(time.time()) - 120}, "expired"),
    ({"exp": None}, "no exp"),
    ({"exp": "tomorrow"}, "no exp"),
    ({"iat": int(time.time()) + 3_600}, "not made just now"),
    ({"iat": int(time.time()) - 86_400, "exp": int(time.time()) + 300}, "not made just now"),
    ({"iat": None}, "no iat"),
    ({"nbf": int(time.time()) + 3_600}, "not valid yet"),
    ({"sub": None}, "no subject"),
    ({"sub": ""}, "no subject"),
    ({"sub": 7}, "no subject"),
    ({"sub": "x" * 256}, "no subject"),
    ({"sub": "a\x00b"}, "no subject"),
]


def refused(client, answer, why: str) -> None:
    assert answer.status_code == 403 and why in answer.text, answer.text
    assert client.get("/v1/me").status_code == 401


@pytest.mark.parametrize(("lies", "why"), CLAIMS)
def test_claims_that_do_not_fit_are_refused(client, come_back, theirs, lies, why) -> None:
    theirs.lies = lies
    refused(client, come_back(), why)


HEADERS = [
    ({"alg": "none"}, None, "algorithm"),
    ({"alg": "nOnE"}, None, "algorithm"),
    ({"alg": "HS256"}, "public key", "algorithm"),
    (JWK, SMALL_KEY, "signature"),
    (JWK | {"kid": "mine"}, SMALL_KEY, "signature"),
    ({"jku": "https://evil.example/jwks", "kid": "mine"}, OWN_KEY, "signature"),
    ({"kid": "one"}, OWN_KEY, "signature"),
    ({"crit": ["b64"], "b64": False}, None, "signature"),
]


@pytest.mark.parametrize(("header", "signer", "why"), HEADERS)
def test_tokens_that_others_could_make_are_refused(  # noqa: PLR0917 - fixtures and a case
    client, come_back, theirs, header, signer, why
) -> None:
    theirs.header = header
    if signer == "public key":
        signer = theirs.keys[0].as_pem(private=False)
    theirs.signer = signer
    refused(client, come_back(), why)


ANSWERS = [
    ({"id_token": None}, "no ID token"),
    ({"id_token": 7}, "no ID token"),
    ({"id_token": "a.b.c"}, "no signed JWT"),
    ({"id_token": "x" * 40_000}, "longer than"),
]


@pytest.mark.parametrize(("answer", "why"), ANSWERS)
def test_answers_without_a_token_are_refused(client, come_back, theirs, answer, why) -> None:
    theirs.answer = answer
    refused(client, come_back(), why)


RETURNS = [
    ({"iss": "https://evil.example"}, "another issuer"),
    ({"iss": None}, "another issuer"),
    ({"code": None}, "no code"),
    ({"code": "guessed"}, "did not take the code"),
    ({"state": "guessed"}, "another browser"),
    ({"state": None}, "another browser"),
    ({"error": "access_denied"}, "access_denied"),
]


@pytest.mark.parametrize(("changes", "why"), RETURNS)
def test_returns_that_do_not_fit_are_refused(client, come_back, changes, why) -> None:
    refused(client, come_back(**changes), why)


@pytest.fixture
def address(leave, ours) -> str:
    return str(leave(ours))


def test_a_return_counts_once(client, theirs, address) -> None:
    path = back(address, theirs.authorize(address))
    assert client.get(path).status_code == 303
    client.cookies.delete("hub_session")
    refused(client, client.get(path), "has ended already")


def test_a_failed_return_spends_the_state(client, theirs, address) -> None:
    theirs.lies = {"aud": "x"}
    refused(client, client.get(back(address, theirs.authorize(address))), "another client")
    theirs.lies = {}
    refused(client, client.get(back(address, theirs.authorize(address))), "has ended already")


def test_another_browser_cannot_return(app, client, theirs, address) -> None:
    path = back(address, theirs.authorize(address))
    client.cookies.clear()
    refused(client, client.get(path), "another browser")


def test_a_late_return_is_refused(client, theirs, address, session, world) -> None:
    session.execute(text("select set_config('hub.org', :a, true), set_config('hub.orgs', :many, true)"),
                    {"a": str(world.a), "many": f"{{{world.a}}}"})  # fmt: skip
    session.execute(text("update login_state set expires_at = now() - interval '1 second'"))
    refused(client, client.get(back(address, theirs.authorize(address))), "longer than ten minutes")


def test_a_parameter_named_twice_is_refused(client, theirs, address) -> None:
    refused(client, client.get(back(address, theirs.authorize(address)) + "&code=other"), "twice")


def test_an_answer_of_one_provider_does_not_end_a_sign_in_at_another(client, theirs, address, register, world) -> None:
    """Mix-up: begun at one, answered by another."""
    with serving() as evil:
        answer = theirs.authorize(address)
        known = register(world.b, evil.issuer, "beta.example")
        path = f"/federation/{known}/callback?code={answer['code']}&state={answer['state']}&iss={evil.issuer}"
        refused(client, client.get(path), "another browser")
        assert answer["code"] in theirs.codes and evil.asked == []


DOCUMENTS = [
    ({"issuer": "https://evil.example"}, "does not describe itself"),
    ({"token_endpoint": "http://169.254.169.254/latest"}, None),
    ({"token_endpoint": "file:///etc/passwd"}, "no address"),
    ({"token_endpoint": "gopher://evil.example/"}, "begin with https"),
    ({"jwks_uri": "https://user@evil.example/"}, "no address"),
    ({"jwks_uri": None}, "no address"),
]


@pytest.mark.parametrize(("describes", "why"), DOCUMENTS)
def test_a_provider_that_describes_itself_badly_is_not_gone_to(client, theirs, ours, describes, why) -> None:
    theirs.describes = describes
    begun = client.get(f"/federation/{ours}/start")
    led = client.get(begun.headers["location"])
    if why is None:
        address = led.headers["refresh"].removeprefix("0;url=")
        led, why = client.get(back(address, theirs.authorize(address))), "a network that the hub does not ask"
    assert led.status_code in (403, 502) and "refresh" not in led.headers and why in led.text


def test_userinfo_of_somebody_else_is_refused(client, come_back, theirs) -> None:
    theirs.person["email"] = None
    refused(client, come_back(), "another subject")


def test_of_many_returns_with_one_state_one_goes_on(committed_db, world_of) -> None:
    provider_id = world_of(committed_db)

    def new() -> Session:
        return Session(committed_db.engine, expire_on_commit=False)

    with new() as session, session.begin():
        state, browser = flow.begin(session, provider_id, flow.Wish("/"))

    def one(_: int) -> bool:
        with new() as session, session.begin():
            try:
                return bool(flow.returned(session, provider_id, state, browser))
            except oidc.Refused:
                return False

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(one, range(40))) == 1
