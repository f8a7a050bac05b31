"""Authlib's authorization server on this application: requests out of a form, answers into responses, clients and
tokens out of one database session. One instance serves one request."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import (
    AuthorizationServer,
    InvalidClientError,
    InvalidRequestError,
    OAuth2Request,
    UnsupportedResponseTypeError,
)
from authlib.oauth2.rfc6749.requests import OAuth2Payload
from authlib.oauth2.rfc7523 import JWTBearerClientAssertion
from fastapi import Request
from fastapi.responses import JSONResponse, Response
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from sqlalchemy import text
from sqlalchemy.orm import Session

from identity.oauth import tokens
from identity.oauth.clients import KnownClient, find_client
from identity.oauth.tokens import OPENID, Standing
from identity.scopes import SCOPES

NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}
# Of assertions; EdDSA by its new and its old name.
ASSERTION_ALGORITHMS = ["RS256", "PS256", "ES256", "Ed25519", "EdDSA"]
ASSERTION_SECONDS = 600
LONGEST_VALUE, LONGEST_ASSERTION = 2_048, 8_192
MOST_PARAMETERS = 100
LONG = ("client_assertion", "subject_token", "token", "id_token_hint", "request")
# RFC 6749 appendix A: values are printable ASCII; these are for people.
FOR_PEOPLE = ("login_hint", "ui_locales", "organization")
PRINTABLE = re.compile(r"[\x20-\x7e]*")
# What an error's description may repeat (appendix A.8).
PLAIN = re.compile(r"[\x20-\x21\x23-\x5b\x5d-\x7e]*")


Pairs = Sequence[tuple[str, str]]


@dataclass(slots=True)
class Subject:
    """For whom a token is made: Authlib's `user`."""

    standing: Standing
    refresh_token: str | None = None
    nonce: str | None = None
    is_sign_in: bool = True

    def get_user_id(self) -> str:
        return str(self.standing.person_id)


class Payload(OAuth2Payload):
    def __init__(self, pairs: Pairs) -> None:
        self._data = {name: value for name, value in pairs if value}
        self._lists: defaultdict[str, list[str]] = defaultdict(list)
        for name, value in pairs:
            self._lists[name].append(value)

    @property
    def data(self) -> Mapping[str, str]:
        return self._data

    @property
    def datalist(self) -> defaultdict[str, list[str]]:
        return self._lists


class FormRequest(OAuth2Request):
    """Addressed to the issuer, whatever Host the request named."""

    def __init__(self, request: Request, pairs: Pairs) -> None:
        super().__init__(request.method, tokens.issuer() + request.url.path, headers=request.headers)
        self.payload = Payload(pairs)

    @property
    def form(self) -> Mapping[str, str]:
        return self.payload.data


def parameters(encoded: str) -> Pairs:
    """In order, repeated ones too; one more than may be, that it be seen, and no further."""
    return parse_qsl("&".join(encoded.split("&", MOST_PARAMETERS + 1)[: MOST_PARAMETERS + 1]), keep_blank_values=True)


def check_parameters(pairs: Pairs) -> None:
    """Raises InvalidRequestError: no parameter comes twice (RFC 6749 §3.1, §3.2), is oversized or unprintable."""
    if len(pairs) > MOST_PARAMETERS:
        raise InvalidRequestError("There are too many parameters.")
    seen = set()
    for name, value in pairs:
        if name in seen and name not in ("resource", "audience"):
            raise InvalidRequestError("A parameter came more than once.")
        seen.add(name)
        if len(value) > (LONGEST_ASSERTION if name in LONG else LONGEST_VALUE):
            raise InvalidRequestError("A parameter is too long.")
        if name not in FOR_PEOPLE and not PRINTABLE.fullmatch(value):
            raise InvalidRequestError("A parameter holds characters that are not printable ASCII.")
    for name in ("grant_type", "response_type", "scope"):
        if any(one == name and not PLAIN.fullmatch(value) for one, value in pairs):
            raise InvalidRequestError("A parameter holds a quote or a backslash.")


class ClientAssertion(JWTBearerClientAssertion):
    """private_key_jwt (RFC 7523), against the keys the client registered and none that it brings along."""

    CLIENT_AUTH_METHOD = "private_key_jwt"

    def __init__(self, session: Session) -> None:
        super().__init__(validate_jti=True, leeway=tokens.SKEW)
        self._session = session

    def get_audiences(self) -> list[str]:
        return [tokens.issuer(), f"{tokens.issuer()}/oauth/token"]

    def resolve_client_public_key(self, client: KnownClient) -> KeySet:
        self._client = client
        if not client.jwks or not client.jwks.get("keys"):
            raise InvalidClientError(description="The client has registered no key.")
        return KeySet.import_key_set(client.jwks)  # type: ignore[arg-type]

    def process_assertion_claims(self, assertion: str, resolve_key: Any) -> dict[str, Any]:
        try:
            token = jwt.decode(assertion, resolve_key, algorithms=ASSERTION_ALGORITHMS)
        except (JoseError, ValueError):
            raise InvalidClientError(description="The assertion is not signed by a key of this client.") from None
        self.verify_claims(token.claims)
        self._client.used_key = f"kid:{token.header.get('kid', '')}"
        return dict(token.claims)

    def validate_jti(self, claims: Mapping[str, Any], jti: Any) -> bool:
        """Once, and not for long."""
        if not isinstance(jti, str) or claims["exp"] > claims.get("iat", claims["exp"]) + ASSERTION_SECONDS:
            return False
        spend = text("select oauth_spend(:name, to_timestamp(:until))")
        name = f"assertion:{claims['sub'][:200]}:{jti[:200]}"
        return bool(self._session.scalar(spend, {"name": name, "until": claims["exp"] + tokens.SKEW}))


class Server(AuthorizationServer):
    """`session` acts for nobody: everything before the caller is known goes through definer functions."""

    def __init__(self, session: Session, pairs: Pairs) -> None:
        super().__init__(scopes_supported=sorted(SCOPES | OPENID))
        self.session = session
        self.pairs = pairs
        self._clients: dict[str, KnownClient | None] = {}
        self.register_client_auth_method("private_key_jwt", ClientAssertion(session))
        self.register_token_generator("default", self._tokens)

    def query_client(self, client_id: str) -> KnownClient | None:
        if client_id not in self._clients:
            self._clients[client_id] = find_client(self.session, client_id)
        return self._clients[client_id]

    def authenticate_client(self, request: OAuth2Request, methods: Sequence[str], endpoint: str = "token") -> Any:
        """In one way alone (RFC 6749 §2.3)."""
        ways = "Authorization" in request.headers, "client_secret" in request.form, "client_assertion" in request.form
        if sum(ways) > 1:
            raise InvalidRequestError("A client proves itself in one way, not in several at once.")
        try:
            return super().authenticate_client(request, methods, endpoint)
        except UnicodeDecodeError:
            raise InvalidClientError(status_code=401, description="The credentials are not UTF-8.") from None

    def get_token_grant(self, request: OAuth2Request) -> Any:
        if not request.form.get("grant_type"):
            raise InvalidRequestError("Missing grant_type.")
        return super().get_token_grant(request)

    def get_authorization_grant(self, request: OAuth2Request) -> Any:
        """Authlib calls a missing response_type an unsupported one."""
        try:
            return super().get_authorization_grant(request)
        except UnsupportedResponseTypeError as error:
            if request.form.get("response_type"):
                raise
            raise InvalidRequestError("Missing response_type.", redirect_uri=error.redirect_uri) from None

    def create_oauth2_request(self, request: Request | OAuth2Request) -> OAuth2Request:
        return request if isinstance(request, OAuth2Request) else FormRequest(request, self.pairs)

    def handle_response(self, status: int, body: Any, headers: Sequence[tuple[str, str]]) -> Response:
        """303 after a POST and everywhere else (RFC 9700 §4.12)."""
        if status == 302:
            return Response(status_code=303, headers=dict(headers) | NO_STORE)
        answer = JSONResponse(dict(body) if body else {}, status)
        for name, value in headers:
            if name.lower() != "content-type":
                answer.headers[name] = value
        answer.headers.update(NO_STORE)
        return answer

    def send_signal(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Nobody listens."""

    def save_token(self, token: Mapping[str, Any], request: OAuth2Request) -> None:
        """Tokens are signed, not kept; what they stand on was written when it was granted."""

    def _tokens(self, *, client: KnownClient, user: Subject | None, scope: str, **more: Any) -> dict[str, Any]:
        asked = frozenset((scope or "").split())
        scopes = asked & user.standing.rights if user else asked
        about = tokens.about_person(user.standing) if user else self._about_client(client)
        access = tokens.access_token(self.session, client.client_id, about, scopes)
        made = {
            "token_type": "Bearer",
            "access_token": access,
            "expires_in": tokens.ACCESS_SECONDS,
            "scope": " ".join(sorted(scopes)),
        }
        if user and more["include_refresh_token"] and user.refresh_token:
            made["refresh_token"] = user.refresh_token
        if user and user.is_sign_in and "openid" in scopes:
            made["id_token"] = tokens.id_token(self.session, user.standing, scopes, access, user.nonce)
        return made

    def _about_client(self, client: KnownClient) -> dict[str, Any]:
        organisation = str(client.organisation_id)
        return {
            "sub": client.client_id,
            "org_id": organisation,
            "home_org_id": organisation,
            "key_id": client.used_key,
        }


def refusal(error: OAuth2Error) -> Response:
    """An error of the token endpoint and its neighbours as JSON (RFC 6749 §5.2)."""
    status, body, headers = error()
    answer = JSONResponse(dict(body), status)
    for name, value in headers:
        if name.lower() == "www-authenticate":
            answer.headers[name] = value
    answer.headers.update(NO_STORE)
    return answer
