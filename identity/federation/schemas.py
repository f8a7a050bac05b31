"""What the administration of providers and domains takes and gives."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints

from hub.errors import HubError
from hub.outgoing import check_url
from identity.fields import In, Line, Out
from identity.people.schemas import Role

LABEL = r"[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"


def _issuer(value: str) -> str:
    """OpenID Connect Discovery §2: neither query nor fragment."""
    try:
        check_url(value)
    except HubError as error:
        raise ValueError(error.detail) from None
    if "?" in value or "#" in value:
        raise ValueError("An issuer has neither a query nor a fragment.")
    return value


Issuer = Annotated[str, Field(min_length=9, max_length=300), AfterValidator(_issuer)]
Word = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]+$")]
Claim = Annotated[str, Field(max_length=100, pattern=r"^[^\x00-\x1f]*$")]
Scope = Annotated[str, Field(max_length=60, pattern=r"^[\x21\x23-\x5b\x5d-\x7e]+$")]
Scopes = Annotated[list[Scope], Field(max_length=20)]
Roles = Annotated[list[Role], Field(max_length=5)]
Mapping = Annotated[dict[Word, Roles], Field(max_length=200)]
Domain = Annotated[
    str,
    StringConstraints(strip_whitespace=True, to_lower=True, max_length=190, pattern=rf"^({LABEL}\.)+{LABEL}$"),
]


class ProviderIn(In):
    """An OpenID provider. `role_mapping` gives for each value of `role_claim` its roles; where none fits, or there is
    no claim, `default_roles` hold. `is_authoritative`: e-mails of own domains count without email_verified."""

    name: Line
    issuer: Issuer
    client_id: Word
    client_secret: Word | None = None
    scopes: Scopes = Field(default=["openid", "email", "profile"])
    role_claim: Claim = ""
    role_mapping: Mapping = Field(default={})
    default_roles: Roles = Field(default=[])
    is_authoritative: bool = False
    organisation_id: UUID | None = None


class ProviderPatch(In):
    """`is_enforced`: the organisation's people sign in here and nowhere else; only once somebody has."""

    name: Line | None = None
    client_secret: Word | None = None
    scopes: Scopes | None = None
    role_claim: Claim | None = None
    role_mapping: Mapping | None = None
    default_roles: Roles | None = None
    is_authoritative: bool | None = None
    is_enforced: bool | None = None
    is_disabled: bool | None = None


class ProviderOut(Out):
    """`redirect_uri` and `backchannel_logout_uri` are to be registered at the provider."""

    id: UUID
    organisation_id: UUID
    name: str
    issuer: str
    client_id: str
    has_secret: bool
    scopes: list[str]
    role_claim: str
    role_mapping: dict[str, list[str]]
    default_roles: list[str]
    is_authoritative: bool
    is_enforced: bool
    is_disabled: bool
    redirect_uri: str
    backchannel_logout_uri: str
    created_at: datetime


class DomainIn(In):
    domain: Domain
    method: Literal["dns", "file"] = "dns"
    organisation_id: UUID | None = None


class DomainOut(Out):
    """`proof` is what the TXT record `place`, or the file at `place`, must hold."""

    id: UUID
    organisation_id: UUID
    domain: str
    method: str
    place: str
    proof: str
    verified_at: datetime | None
    last_checked_at: datetime | None
    missing_since: datetime | None
