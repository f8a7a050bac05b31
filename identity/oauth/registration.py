"""HTTP: dynamic registration (RFC 7591), and a client's own care for what it registered (RFC 7592)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, ValidationError

from hub.errors import Forbidden, HubError, Unauthenticated
from hub.web import OpenSessionDep
from identity.oauth import service
from identity.oauth.endpoints import bearer
from identity.oauth.models import Client
from identity.oauth.schemas import ClientIn
from identity.oauth.server import NO_STORE
from identity.oauth.tokens import OPENID, issuer

# Described by the provider's metadata, not by the API's reference.
router = APIRouter(include_in_schema=False)


class InvalidMetadata(HubError):
    """RFC 7591 §3.2.2."""

    status = 400


async def read_body(request: Request) -> bytes:
    return await request.body()


class Metadata(BaseModel):
    """What a client says of itself; members nobody here knows are left aside (RFC 7591 §2)."""

    model_config = ConfigDict(extra="allow")

    client_name: str = "client"
    scope: str = "openid"

    def of_ours(self) -> dict[str, Any]:
        said = (self.model_extra or {}) | {"client_name": self.client_name}
        known = {name: said[name] for name in ClientIn.model_fields if name in said}
        for own in ("organisation_id", "is_trusted"):
            known.pop(own, None)
        return known | {"scopes": [scope for scope in self.scope.split() if scope in OPENID]}


def asked(body: bytes) -> ClientIn:
    """Raises InvalidMetadata."""
    try:
        return ClientIn.model_validate(Metadata.model_validate_json(body).of_ours())
    except ValidationError as error:
        wrong = error.errors()
        code = "invalid_redirect_uri" if wrong[0]["loc"][:1] == ("redirect_uris",) else "invalid_client_metadata"
        said = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in wrong[:3])
        raise InvalidMetadata(said, error=code) from None


Given = Annotated[bytes, Depends(read_body)]
Token = Annotated[str, Depends(bearer)]


def _answered(action: Callable[[], dict[str, Any] | None], status: int = 200) -> Response:
    """OAuth's errors on OAuth's endpoints."""
    try:
        said = action()
    except HubError as refused:
        codes = {Unauthenticated: "invalid_token", Forbidden: "invalid_client_metadata"}
        error = refused.extra.get("error") or codes.get(type(refused), "invalid_request")
        code = 400 if isinstance(refused, Forbidden) else refused.status
        return JSONResponse({"error": error, "error_description": refused.detail}, code, headers=NO_STORE)
    if said is None:
        return Response(status_code=204, headers=NO_STORE)
    return JSONResponse(said, status, headers=NO_STORE)


@router.post("/oauth/register")
def register(session: OpenSessionDep, token: Token, given: Given) -> Response:
    """A client registers itself with an initial access token."""

    def make() -> dict[str, Any]:
        made = service.register(session, token, asked(given))
        return answer(made.client, made.registration_token, made.secret)

    return _answered(make, 201)


@router.get("/oauth/register/{client_id}")
def read(client_id: str, session: OpenSessionDep, token: Token) -> Response:
    return _answered(lambda: answer(service.registered(session, token, client_id), token))


@router.put("/oauth/register/{client_id}")
def replace(client_id: str, session: OpenSessionDep, token: Token, given: Given) -> Response:
    def change() -> dict[str, Any]:
        client = service.registered(session, token, client_id)
        return answer(service.replace_metadata(session, client, asked(given)), token)

    return _answered(change)


@router.delete("/oauth/register/{client_id}")
def remove(client_id: str, session: OpenSessionDep, token: Token) -> Response:
    def delete() -> None:
        service.remove_client(session, service.registered(session, token, client_id))

    return _answered(delete)


def answer(client: Client, registration_token: str, secret: str | None = None) -> dict[str, Any]:
    """RFC 7591 §3.2.1; secrets stand here and never again."""
    said: dict[str, Any] = {
        "client_id": client.client_id,
        "client_id_issued_at": int(client.created_at.timestamp()),
        "client_name": client.name,
        "application_type": client.application_type,
        "token_endpoint_auth_method": client.token_endpoint_auth_method,
        "redirect_uris": client.redirect_uris,
        "post_logout_redirect_uris": client.post_logout_redirect_uris,
        "grant_types": client.grant_types,
        "response_types": ["code"] if "authorization_code" in client.grant_types else [],
        "scope": " ".join(client.scopes),
        "registration_access_token": registration_token,
        "registration_client_uri": f"{issuer()}/oauth/register/{client.client_id}",
    }
    if secret is not None:
        said |= {"client_secret": secret, "client_secret_expires_at": 0}
    for name in ("jwks", "backchannel_logout_uri"):
        if value := getattr(client, name):
            said[name] = value
    return said
