"""The grant types, each on one atomic redemption in the database: authorization code with PKCE, refresh with rotation,
client credentials, device code, token exchange for another acting organisation."""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from secrets import token_bytes
from typing import Any, ClassVar
from uuid import UUID

from authlib.oauth2.rfc6749 import (
    AccessDeniedError,
    InvalidGrantError,
    InvalidRequestError,
    InvalidScopeError,
    OAuth2Error,
    UnauthorizedClientError,
)
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant, BaseGrant, ClientCredentialsGrant, RefreshTokenGrant
from authlib.oauth2.rfc6749.grants import base as grant_base
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc8628 import DeviceCodeGrant
from authlib.oauth2.rfc8628.errors import AuthorizationPendingError, ExpiredTokenError, SlowDownError
from sqlalchemy import Row, text

from hub.columns import new_id
from hub.database import Tenancy, set_tenancy
from hub.errors import NotFound, Unauthenticated
from identity.audit.service import ANYONE, Someone, record
from identity.oauth import tokens
from identity.oauth.clients import AUTH_METHODS, KnownClient
from identity.oauth.models import Grant
from identity.oauth.server import Server, Subject
from identity.oauth.tokens import Standing
from identity.scopes import GROUP_ONLY
from identity.secrets import digest

CODE_SECONDS = 60
# A refresh token unused for `IDLE_DAYS` ends, a grant in any case after `GRANT_DAYS`.
IDLE_DAYS, GRANT_DAYS = 14, 90
# Two tabs, or an answer lost on its way: a refresh token that comes again this soon is answered as before.
GRACE_SECONDS = 45
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN_TYPE = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - a name
TOKEN_BYTES = 32


@dataclass(slots=True)
class Redeemed:
    """A code or token that was just redeemed: Authlib's authorization code, refresh token and device credential."""

    subject: Subject
    redirect_uri: str = ""
    code_challenge: str = ""
    code_challenge_method: str = "S256"
    scopes: list[str] = field(default_factory=list)

    def get_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_scope(self) -> str:
        return " ".join(self.scopes)

    def get_client_id(self) -> str:
        return self.subject.standing.client_id

    def check_client(self, client: KnownClient) -> bool:
        return client.client_id == self.subject.standing.client_id


def new_grant(
    person_id: UUID, organisation_id: UUID, client_id: UUID, scopes: list[str], *, session_id: UUID | None,
    authenticated_at: datetime, amr: list[str],
) -> Grant:  # fmt: skip
    """What a person allows; the caller adds it to a session that acts for that organisation."""
    return Grant(
        id=new_id(),
        organisation_id=organisation_id,
        client_id=client_id,
        person_id=person_id,
        session_id=session_id,
        scopes=scopes,
        is_offline="offline_access" in scopes,
        authenticated_at=authenticated_at,
        amr=amr,
        expires_at=datetime.now(UTC) + timedelta(days=GRANT_DAYS),
    )


class S256(CodeChallenge):
    """PKCE for every client, by S256 alone (RFC 9700 §2.1.1)."""

    SUPPORTED_CODE_CHALLENGE_METHOD = ("S256",)

    def validate_code_challenge(self, grant: Any, redirect_uri: str) -> None:
        given = grant.request.payload.data
        if not given.get("code_challenge") or given.get("code_challenge_method") != "S256":
            raise InvalidRequestError("PKCE is required: code_challenge with code_challenge_method S256.")
        super().validate_code_challenge(grant, redirect_uri)


class Code(AuthorizationCodeGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = AUTH_METHODS
    server: Server

    @staticmethod
    def validate_authorization_redirect_uri(request: Any, client: KnownClient) -> str:
        given = request.payload.redirect_uri
        if not given or not client.check_redirect_uri(given):
            raise InvalidRequestError("The redirect_uri is missing or not one the client has registered.")
        return str(given)

    def generate_authorization_code(self) -> str:
        return new_refresh_token()

    def save_authorization_code(self, code: str, request: Any) -> None:
        given = request.payload.data
        self.server.session.execute(
            text("select oauth_keep_code(:hash, :grant, :uri, :challenge, :nonce, :seconds)"),
            {
                "hash": digest(code),
                "grant": request.user.id,
                "uri": given["redirect_uri"],
                "challenge": given["code_challenge"],
                "nonce": given.get("nonce"),
                "seconds": CODE_SECONDS,
            },
        )

    def query_authorization_code(self, code: str, client: KnownClient) -> Redeemed | None:
        redeem = text(
            "select r.redirect_uri, r.code_challenge, r.nonce, r.ended_organisation_id, r.ended_person_id, s.* "
            "from oauth_redeem_code(:hash, :client) r left join lateral oauth_grant_state(r.grant_id) s on true"
        )
        row = self.server.session.execute(redeem, {"hash": digest(code), "client": client.id}).one_or_none()
        _tell_reuse(self.server, row, client)
        given = tokens.standing(row)
        if row is None or given is None:
            return None
        subject = Subject(given, nonce=row.nonce)
        return Redeemed(subject, row.redirect_uri, row.code_challenge, scopes=given.scopes)

    def authenticate_user(self, authorization_code: Redeemed) -> Subject:
        """Here the grant's first refresh token is made: its client may have one."""
        subject = authorization_code.subject
        subject.refresh_token = first_refresh_token(self.server, subject.standing, self.request.client)
        return subject

    def delete_authorization_code(self, authorization_code: Redeemed) -> None:
        """Redeemed already."""


def first_refresh_token(server: Server, given: Standing, client: KnownClient) -> str | None:
    if not client.check_grant_type("refresh_token"):
        return None
    made = new_refresh_token()
    keep = text("select oauth_keep_refresh(:hash, :grant, :days)")
    server.session.execute(keep, {"hash": digest(made), "grant": given.grant_id, "days": IDLE_DAYS})
    return made


def _tell_reuse(server: Server, row: Row[Any] | None, client: KnownClient) -> None:
    """A code or refresh token that came again has just ended its person's grant."""
    if row is None or row.ended_person_id is None:
        return
    places, about = (
        [row.ended_organisation_id, client.organisation_id],
        {"object_kind": "person", "object_id": row.ended_person_id},
    )
    record(server.session, "token_reuse_detected", actor=ANYONE, organisations=places, **about, client=client.id)


def new_refresh_token() -> str:
    return _written(token_bytes(TOKEN_BYTES))


def _written(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def mask(old: str, new: bytes) -> bytes:
    """`new` readable by whoever holds `old`, and back again."""
    pad = hmac.digest(old.encode(), b"successor", "sha256")
    return bytes(a ^ b for a, b in zip(new, pad, strict=True))


class Refresh(RefreshTokenGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = AUTH_METHODS
    INCLUDE_NEW_REFRESH_TOKEN = True
    server: Server

    def authenticate_refresh_token(self, refresh_token: str) -> Redeemed | None:
        following = token_bytes(TOKEN_BYTES)
        rotate = text(
            "select r.successor, r.ended_organisation_id, r.ended_person_id, s.* "
            "from oauth_rotate(:given, :client, :next, :masked, :days, :grace) r "
            "left join lateral oauth_grant_state(r.grant_id) s on true"
        )
        values = {
            "given": digest(refresh_token),
            "client": self.request.client.id,
            "next": digest(_written(following)),
            "masked": mask(refresh_token, following),
            "days": IDLE_DAYS,
            "grace": GRACE_SECONDS,
        }
        row = self.server.session.execute(rotate, values).one_or_none()
        _tell_reuse(self.server, row, self.request.client)
        given = tokens.standing(row)
        if row is None or given is None:
            return None
        subject = Subject(given, refresh_token=_written(mask(refresh_token, row.successor)))
        return Redeemed(subject, scopes=given.scopes)

    def authenticate_user(self, refresh_token: Redeemed) -> Subject:
        return refresh_token.subject

    def revoke_old_credential(self, refresh_token: Redeemed) -> None:
        """Rotated already."""


class ClientCredentials(ClientCredentialsGrant):
    """A service account: it acts for the organisation that owns it, with the scopes it was given."""

    TOKEN_ENDPOINT_AUTH_METHODS = tuple(method for method in AUTH_METHODS if method != "none")

    def validate_token_request(self) -> None:
        super().validate_token_request()
        client, payload = self.request.client, self.request.payload
        asked = set((payload.scope or "").split())
        if asked - set(client.scopes) or asked & tokens.OPENID:
            raise InvalidScopeError()
        self.server.session.execute(text("select oauth_client_seen(:id)"), {"id": client.id})
        rights = asked or set(client.scopes) - tokens.OPENID
        payload.data["scope"] = " ".join(sorted(rights - GROUP_ONLY))


class Device(DeviceCodeGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = AUTH_METHODS
    WAITING: ClassVar[dict[str, Callable[[], OAuth2Error]]] = {
        "authorization_pending": AuthorizationPendingError,
        "slow_down": SlowDownError,
        "expired_token": ExpiredTokenError,
        "access_denied": AccessDeniedError,
    }
    server: Server

    def validate_token_request(self) -> None:
        code = self.request.payload.data.get("device_code")
        if not code:
            raise InvalidRequestError("Missing device_code.")
        client = self.authenticate_token_endpoint_client()
        if not client.check_grant_type(self.GRANT_TYPE):
            raise UnauthorizedClientError()
        poll = text(
            "select p.state, s.* from oauth_poll_device(:hash, :client) p "
            "left join lateral oauth_grant_state(p.grant_id) s on true"
        )
        row = self.server.session.execute(poll, {"hash": digest(code), "client": client.id}).one()
        if row.state in self.WAITING:
            raise self.WAITING[row.state]()
        given = tokens.standing(row)
        if row.state != "granted" or given is None:
            raise InvalidGrantError()
        subject = Subject(given, refresh_token=first_refresh_token(self.server, given, client))
        self.request.client, self.request.user = client, subject
        self.request.credential = Redeemed(subject, scopes=given.scopes)


class Exchange(BaseGrant, grant_base.TokenEndpointMixin):
    """RFC 8693: an access token of one acting organisation for one of another, by `organization`; no new sign-in. It
    lives as long as what the first was granted on."""

    GRANT_TYPE = EXCHANGE
    TOKEN_ENDPOINT_AUTH_METHODS = AUTH_METHODS
    server: Server

    def validate_token_request(self) -> None:
        client = self.authenticate_token_endpoint_client()
        if not client.check_grant_type(EXCHANGE):
            raise UnauthorizedClientError()
        given = self.request.payload.data
        if given.get("subject_token_type") != ACCESS_TOKEN_TYPE or not given.get("subject_token"):
            raise InvalidRequestError("subject_token must be an access token.")
        if given.get("requested_token_type", ACCESS_TOKEN_TYPE) != ACCESS_TOKEN_TYPE:
            raise InvalidRequestError("requested_token_type must be an access token.")
        held = self._held(given["subject_token"], client)
        self.request.client, self.request.user = client, self._switched(held, given.get("organization", ""), client)

    def _held(self, token: str, client: KnownClient) -> Standing:
        try:
            claims = tokens.verified(self.server.session, token)
            held = tokens.find_standing(self.server.session, UUID(claims["grant_id"]))
        except (Unauthenticated, KeyError, ValueError):
            held = None
        if held is None or held.client_id != client.client_id:
            raise InvalidGrantError("The subject token is not one this client holds.")
        return held

    def _switched(self, held: Standing, organisation: str, client: KnownClient) -> Subject:
        session = self.server.session
        set_tenancy(session, Tenancy(person=held.person_id))
        try:
            wanted = chosen_organisation(session, organisation)
        except NotFound:
            raise InvalidRequestError("organization must be one this person may act for.") from None
        if wanted not in client.readable:
            raise InvalidRequestError("organization must be one this client serves.")
        set_tenancy(session, Tenancy((wanted,), wanted, held.person_id))
        made = new_grant(
            held.person_id, wanted, client.id, held.scopes, session_id=held.session_id,
            authenticated_at=held.authenticated_at, amr=held.amr,
        )  # fmt: skip
        session.add(made)
        session.flush()
        record(
            session, "access_granted", actor=Someone("person", held.person_id, wanted),
            organisations=[client.organisation_id], object_kind="client", object_id=client.id, scopes=held.scopes,
        )  # fmt: skip
        given = tokens.find_standing(session, made.id)
        if given is None:
            raise InvalidGrantError()
        return Subject(given, is_sign_in=False)

    def create_token_response(self) -> tuple[int, dict[str, Any], Any]:
        scope = self.request.payload.scope or " ".join(self.request.user.standing.scopes)
        token = self.generate_token(user=self.request.user, scope=scope, include_refresh_token=False)
        return 200, token | {"issued_token_type": ACCESS_TOKEN_TYPE}, self.TOKEN_RESPONSE_HEADER


def chosen_organisation(session: Any, wanted: str) -> UUID:
    """The organisation of this id or key among those the bound person may act for; raises NotFound."""
    for one in session.execute(text("select * from identity_my_organisations()")):
        if wanted in (str(one.id), one.key):
            found: UUID = one.id
            return found
    raise NotFound("There is no such organisation you may act for.")


def register(server: Server) -> Server:
    """Every grant type there is."""
    server.register_grant(Code, [S256(required=True)])
    for grant in (Refresh, ClientCredentials, Device, Exchange):
        server.register_grant(grant)
    return server
