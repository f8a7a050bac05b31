"""What a token says: access tokens by RFC 9068, ID tokens by OpenID Connect Core, logout tokens by Back-Channel Logout.
A token is a claim; whether what it stands on still holds, the database is asked (`standing`)."""

from __future__ import annotations

import hashlib
import time
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Final
from uuid import UUID

from joserfc import jws, jwt
from joserfc.errors import JoseError
from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from hub.columns import new_id
from hub.errors import Unauthenticated
from hub.settings import settings
from identity.oauth import keys
from identity.scopes import effective

ACCESS_SECONDS, ID_SECONDS, LOGOUT_SECONDS = 300, 300, 120
SKEW = 30
LONGEST = 8_192
# What clients may ask to know of the person; all other scopes are rights in the hub.
OPENID: Final = frozenset({"openid", "profile", "email", "offline_access"})
LOGOUT_EVENT: Final = "http://schemas.openid.net/event/backchannel-logout"


class InvalidToken(Unauthenticated):
    """Says so in the challenge too, by which a client knows that a new token would help (RFC 6750 §3.1)."""

    headers: ClassVar = {"WWW-Authenticate": 'Bearer error="invalid_token"'}

    def __init__(self) -> None:
        super().__init__("The access token is not one of this hub's, has ended or was revoked. Get a new one.")


@dataclass(frozen=True, slots=True)
class Standing:
    """What a living grant stands on, as it is now (oauth_grant_state)."""

    grant_id: UUID
    client_id: str
    person_id: UUID
    email: str
    name: str
    locale: str
    zone: str
    theme: str
    density: str
    home_id: UUID
    organisation_id: UUID
    kind: str
    scopes: list[str]
    held: list[str]
    readable: list[UUID]
    session_id: UUID | None
    is_offline: bool
    authenticated_at: datetime
    amr: list[str]

    @property
    def rights(self) -> frozenset[str]:
        """What was granted and is still held."""
        return frozenset(self.scopes) & (effective(self.held, self.kind) | OPENID)


def standing(row: Row[Any] | None) -> Standing | None:
    """Of a row with the columns of oauth_grant_state; None where the grant no longer lives."""
    if row is None or row.grant_id is None or row.client_id is None:
        return None
    return Standing(**{name: getattr(row, name) for name in Standing.__slots__})


def find_standing(session: Session, grant_id: UUID) -> Standing | None:
    return standing(session.execute(text("select * from oauth_grant_state(:id)"), {"id": grant_id}).one_or_none())


def issuer() -> str:
    return settings().address.rstrip("/")


def access_token(session: Session, client_id: str, about: dict[str, Any], scopes: frozenset[str]) -> str:
    """`about` holds sub, org_id and what else tells whom the token speaks for."""
    claims = {"jti": str(new_id()), "client_id": client_id, "scope": " ".join(sorted(scopes))} | about
    return _signed(session, "at+jwt", claims, issuer(), ACCESS_SECONDS)


def about_person(given: Standing) -> dict[str, Any]:
    """The claims of a token that speaks for a person in one organisation."""
    claims: dict[str, Any] = {
        "sub": str(given.person_id),
        "org_id": str(given.organisation_id),
        "home_org_id": str(given.home_id),
        "grant_id": str(given.grant_id),
        "auth_time": int(given.authenticated_at.timestamp()),
        "amr": given.amr,
    }
    return claims | ({"sid": str(given.session_id)} if given.session_id else {})


def person_claims(given: Standing, scopes: frozenset[str]) -> dict[str, Any]:
    """What `profile` and `email` tell (OpenID Connect Core §5.4), and for whom the person acts."""
    claims: dict[str, Any] = {
        "sub": str(given.person_id),
        "org_id": str(given.organisation_id),
        "home_org_id": str(given.home_id),
    }
    if "profile" in scopes:
        claims |= {"name": given.name, "locale": given.locale, "zoneinfo": given.zone}
    if "email" in scopes:
        claims |= {"email": given.email, "email_verified": True}
    return claims


def id_token(session: Session, given: Standing, scopes: frozenset[str], access: str, nonce: str | None) -> str:
    half = hashlib.sha256(access.encode()).digest()[:16]
    claims = person_claims(given, scopes) | about_person(given)
    del claims["grant_id"]
    claims["at_hash"] = urlsafe_b64encode(half).rstrip(b"=").decode()
    if nonce:
        claims["nonce"] = nonce
    return _signed(session, "JWT", claims, given.client_id, ID_SECONDS)


def logout_token(session: Session, client_id: str, person_id: str, session_id: str | None) -> str:
    claims: dict[str, Any] = {"jti": str(new_id()), "sub": person_id, "events": {LOGOUT_EVENT: {}}}
    if session_id:
        claims["sid"] = session_id
    return _signed(session, "logout+jwt", claims, client_id, LOGOUT_SECONDS)


def _signed(session: Session, kind: str, claims: dict[str, Any], audience: str, seconds: int) -> str:
    key, now = keys.signing(session), int(time.time())
    header = {"alg": keys.ALGORITHM, "typ": kind, "kid": key.kid}
    return jwt.encode(header, claims | {"iss": issuer(), "aud": audience, "iat": now, "exp": now + seconds}, key)


def is_access_token(token: str) -> bool:
    """Whether a bearer token says it is ours; nothing is verified yet."""
    try:
        return len(token) <= LONGEST and jws.extract_compact(token.encode()).headers().get("typ") == "at+jwt"
    except (JoseError, ValueError):
        return False


def verified(session: Session, token: str, kind: str = "at+jwt", audience: str | None = None) -> dict[str, Any]:
    """The claims of a token of ours; raises InvalidToken. Key and algorithm are ours to choose: what the header says
    of either (alg, jwk, jku, x5u) is compared or left aside."""
    if len(token) > LONGEST:
        raise InvalidToken()
    try:
        header = jws.extract_compact(token.encode()).headers()
        key = keys.verifying(session, str(header.get("kid")))
        if key is None or header.get("typ") != kind:
            raise InvalidToken()
        claims = jwt.decode(token, key, algorithms=[keys.ALGORITHM]).claims
    except (JoseError, ValueError, TypeError):
        raise InvalidToken() from None
    expires = claims.get("exp")
    if claims.get("iss") != issuer() or claims.get("aud") != (audience or issuer()):
        raise InvalidToken()
    if not isinstance(expires, int | float) or expires < time.time() - (0 if kind == "at+jwt" else SKEW):
        raise InvalidToken()
    return dict(claims)
