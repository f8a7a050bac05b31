"""Signing out: asked for by a client (RP-Initiated Logout 1.0), told to clients (Back-Channel Logout 1.0)."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID

import structlog
from authlib.oauth2 import OAuth2Error
from authlib.oidc.rpinitiated import EndSessionEndpoint, EndSessionRequest
from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from joserfc.jwk import KeySet
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from hub.database import NOBODY, Tenancy, set_tenancy, unit_of_work
from hub.errors import NotFound, Unavailable
from hub.outgoing import ask
from hub.pages import render
from hub.web import OpenSessionDep
from identity.oauth import keys, tokens
from identity.oauth.endpoints import FormPairs
from identity.oauth.pages import QUIET, QueryPairs, signed_in
from identity.oauth.server import Pairs, Server, check_parameters
from identity.principal import COOKIE
from identity.sessions.service import end_session

TELL: Final = "identity.tell_logout"
TIMEOUT = 5.0
FORM = {"content-type": "application/x-www-form-urlencoded"}

router = APIRouter(include_in_schema=False)
log = structlog.get_logger(__name__)


class EndSession(EndSessionEndpoint):
    def get_server_jwks(self) -> KeySet:
        return keys.published(self.server.session)

    def get_algorithms(self) -> list[str]:
        return [keys.ALGORITHM]

    def end_session(self, end_session_request: EndSessionRequest) -> None:
        """Ended by then, see `_ended`."""


@router.get("/oauth/logout")
def logout_page(request: Request, session: OpenSessionDep, pairs: QueryPairs) -> Response:
    return _logout(request, session, pairs)


@router.post("/oauth/logout")
def log_out(request: Request, session: OpenSessionDep, pairs: FormPairs) -> Response:
    return _logout(request, session, pairs)


def _logout(request: Request, session: Session, pairs: Pairs) -> Response:
    """A client's ID token names the session to end; without one the person is asked first."""
    server = Server(session, [pair for pair in pairs if pair[0] != "csrf_token"])
    server.register_endpoint(EndSession)
    try:
        check_parameters(server.pairs)
        asked = server.validate_endpoint_request("end_session", request)
    except OAuth2Error as error:
        detail = error.get_error_description() or error.error
        return render(request, "oauth-refused.html", status=400, error=error.error, detail=detail)
    me = signed_in(request, session)
    own = dict(pairs)
    confirmed = me is not None and request.method == "POST" and own.get("csrf_token") == me.csrf
    claims = asked.id_token_claims or {}
    is_theirs = me is None or str(me.session_id) == claims.get("sid")
    if me is not None and not confirmed and not (claims and is_theirs):
        fields = {name: value for name, value in server.pairs if value}
        return render(request, "oauth-logout.html", me=me, client=asked.client, fields=fields, done=False)
    if claims:
        _end(session, claims.get("sub"), claims.get("sid"))
    if me is not None:
        _end(session, str(me.id), str(me.session_id))
    answer: Response
    if asked.redirect_uri:
        answer = RedirectResponse(asked.redirect_uri, status_code=303)
    else:
        request.state.principal = None
        answer = render(request, "oauth-logout.html", me=None, client=asked.client, fields={}, done=True)
    answer.delete_cookie(COOKIE, path="/")
    answer.headers.update(QUIET)
    return answer


def _end(session: Session, person: Any, session_id: Any) -> None:
    try:
        person_id, ending = UUID(str(person)), UUID(str(session_id))
    except ValueError:
        return
    set_tenancy(session, Tenancy(person=person_id))
    with suppress(NotFound):
        end_session(session, person_id, ending)


def tell(engine: Engine, client_id: str, person_id: str, session_id: str | None = None) -> None:
    """Tell one client that what it was granted has ended; raises Unreachable or Unavailable, to be tried again."""
    with unit_of_work(engine, NOBODY) as session:
        uri = session.scalar(text("select oauth_logout_uri(:id)"), {"id": client_id})
        if uri is None:
            return
        token = tokens.logout_token(session, client_id, person_id, session_id)
    body = urlencode({"logout_token": token}).encode()
    answer = ask(uri, method="POST", headers=FORM, body=body, seconds=TIMEOUT)
    if answer.status >= 500:
        raise Unavailable(f"The client {client_id} answered {answer.status} to a sign-out.")
    log.info("logout_told", client=client_id, person=person_id, status=answer.status)
