"""Tokens that agents sign themselves: an Ed25519 JWT of at most five minutes, addressed to the hub."""

from __future__ import annotations

import time
from typing import Any, Final
from uuid import UUID

from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from hub.errors import Unauthenticated

AUDIENCE: Final = "group-hub"
# By RFC 9864, which deprecates the name EdDSA for not saying the curve.
ALGORITHM: Final = "Ed25519"
LIFETIME_MAX, SKEW = 300, 60
LONGEST_TOKEN = 4_096


def claimed_agent(token: str) -> UUID:
    """The agent a token says it comes from; nothing is verified yet."""
    if len(token) > LONGEST_TOKEN:
        raise Unauthenticated("The bearer token is longer than any token of an agent.")
    try:
        return UUID(str(jws.extract_compact(token.encode()).headers().get("kid")))
    except (JoseError, ValueError):
        raise Unauthenticated("The bearer token is no JWT with an agent's id as its kid.") from None


def verify(token: str, public_jwk: dict[str, Any], agent_id: UUID) -> str:
    """Checks signature, address and times; returns the token's own id (jti)."""
    try:
        claims = jwt.decode(token, OKPKey.import_key(public_jwk), algorithms=[ALGORITHM]).claims
    except (JoseError, ValueError):
        raise Unauthenticated("The token's signature does not fit the agent's registered key.") from None
    if claims.get("iss") != str(agent_id) or claims.get("sub") != str(agent_id):
        raise Unauthenticated("The token's iss and sub must both be the agent's id.")
    if claims.get("aud") not in (AUDIENCE, [AUDIENCE]):
        raise Unauthenticated(f"The token's aud must be {AUDIENCE}.")
    if not claims.get("jti") or not isinstance(claims["jti"], str):
        raise Unauthenticated("The token has no jti.")
    _check_times(claims.get("iat"), claims.get("exp"), time.time())
    return str(claims["jti"])


def _check_times(issued: object, expires: object, now: float) -> None:
    if not isinstance(issued, int | float) or not isinstance(expires, int | float):
        raise Unauthenticated("The token needs iat and exp as numbers.")
    if expires - issued > LIFETIME_MAX:
        raise Unauthenticated(f"The token lives longer than {LIFETIME_MAX} s.")
    if issued > now + SKEW:
        ahead = round(issued - now)
        raise Unauthenticated(
            f"The agent's clock is {ahead} s ahead of the hub's ({SKEW} s are tolerated). Set its clock."
        )
    if expires < now - SKEW:
        behind = round(now - expires)
        raise Unauthenticated(
            f"The token ended {behind} s ago by the hub's clock. Sign a new one; if it is new, set the agent's clock."
        )
