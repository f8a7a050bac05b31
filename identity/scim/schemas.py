"""What SCIM speaks of here (RFC 7643), and what the hub's administrators see of tokens and groups. Attributes of the
standard that mean nothing here are accepted and dropped."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import Field
from scim2_models import (
    URN,
    AuthenticationScheme,
    Bulk,
    CaseExact,
    ChangePassword,
    ComplexAttribute,
    Email,
    ETag,
    Filter,
    Mutability,
    Patch,
    Reference,
    Required,
    Resource,
    ScimPolicy,
    ScimProvider,
    ServiceProviderConfig,
    Sort,
    Uniqueness,
)

from identity.fields import In, Line, Out
from identity.people.schemas import Role

BODY_MAX: Final = 1 << 20
PAGE: Final = 200


class Name(ComplexAttribute):
    formatted: str | None = None
    family_name: str | None = None
    given_name: str | None = None


class GroupRef(ComplexAttribute):
    value: Annotated[str | None, Mutability.read_only, CaseExact.true] = None
    ref: Annotated[Reference[Group] | None, Mutability.read_only] = Field(
        None, serialization_alias="$ref", validation_alias="$ref"
    )
    display: Annotated[str | None, Mutability.read_only] = None


class User(Resource[Any]):
    """A person at home in the organisation, and a member of it."""

    __schema__ = URN("urn:ietf:params:scim:schemas:core:2.0:User")

    user_name: Annotated[str | None, Uniqueness.server, Required.true] = None
    name: Name | None = None
    display_name: str | None = None
    title: str | None = None
    preferred_language: str | None = None
    timezone: str | None = None
    active: bool | None = None
    emails: list[Email] | None = None
    groups: Annotated[list[GroupRef] | None, Mutability.read_only] = None


class MemberRef(ComplexAttribute):
    value: Annotated[str | None, Mutability.immutable, CaseExact.true] = None
    ref: Annotated[Reference[User] | None, Mutability.immutable] = Field(
        None, serialization_alias="$ref", validation_alias="$ref"
    )
    type: Annotated[str | None, Mutability.immutable] = Field(None, examples=["User"])


class Group(Resource[Any]):
    """Its members hold its roles in the organisation."""

    __schema__ = URN("urn:ietf:params:scim:schemas:core:2.0:Group")

    display_name: Annotated[str | None, Required.true, Uniqueness.server] = None
    members: list[MemberRef] | None = None


CONFIG: Final = ServiceProviderConfig(
    patch=Patch(supported=True),
    bulk=Bulk(supported=True, max_operations=100, max_payload_size=BODY_MAX),
    filter=Filter(supported=True, max_results=PAGE),
    change_password=ChangePassword(supported=False),
    sort=Sort(supported=False),
    etag=ETag(supported=True),
    authentication_schemes=[
        AuthenticationScheme(
            type=AuthenticationScheme.Type.oauthbearertoken,
            name="Bearer token",
            description="A token made on the hub's page of people's provisioning",
        )
    ],
)
# As Microsoft Entra sends its changes.
POLICY: Final = ScimPolicy(
    unknown=ScimPolicy.Unknown.ignore,
    remove_value_as_filter=ScimPolicy.RemoveValue.apply,
    unmatched_path_filter=ScimPolicy.UnmatchedPathFilter.create,
)
PROVIDER: Final = ScimProvider(models=[User, Group], config=CONFIG, policy=POLICY)


class TokenIn(In):
    """A token for the organisation's provisioning; several may live at once, so that one can be exchanged in peace."""

    name: Line
    days: Annotated[int, Field(ge=1, le=400)] = 365
    organisation_id: UUID | None = None


class TokenOut(Out):
    id: UUID
    organisation_id: UUID
    name: str
    expires_at: datetime
    last_used_at: datetime | None
    created_at: datetime


class TokenMade(TokenOut):
    """`token` is shown this once; `base_url` is what the other side asks for."""

    token: str
    base_url: str


class GroupRoles(In):
    roles: Annotated[list[Role], Field(max_length=5)]


class GroupOut(Out):
    id: UUID
    organisation_id: UUID
    display_name: str
    roles: list[str]
