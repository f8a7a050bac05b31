"""Access tokens at the hub's own API: what a verified token speaks for now. What is taken away, a token loses at once
here, and within the two seconds that `principal` keeps an answer at the API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from identity.oauth.clients import find_client
from identity.oauth.tokens import InvalidToken, Standing, find_standing
from identity.scopes import GROUP_ONLY

_SPENT = text("select oauth_is_spent(:name)")


@dataclass(frozen=True, slots=True)
class Bearer:
    """A person by a client (`standing`), or a client by itself (`client_id`, `name`)."""

    scopes: frozenset[str]
    readable: tuple[UUID, ...]
    organisation_id: UUID
    standing: Standing | None = None
    id: UUID | None = None
    name: str = ""


def bearer_of(session: Session, claims: dict[str, Any]) -> Bearer:
    """For the claims of a verified access token; raises InvalidToken where what it stands on has ended."""
    scopes = frozenset(str(claims.get("scope", "")).split())
    if session.scalar(_SPENT, {"name": f"token:{claims.get('jti')}"}):
        raise InvalidToken()
    if "grant_id" not in claims:
        return _of_client(session, claims, scopes)
    given = find_standing(session, UUID(claims["grant_id"]))
    if given is None or str(given.organisation_id) != claims.get("org_id"):
        raise InvalidToken()
    return Bearer(scopes & given.rights, tuple(given.readable), given.organisation_id, standing=given)


def _of_client(session: Session, claims: dict[str, Any], scopes: frozenset[str]) -> Bearer:
    """The client lives, and so does the secret it proved itself with."""
    client = find_client(session, str(claims.get("client_id")))
    if client is None or not client.has_key(str(claims.get("key_id"))):
        raise InvalidToken()
    allowed = scopes & (frozenset(client.scopes) - GROUP_ONLY)
    return Bearer(allowed, tuple(client.readable), client.organisation_id, id=client.id, name=client.name)
