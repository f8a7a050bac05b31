"""What a relying party asks of an OpenID provider and what it believes (OpenID Connect Core, RFC 9207, RFC 9700).
Nothing of people or of the database."""

from __future__ import annotations

import math
import time
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest
from typing import Any
from urllib.parse import quote, urlencode

from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from hub import outgoing
from hub.cache import Cache
from hub.errors import HubError

# Signatures alone, never a shared secret: a provider's public keys must not be able to make a token.
ALGORITHMS = [f"{kind}{size}" for kind in ("RS", "PS", "ES") for size in (256, 384, 512)] + ["EdDSA", "Ed25519"]
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
SKEW, TOKEN_AGE, LONGEST = 60, 600, 32 * 1024
SUBJECT = 255


class Refused(HubError):
    """The provider's answer is not believed, or the provider said no; `reason` chooses the words of the page."""

    status, title = 403, "Sign-in refused"

    def __init__(self, detail: str, reason: str = "distrusted") -> None:
        super().__init__(detail)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Client:
    """The hub as the provider knows it."""

    issuer: str
    client_id: str
    client_secret: str | None
    redirect_uri: str


@dataclass(frozen=True, slots=True)
class Expected:
    """What one sign-in was begun with."""

    nonce: str
    verifier: str


# An hour at most; a provider that changes its keys is met by asking anew for a kid that is unknown.
_metadata: Cache[dict[str, Any]] = Cache(3_600)
_keys: Cache[list[dict[str, Any]]] = Cache(3_600)
_asked_anew: Cache[bool] = Cache(10)


def forget() -> None:
    """What is known of every provider is asked anew."""
    for cache in (_metadata, _keys, _asked_anew):
        cache.clear()


def metadata(issuer: str) -> dict[str, Any]:
    """OpenID Connect Discovery; the document must say that it is of this issuer."""
    known = _metadata.find(issuer)
    if known is not None:
        return known
    answer = outgoing.ask(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
    found = answer.json() if answer.status == 200 else None
    if not isinstance(found, dict) or found.get("issuer") != issuer:
        raise Refused(f"{issuer} does not describe itself as that issuer.", "provider")
    for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
        outgoing.check_url(str(found.get(name, "")))
    _metadata.put(issuer, found)
    return found


def authorization_address(client: Client, scopes: list[str], state: str, expected: Expected, login_hint: str) -> str:
    challenge = urlsafe_b64encode(sha256(expected.verifier.encode()).digest()).rstrip(b"=").decode()
    asked = {
        "response_type": "code",
        "client_id": client.client_id,
        "redirect_uri": client.redirect_uri,
        "scope": " ".join(dict.fromkeys(["openid", *scopes])),
        "state": state,
        "nonce": expected.nonce,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    } | ({"login_hint": login_hint} if login_hint else {})
    return with_query(str(metadata(client.issuer)["authorization_endpoint"]), asked)


def with_query(address: str, values: Mapping[str, str]) -> str:
    return f"{address}{'&' if '?' in address else '?'}{urlencode(values)}"


def code_of(client: Client, answer: Mapping[str, str]) -> str:
    """The code of an authorization response; RFC 9207 against answers of another issuer."""
    given = answer.get("iss")
    is_promised = metadata(client.issuer).get("authorization_response_iss_parameter_supported") is True
    if given != client.issuer and (given is not None or is_promised):
        raise Refused("The answer comes from another issuer than the one asked.")
    if answer.get("error"):
        raise Refused(f"The provider answered {answer['error'][:60]!r}.", "declined")
    if not answer.get("code"):
        raise Refused("The provider's answer holds no code.")
    return answer["code"]


def redeem(client: Client, code: str, expected: Expected) -> tuple[dict[str, Any], str]:
    """The claims of the person who signed in, and the ID token they came with."""
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": client.redirect_uri,
        "code_verifier": expected.verifier,
    }
    given = _post(client, str(metadata(client.issuer)["token_endpoint"]), form)
    token = given.get("id_token")
    if not isinstance(token, str):
        raise Refused("The provider's answer holds no ID token.")
    claims = id_claims(client, token, expected.nonce)
    return claims | _more(client, claims, given.get("access_token")), token


def _post(client: Client, endpoint: str, form: dict[str, str]) -> dict[str, Any]:
    headers = {"content-type": "application/x-www-form-urlencoded"}
    methods = metadata(client.issuer).get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
    if client.client_secret is None:
        form = form | {"client_id": client.client_id}
    elif "client_secret_basic" in methods:
        pair = f"{quote(client.client_id, safe='')}:{quote(client.client_secret, safe='')}"
        headers["authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
    else:
        form = form | {"client_id": client.client_id, "client_secret": client.client_secret}
    answer = outgoing.ask(endpoint, method="POST", headers=headers, body=urlencode(form).encode())
    given = answer.json()
    if answer.status != 200 or not isinstance(given, dict):
        said = str(given.get("error", ""))[:60] if isinstance(given, dict) else ""
        raise Refused(f"The provider did not take the code ({answer.status} {said}).", "provider")
    return given


def _more(client: Client, claims: dict[str, Any], access_token: object) -> dict[str, Any]:
    """What userinfo adds where the ID token is short; it must speak of the same subject."""
    endpoint = metadata(client.issuer).get("userinfo_endpoint")
    if "email" in claims or not isinstance(endpoint, str) or not isinstance(access_token, str):
        return {}
    answer = outgoing.ask(endpoint, headers={"authorization": f"Bearer {access_token}"})
    found = answer.json() if answer.status == 200 else {}
    if not isinstance(found, dict) or (found and found.get("sub") != claims["sub"]):
        raise Refused("userinfo speaks of another subject than the ID token.")
    return {name: value for name, value in found.items() if name not in claims}


def id_claims(client: Client, token: str, nonce: str) -> dict[str, Any]:
    """OpenID Connect Core §3.1.3.7; raises Refused."""
    claims = _verified(client, token)
    _check_addressed(client, claims)
    if not compare_digest(str(claims.get("nonce", "")).encode(), nonce.encode()):
        raise Refused("The ID token was made for another sign-in (nonce).")
    _subject(claims.get("sub"))
    return claims


@dataclass(frozen=True, slots=True)
class Logout:
    jti: str
    sid: str | None
    subject: str | None


def logout_claims(client: Client, token: str) -> Logout:
    """OpenID Connect Back-Channel Logout §2.6; whether the jti is new, the caller asks. Raises Refused."""
    claims = _verified(client, token)
    _check_addressed(client, claims)
    events = claims.get("events")
    if not isinstance(events, dict) or not isinstance(events.get(LOGOUT_EVENT), dict):
        raise Refused("This token is none of a logout (events).")
    if "nonce" in claims:
        raise Refused("A logout token has no nonce; this is an ID token.")
    jti, sid, subject = (claims.get(name) for name in ("jti", "sid", "sub"))
    if not isinstance(jti, str) or not jti:
        raise Refused("The logout token has no jti.")
    if not any(isinstance(one, str) and one for one in (sid, subject)):
        raise Refused("The logout token names neither a session nor a subject.")
    if not all(one is None or isinstance(one, str) for one in (sid, subject)):
        raise Refused("The logout token's sid and sub must be text.")
    return Logout(jti, sid, subject)


def _verified(client: Client, token: str) -> dict[str, Any]:
    """The claims of a token signed by one of the issuer's published keys; its own jwk, jku and x5u say nothing."""
    if len(token) > LONGEST:
        raise Refused("The token is longer than any token of a provider.")
    try:
        header = jws.extract_compact(token.encode()).headers()
    except (JoseError, ValueError):
        raise Refused("The token is no signed JWT.") from None
    if header.get("alg") not in ALGORITHMS:
        raise Refused(f"The token's algorithm {str(header.get('alg'))[:20]!r} is none that the hub believes.")
    try:
        return dict(jwt.decode(token, _key_set(client.issuer, header.get("kid")), algorithms=ALGORITHMS).claims)
    except (JoseError, ValueError, TypeError):
        raise Refused("The token's signature fits none of the issuer's keys.") from None


def _key_set(issuer: str, kid: object) -> KeySet:
    """The issuer's public keys; an unknown kid has them asked for once more, though not at every token."""
    found = _keys.find(issuer)
    is_unknown = found is not None and kid is not None and all(key.get("kid") != kid for key in found)
    if found is None or (is_unknown and _asked_anew.find(issuer) is None):
        _asked_anew.put(issuer, True)
        found = _published_keys(str(metadata(issuer)["jwks_uri"]))
        _keys.put(issuer, found)
    return KeySet.import_key_set({"keys": found})


def _published_keys(address: str) -> list[dict[str, Any]]:
    answer = outgoing.ask(address)
    given = answer.json() if answer.status == 200 else None
    keys = given.get("keys") if isinstance(given, dict) else None
    if not isinstance(keys, list):
        raise Refused("The provider publishes no keys.", "provider")
    public = [k for k in keys if isinstance(k, dict) and k.get("kty") in ("RSA", "EC", "OKP") and "d" not in k]
    return [k for k in public if k.get("use") in (None, "sig") and k.get("crv") != "X25519"][:50]


def _check_addressed(client: Client, claims: dict[str, Any]) -> None:
    """iss, aud, azp and the times."""
    if claims.get("iss") != client.issuer:
        raise Refused("The token comes from another issuer.")
    aud, azp = claims.get("aud"), claims.get("azp")
    audiences = aud if isinstance(aud, list) else [aud]
    if client.client_id not in audiences or azp not in (None, client.client_id) or (len(audiences) > 1 and not azp):
        raise Refused("The token was made for another client (aud, azp).")
    now, expires, issued = time.time(), _instant(claims, "exp"), _instant(claims, "iat")
    if expires < now - SKEW:
        raise Refused("The token has expired. Begin again.", "late")
    if not now - TOKEN_AGE <= issued <= now + SKEW:
        raise Refused("The token was not made just now (iat): the provider's clock or the hub's is wrong.", "late")
    if "nbf" in claims and _instant(claims, "nbf") > now + SKEW:
        raise Refused("The token is not valid yet (nbf).", "late")


def _instant(claims: dict[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise Refused(f"The token has no {name}.")
    return value


def _subject(given: object) -> str:
    if not isinstance(given, str) or not 0 < len(given) <= SUBJECT or not given.isprintable():
        raise Refused("The ID token names no subject.")
    return given
