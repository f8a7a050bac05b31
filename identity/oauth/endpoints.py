"""HTTP: what clients call without a person: discovery, keys, tokens, introspection, revocation, devices, userinfo."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from secrets import choice
from typing import Annotated, Any, ClassVar
from uuid import UUID

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import InvalidRequestError, InvalidScopeError, UnauthorizedClientError
from authlib.oauth2.rfc8628 import DEVICE_CODE_GRANT_TYPE
from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy import text
from sqlalchemy.orm import Session

from hub.errors import Forbidden, Unauthenticated
from hub.web import OpenSessionDep
from identity.audit.service import Someone, record
from identity.oauth import keys, tokens
from identity.oauth.bearer import bearer_of
from identity.oauth.clients import AUTH_METHODS, KnownClient
from identity.oauth.grants import register
from identity.oauth.metadata import CONFIDENTIAL, metadata
from identity.oauth.server import NO_STORE, FormRequest, Pairs, Server, check_parameters, parameters, refusal
from identity.secrets import code_digest, digest, new_token

# Described by the provider's metadata, not by the API's reference.
router = APIRouter(include_in_schema=False)

FORM = "application/x-www-form-urlencoded"
DEVICE_SECONDS, DEVICE_WAIT = 600, 5
# RFC 8628 §6.1: consonants that are not mistaken; eight of them are 34.6 bits.
LETTERS, CODE_LENGTH = "BCDFGHJKLMNPQRSTVWXZ", 8
# Browsers of other origins may read what is public and exchange tokens; never the authorization endpoint.
CORS = {"Access-Control-Allow-Origin": "*"}
PREFLIGHT = CORS | {
    "Access-Control-Allow-Methods": "GET, POST",
    "Access-Control-Allow-Headers": "authorization, content-type",
    "Access-Control-Max-Age": "3600",
}


class InsufficientScope(Forbidden):
    """RFC 6750 §3.1."""

    headers: ClassVar = {"WWW-Authenticate": 'Bearer error="insufficient_scope", scope="openid"'}


async def read_form(request: Request) -> Pairs:
    """The parameters of a form body; nothing of the query string counts here."""
    if not request.headers.get("content-type", "").startswith(FORM):
        return ()
    return parameters((await request.body()).decode("utf-8", "replace"))


FormPairs = Annotated[Pairs, Depends(read_form)]


@router.get("/.well-known/openid-configuration")
@router.get("/.well-known/oauth-authorization-server")
def read_metadata() -> JSONResponse:
    """OpenID Connect Discovery 1.0, RFC 8414."""
    return JSONResponse(metadata(), headers=CORS | {"Cache-Control": "public, max-age=300"})


@router.get("/oauth/jwks")
def read_keys(session: OpenSessionDep) -> JSONResponse:
    """The keys that verify what this hub signs."""
    return JSONResponse(
        keys.published(session).as_dict(private=False), headers=CORS | {"Cache-Control": "public, max-age=300"}
    )


@router.options("/oauth/token")
@router.options("/oauth/userinfo")
@router.options("/oauth/revoke")
def preflight() -> Response:
    return Response(status_code=204, headers=PREFLIGHT)


@router.post("/oauth/token")
def make_token(request: Request, session: OpenSessionDep, pairs: FormPairs) -> Response:
    """Tokens for a grant (RFC 6749 §3.2)."""
    try:
        check_parameters(pairs)
        answer: Response = register(Server(session, pairs)).create_token_response(request)
    except OAuth2Error as error:
        answer = refusal(error)
    answer.headers.update(CORS)
    return answer


def bearer(request: Request) -> str:
    """The token of the Authorization header; "" without one."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token if scheme.lower() == "bearer" else ""


def authenticated(server: Server, request: Request, methods: Sequence[str]) -> KnownClient:
    """The client of a form; raises OAuth2Error."""
    check_parameters(server.pairs)
    client: KnownClient = server.authenticate_client(FormRequest(request, server.pairs), methods)
    return client


@router.post("/oauth/introspect")
def introspect(request: Request, session: OpenSessionDep, pairs: FormPairs) -> Response:
    """Whether a token holds now (RFC 7662), for clients of the organisation whose client holds it."""
    server = Server(session, pairs)
    try:
        client = authenticated(server, request, CONFIDENTIAL)
        token = dict(pairs).get("token")
        if not token:
            raise InvalidRequestError("Missing token.")
    except OAuth2Error as error:
        return refusal(error)
    found = _introspected(server, token)
    owner = server.query_client(found["client_id"]) if found else None
    if found is None or owner is None or owner.organisation_id != client.organisation_id:
        return JSONResponse({"active": False}, headers=NO_STORE)
    return JSONResponse({"active": True} | found, headers=NO_STORE)


def _introspected(server: Server, token: str) -> dict[str, Any] | None:
    refresh = _refresh_of(server.session, token)
    if refresh is not None:
        given, expires_at = refresh
        about = tokens.about_person(given)
        return about | {
            "client_id": given.client_id,
            "scope": " ".join(sorted(given.rights)),
            "token_type": "refresh_token",
            "exp": int(expires_at.timestamp()),
            "iss": tokens.issuer(),
        }
    try:
        claims = tokens.verified(server.session, token)
        bearer = bearer_of(server.session, claims)
    except Unauthenticated:
        return None
    return claims | {"scope": " ".join(sorted(bearer.scopes)), "token_type": "Bearer"}


def _refresh_of(session: Session, token: str) -> tuple[tokens.Standing, datetime] | None:
    find = text(
        "select r.expires_at, s.* from oauth_refresh_grant(:hash) r cross join lateral oauth_grant_state(r.grant_id) s"
    )
    row = session.execute(find, {"hash": digest(token)}).one_or_none()
    given = tokens.standing(row)
    return None if row is None or given is None else (given, row.expires_at)


@router.post("/oauth/revoke")
def revoke(request: Request, session: OpenSessionDep, pairs: FormPairs) -> Response:
    """End a token (RFC 7009): a refresh token with all that was granted beside it, an access token alone. The answer
    is the same for a token that is not the client's."""
    server = Server(session, pairs)
    try:
        client = authenticated(server, request, AUTH_METHODS)
        token = dict(pairs).get("token")
        if not token:
            raise InvalidRequestError("Missing token.")
    except OAuth2Error as error:
        return refusal(error)
    refresh = _refresh_of(session, token)
    if refresh is not None:
        end = text("select oauth_revoke_grant(:grant, :client)")
        session.execute(end, {"grant": refresh[0].grant_id, "client": client.client_id})
        _tell_ended(session, client, refresh[0])
    else:
        _revoke_access(session, client, token)
    return JSONResponse({}, headers=NO_STORE | CORS)


def _tell_ended(session: Session, client: KnownClient, given: tokens.Standing) -> None:
    if given.client_id != client.client_id:
        return
    record(
        session,
        "access_ended",
        actor=Someone("client", None, client.organisation_id),
        organisations=[given.organisation_id],
        object_kind="person",
        object_id=given.person_id,
        client=client.id,
    )


def _revoke_access(session: Session, client: KnownClient, token: str) -> None:
    try:
        claims = tokens.verified(session, token)
    except Unauthenticated:
        return
    if claims.get("client_id") == client.client_id:
        spend = text("select oauth_spend(:name, to_timestamp(:until))")
        session.execute(spend, {"name": f"token:{claims['jti']}", "until": claims["exp"] + tokens.SKEW})


@router.post("/oauth/device_authorization")
def start_device(request: Request, session: OpenSessionDep, pairs: FormPairs) -> Response:
    """A device without a browser asks for a code that a person enters elsewhere (RFC 8628)."""
    server = Server(session, pairs)
    try:
        client = authenticated(server, request, AUTH_METHODS)
        if not client.check_grant_type(DEVICE_CODE_GRANT_TYPE):
            raise UnauthorizedClientError()
        asked = (dict(pairs).get("scope") or " ".join(client.scopes)).split()
        if set(asked) - set(client.scopes):
            raise InvalidScopeError()
    except OAuth2Error as error:
        return refusal(error)
    device, signs = new_token(), "".join(choice(LETTERS) for _ in range(CODE_LENGTH))
    shown = f"{signs[:4]}-{signs[4:]}"
    start = text("select oauth_start_device(:device, :code, :client, :scopes, :seconds, :wait)")
    values = {"device": digest(device), "code": code_digest(shown), "client": client.id, "scopes": asked}
    session.execute(start, values | {"seconds": DEVICE_SECONDS, "wait": DEVICE_WAIT})
    page = f"{tokens.issuer()}/device"
    answer = {
        "device_code": device,
        "user_code": shown,
        "verification_uri": page,
        "verification_uri_complete": f"{page}?user_code={shown}",
        "expires_in": DEVICE_SECONDS,
        "interval": DEVICE_WAIT,
    }
    return JSONResponse(answer, headers=NO_STORE)


@router.get("/oauth/userinfo")
@router.post("/oauth/userinfo")
def read_userinfo(request: Request, session: OpenSessionDep) -> Response:
    """Who the person of an access token is (OpenID Connect Core §5.3)."""
    try:
        said = _userinfo(session, bearer(request))
    except (Unauthenticated, Forbidden) as refused:
        challenge = getattr(refused, "headers", {"WWW-Authenticate": "Bearer"})
        error = "insufficient_scope" if isinstance(refused, Forbidden) else "invalid_token"
        body = {"error": error, "error_description": refused.detail}
        return JSONResponse(body, refused.status, headers=NO_STORE | CORS | challenge)
    return JSONResponse(said, headers=NO_STORE | CORS)


def _userinfo(session: Session, token: str) -> dict[str, Any]:
    if not token:
        raise Unauthenticated("Send an access token as a bearer token in the Authorization header.")
    claims = tokens.verified(session, token)
    bearer_of(session, claims)
    given = tokens.find_standing(session, UUID(claims["grant_id"])) if "grant_id" in claims else None
    scopes = frozenset(str(claims.get("scope", "")).split()) & (given.rights if given else frozenset())
    if given is None or "openid" not in scopes:
        raise InsufficientScope("This access token was not granted the scope openid.")
    return tokens.person_claims(given, scopes)
