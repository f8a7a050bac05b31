"""What the administration of clients takes and gives; names as in RFC 7591."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit
from uuid import UUID

from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from pydantic import AfterValidator, Field, StringConstraints, model_validator

from identity.fields import In, Line, Out
from identity.oauth.clients import LOOPBACK
from identity.oauth.metadata import GRANT_TYPES
from identity.oauth.tokens import OPENID
from identity.scopes import SCOPES

AuthMethod = Literal["none", "client_secret_basic", "client_secret_post", "private_key_jwt"]
# Schemes of a native application (RFC 8252 §7.1) carry a dot; these never are one.
DANGEROUS = ("javascript", "data", "vbscript", "file", "blob", "about")


def _address(value: str) -> str:
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        raise ValueError("is no address") from None
    if parts.fragment or "#" in value or parts.username is not None or "\\" in value or "*" in value:
        raise ValueError("holds no fragment, user, backslash or wildcard")
    if parts.scheme == "https" and parts.hostname:
        return value
    if parts.scheme == "http" and parts.netloc.rpartition(":")[0 if parts.port else 2] in (*LOOPBACK, "localhost"):
        return value
    if "." in parts.scheme and parts.scheme not in DANGEROUS:
        return value
    raise ValueError("must be https, http to loopback, or a native application's own scheme (com.example.app:/…)")


def _web_address(value: str) -> str:
    parts = urlsplit(_address(value))
    if parts.scheme not in ("https", "http"):
        raise ValueError("must be https, or http to loopback")
    return value


def _grant(value: str) -> str:
    if value not in GRANT_TYPES:
        raise ValueError(f"is none of {', '.join(GRANT_TYPES)}")
    return value


def _scope(value: str) -> str:
    if value not in OPENID | SCOPES:
        raise ValueError("is no scope of this hub")
    return value


def _keys(value: dict[str, Any] | None) -> dict[str, Any] | None:
    """Public keys alone: a private one must not travel, a symmetric one is a secret under another name."""
    if value is None:
        return None
    try:
        loaded = KeySet.import_key_set(value)  # type: ignore[arg-type]
    except (JoseError, ValueError, TypeError, KeyError):
        raise ValueError("is no JSON Web Key Set") from None
    if not loaded.keys or any(key.key_type == "oct" or key.is_private for key in loaded.keys):
        raise ValueError("holds public keys alone (RSA, EC or OKP)")
    kids = [one.get("kid") for one in value["keys"]]
    if None in kids or len(set(kids)) < len(kids):
        raise ValueError("names every key by a kid of its own")
    return value


Ascii = StringConstraints(max_length=500, pattern=r"^[\x21-\x7e]+$")
Uri = Annotated[str, Ascii, AfterValidator(_address)]
WebUri = Annotated[str, Ascii, AfterValidator(_web_address)]
Uris = Annotated[list[Uri], Field(max_length=20)]
GrantTypes = Annotated[list[Annotated[str, AfterValidator(_grant)]], Field(min_length=1, max_length=5)]
Scopes = Annotated[list[Annotated[str, AfterValidator(_scope)]], Field(max_length=50)]


class ClientIn(In):
    """A client of `organisation_id` (default: the one the caller acts for). With `client_credentials` it is a service
    account that acts for that organisation."""

    client_name: Line
    application_type: Literal["web", "native"] = "web"
    token_endpoint_auth_method: AuthMethod = "client_secret_basic"  # noqa: S105 - a name
    redirect_uris: Uris = Field(default_factory=list)
    post_logout_redirect_uris: Uris = Field(default_factory=list)
    grant_types: GrantTypes = Field(default_factory=lambda: ["authorization_code"])
    scopes: Scopes = Field(default_factory=lambda: ["openid"])
    jwks: Annotated[dict[str, Any] | None, AfterValidator(_keys)] = None
    backchannel_logout_uri: WebUri | None = None
    is_trusted: bool = False
    organisation_id: UUID | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if "authorization_code" in self.grant_types and not self.redirect_uris:
            raise ValueError("a client of the authorization code grant needs redirect_uris")
        if self.token_endpoint_auth_method == "none" and "client_credentials" in self.grant_types:  # noqa: S105
            raise ValueError("a client without a secret or key cannot act by itself")
        if self.token_endpoint_auth_method == "private_key_jwt" and not self.jwks:  # noqa: S105
            raise ValueError("private_key_jwt needs jwks")
        if self.application_type == "web" and any("." in urlsplit(uri).scheme for uri in self.redirect_uris):
            raise ValueError("a web client has no scheme of its own")
        return self


class ClientPatch(In):
    client_name: Line | None = None
    redirect_uris: Uris | None = None
    post_logout_redirect_uris: Uris | None = None
    scopes: Scopes | None = None
    jwks: Annotated[dict[str, Any] | None, AfterValidator(_keys)] = None
    backchannel_logout_uri: WebUri | None = None
    is_disabled: bool | None = None


class SecretOut(Out):
    id: UUID
    created_at: datetime
    expires_at: datetime | None


class ClientOut(Out):
    id: UUID
    organisation_id: UUID
    client_id: str
    client_name: str
    application_type: str
    token_endpoint_auth_method: AuthMethod
    redirect_uris: list[str]
    post_logout_redirect_uris: list[str]
    grant_types: list[str]
    scopes: list[str]
    jwks: dict[str, Any] | None
    backchannel_logout_uri: str | None
    is_trusted: bool
    is_disabled: bool
    secrets: list[SecretOut]
    last_used_at: datetime | None
    created_at: datetime


class ClientMade(ClientOut):
    """`client_secret` is shown here and never again."""

    client_secret: str | None


class NewSecret(Out):
    """Shown here and never again; the older ones end at `others_end_at`."""

    client_secret: str
    others_end_at: datetime


class RegistrationIn(In):
    """An initial access token for dynamic registration."""

    uses: Annotated[int, Field(ge=1, le=1000)] = 1
    days: Annotated[int, Field(ge=1, le=90)] = 7
    organisation_id: UUID | None = None


class RegistrationOut(Out):
    """The token is shown here and never again."""

    initial_access_token: str
    uses: int
    expires_at: datetime
