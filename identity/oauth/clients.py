"""A client as the protocol sees it: its addresses, secrets, grants and scopes; Authlib asks it by these methods."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from identity.secrets import digest

LOOPBACK = ("127.0.0.1", "[::1]")
AUTH_METHODS = ("client_secret_basic", "client_secret_post", "private_key_jwt", "none")


@dataclass(slots=True)
class KnownClient:
    """A row of oauth_client_of. `secrets` are digests by the id of the secret, `used_key` the one just proved."""

    id: UUID
    organisation_id: UUID
    owner_zh: str
    owner_en: str
    readable: list[UUID]
    client_id: str
    name: str
    application_type: str
    token_endpoint_auth_method: str
    redirect_uris: list[str]
    post_logout_redirect_uris: list[str]
    grant_types: list[str]
    scopes: list[str]
    jwks: dict[str, Any] | None
    is_trusted: bool
    secrets: dict[str, str] | None
    used_key: str = ""

    @property
    def client_metadata(self) -> dict[str, Any]:
        return {"post_logout_redirect_uris": self.post_logout_redirect_uris}

    def get_client_id(self) -> str:
        return self.client_id

    def get_default_redirect_uri(self) -> str | None:
        """None: a request names its address (OpenID Connect Core §3.1.2.1)."""
        return None

    def get_allowed_scope(self, scope: str | None) -> str:
        asked = (scope or "").split()
        return " ".join(one for one in dict.fromkeys(asked) if one in self.scopes)

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        """Exactly a registered one; a native application's loopback address may have any port (RFC 8252 §7.3)."""
        if redirect_uri in self.redirect_uris:
            return True
        return self.application_type == "native" and _portless(redirect_uri) in {
            one for uri in self.redirect_uris if (one := _portless(uri))
        }

    def check_client_secret(self, client_secret: str) -> bool:
        given = digest(client_secret).hex()
        for key, kept in (self.secrets or {}).items():
            if hmac.compare_digest(given, kept):
                self.used_key = key
                return True
        return False

    def has_key(self, used_key: str) -> bool:
        """Whether what a token was got with still lives: a secret's id, or `kid:` and a key's name."""
        if used_key.startswith("kid:"):
            return used_key[4:] in {one.get("kid", "") for one in (self.jwks or {}).get("keys", [])}
        return used_key in (self.secrets or {})

    def check_endpoint_auth_method(self, method: str, _endpoint: str) -> bool:
        return method == self.token_endpoint_auth_method

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code" and "authorization_code" in self.grant_types

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type in self.grant_types


def find_client(session: Session, client_id: str) -> KnownClient | None:
    """A client that is neither disabled nor of a closed organisation."""
    row = session.execute(text("select * from oauth_client_of(:id)"), {"id": client_id[:200]}).one_or_none()
    return None if row is None else KnownClient(**row._mapping)


def _portless(uri: str) -> str:
    """A loopback address without its port; "" for any other address."""
    try:
        parts = urlsplit(uri)
        _ = parts.port
    except ValueError:
        return ""
    host = parts.netloc.rpartition(":")[0] if parts.port is not None else parts.netloc
    if parts.scheme != "http" or host not in LOOPBACK:
        return ""
    return f"{host}{parts.path}?{parts.query}#{parts.fragment}"
