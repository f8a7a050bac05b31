"""The authorization endpoint's decision: who is there, for which organisation, what they must still do or agree to."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from authlib.common.urls import add_params_to_uri
from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import AccessDeniedError, InvalidRequestError, UnsupportedResponseTypeError
from authlib.oidc.core.errors import (
    AccountSelectionRequiredError,
    ConsentRequiredError,
    InteractionRequiredError,
    LoginRequiredError,
)
from sqlalchemy import Row, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from hub.database import Tenancy, set_tenancy
from hub.errors import NotFound
from identity.audit.service import record
from identity.oauth import tokens
from identity.oauth.clients import KnownClient
from identity.oauth.grants import chosen_organisation, new_grant
from identity.oauth.models import Consent, Grant
from identity.oauth.server import Pairs
from identity.principal import Principal
from identity.sessions.service import list_own_organisations

_NEVER = datetime.fromtimestamp(0, UTC)
PROMPTS = frozenset({"none", "login", "consent", "select_account"})
# What a client that asked without a word to the person is told instead.
SILENT: dict[str, type[OAuth2Error]] = {
    "sign_in": LoginRequiredError,
    "select": AccountSelectionRequiredError,
    "enrol": InteractionRequiredError,
    "consent": ConsentRequiredError,
}
_UNMET = text("select identity_unmet(:organisation, :amr)")


@dataclass(frozen=True, slots=True)
class Asked:
    """A valid authorization request: its client and address are known and fit each other."""

    client: KnownClient
    redirect_uri: str
    scopes: list[str]
    given: dict[str, str]

    @property
    def prompts(self) -> frozenset[str]:
        return frozenset(self.given.get("prompt", "").split())

    def again(self, **changed: str) -> str:
        """The address that asks this again; an empty value leaves a parameter out."""
        given = {name: value for name, value in (self.given | changed).items() if value}
        return f"/oauth/authorize?{urlencode(given)}"

    def refused(self, error: OAuth2Error) -> str:
        """The client's address that tells it of the error (RFC 6749 §4.1.2.1, RFC 9207)."""
        error.redirect_uri, error.state = self.redirect_uri, self.given.get("state")
        location: str = dict(error()[2])["Location"]
        return with_issuer(location)


def with_issuer(location: str) -> str:
    named: str = add_params_to_uri(location, [("iss", tokens.issuer())])
    return named


@dataclass(frozen=True, slots=True)
class Step:
    """What comes next: `kind` is sign_in (then `to`), enrol (the policy asks for more), select, consent or granted."""

    kind: str
    to: str = ""
    organisations: Sequence[Row[Any]] = ()
    organisation: Row[Any] | None = None


def check(asked: Asked, pairs: Pairs) -> None:
    """What Authlib does not look at; raises OAuth2Error."""
    if asked.prompts - PROMPTS or ("none" in asked.prompts and len(asked.prompts) > 1):
        raise InvalidRequestError("prompt must be none, or some of login, consent, select_account.")
    if asked.given.get("response_mode", "query") != "query":
        raise InvalidRequestError("response_mode must be query.")
    if not asked.given.get("max_age", "0").isdecimal():
        raise InvalidRequestError("max_age must be a number of seconds.")
    if "request" in asked.given or "request_uri" in asked.given:
        error = InvalidRequestError("Request objects are not supported.")
        error.error = "request_not_supported" if "request" in asked.given else "request_uri_not_supported"
        raise error
    if any(name == "resource" and value.rstrip("/") != tokens.issuer() for name, value in pairs):
        error = InvalidRequestError("This hub issues tokens for itself alone.")
        error.error = "invalid_target"
        raise error
    if asked.given.get("response_type") != "code":
        raise UnsupportedResponseTypeError("")


def decide(session: Session, asked: Asked, me: Principal | None) -> Step:
    """Raises OAuth2Error where the client is told no; with prompt=none also where the person would have to do something
    first (OpenID Connect Core §3.1.2.6)."""
    step = _step(session, asked, me)
    if "none" in asked.prompts and step.kind in SILENT:
        raise SILENT[step.kind]()
    return step


def _step(session: Session, asked: Asked, me: Principal | None) -> Step:
    if me is None or _must_sign_in_again(asked, me):
        prompts = " ".join(sorted(asked.prompts - {"login"}))
        return Step("sign_in", asked.again(prompt=prompts, max_age=""))
    served = [one for one in list_own_organisations(session) if one.id in asked.client.readable]
    if not served:
        raise AccessDeniedError()
    chosen = _chosen(session, asked, me, served)
    if chosen is None:
        return Step("select", organisations=served)
    if session.scalar(_UNMET, {"organisation": chosen.id, "amr": list(me.amr)}):
        return Step("enrol")
    return Step("consent" if _must_agree(session, asked, me, chosen.id) else "granted", organisation=chosen)


def _must_sign_in_again(asked: Asked, me: Principal) -> bool:
    if "login" in asked.prompts:
        return True
    given = asked.given.get("max_age")
    return given is not None and signed_in_at(me).timestamp() < time.time() - int(given)


def signed_in_at(me: Principal) -> datetime:
    return max(at for at in (me.authenticated_at, me.stepped_up_at, _NEVER) if at is not None)


def _chosen(session: Session, asked: Asked, me: Principal, served: Sequence[Row[Any]]) -> Row[Any] | None:
    """The organisation named in the request, else the one the session acts for; None: the person must choose."""
    by_id = {one.id: one for one in served}
    named = asked.given.get("organization")
    if named:
        try:
            return by_id[chosen_organisation(session, named)]
        except (NotFound, KeyError):
            raise AccessDeniedError() from None
    if "select_account" in asked.prompts and len(served) > 1:
        return None
    if me.organisation_id in by_id:
        return by_id[me.organisation_id]
    return served[0] if len(served) == 1 else None


def _must_agree(session: Session, asked: Asked, me: Principal, organisation_id: UUID) -> bool:
    if asked.client.is_trusted and "consent" not in asked.prompts:
        return False
    kept = session.get(Consent, (organisation_id, me.id, asked.client.id))
    return "consent" in asked.prompts or kept is None or not set(asked.scopes) <= set(kept.scopes)


def agree(session: Session, asked: Asked, me: Principal, organisation_id: UUID) -> None:
    """Remember that the person agreed."""
    _act(session, me, organisation_id)
    values = {"organisation_id": organisation_id, "person_id": me.id, "client_id": asked.client.id}
    kept = insert(Consent).values(**values, scopes=asked.scopes)
    session.execute(kept.on_conflict_do_update(index_elements=list(values), set_={"scopes": kept.excluded.scopes}))
    _tell(session, "consent_given", asked, me, organisation_id)


def grant(session: Session, asked: Asked, me: Principal, organisation_id: UUID) -> Grant:
    """What Authlib writes the code for: scopes the person holds there, on this session."""
    _act(session, me, organisation_id)
    made = new_grant(
        me.id,
        organisation_id,
        asked.client.id,
        asked.scopes,
        session_id=me.session_id,
        authenticated_at=signed_in_at(me),
        amr=list(me.amr),
    )
    session.add(made)
    session.flush()
    _tell(session, "access_granted", asked, me, organisation_id)
    return made


def _tell(session: Session, action: str, asked: Asked, me: Principal, organisation_id: UUID) -> None:
    record(
        session,
        action,
        actor=replace(me, organisation_id=organisation_id),
        organisations=[asked.client.organisation_id],
        object_kind="client",
        object_id=asked.client.id,
        scopes=asked.scopes,
    )


def _act(session: Session, me: Principal, organisation_id: UUID) -> None:
    set_tenancy(session, Tenancy((*me.readable, organisation_id), organisation_id, me.id))
