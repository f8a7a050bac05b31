"""Pages between a client and a person: authorize (sign in, choose an organisation, agree) and the device's code."""

from __future__ import annotations

from hmac import compare_digest
from typing import Annotated, Any
from urllib.parse import quote, urlsplit

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import AccessDeniedError
from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, Field
from sqlalchemy import Row
from sqlalchemy.orm import Session

from hub.errors import Forbidden
from hub.middleware import content_security
from hub.pages import render
from hub.web import OpenSessionDep, SessionDep
from identity.access import CanChangeOwnSettings
from identity.forms import attempt, own
from identity.oauth import authorize as deciding
from identity.oauth import devices
from identity.oauth.authorize import Asked, Step
from identity.oauth.endpoints import FormPairs
from identity.oauth.grants import register
from identity.oauth.server import NO_STORE, FormRequest, Pairs, Server, check_parameters, parameters
from identity.principal import COOKIE, Principal, find_person
from identity.scopes import SAYS
from identity.sessions.service import list_own_organisations

router = APIRouter(include_in_schema=False)

# Ours, beside what the client asked.
OWN_FIELDS = ("csrf_token", "decision")
QUIET = NO_STORE | {"Referrer-Policy": "no-referrer"}


def read_query(request: Request) -> Pairs:
    return parameters(request.url.query)


QueryPairs = Annotated[Pairs, Depends(read_query)]


@router.get("/oauth/authorize")
def authorize_page(request: Request, session: OpenSessionDep, pairs: QueryPairs) -> Response:
    server = register(Server(session, pairs))
    asked = _asked(request, server)
    if isinstance(asked, Response):
        return asked
    me = signed_in(request, session)
    try:
        deciding.check(asked, pairs)
        step = deciding.decide(session, asked, me)
    except OAuth2Error as error:
        return _to(asked.refused(error))
    if step.kind == "sign_in" or me is None:
        return _to(f"/signin?next={quote(step.to, safe='')}")
    if step.kind == "enrol":
        return _to("/account/security")
    if step.kind == "granted" and step.organisation is not None:
        return _granted(request, server, asked, me, step.organisation)
    return _page(request, asked, me, step)


@router.post("/oauth/authorize")
def answer_authorize(request: Request, session: OpenSessionDep, pairs: FormPairs) -> Response:
    """A client may post its request, which is then asked by address; the person's own answer carries the session's
    token beside it."""
    own = dict(pairs)
    server = register(Server(session, [pair for pair in pairs if pair[0] not in OWN_FIELDS]))
    asked = _asked(request, server)
    if isinstance(asked, Response):
        return asked
    me = signed_in(request, session) if "decision" in own else None
    if me is None:
        return _to(asked.again())
    if not compare_digest(own.get("csrf_token", "").encode(), me.csrf.encode()):
        raise Forbidden("The form is not one of this session. Start again from the application.")
    if own["decision"] != "allow":
        return _to(asked.refused(AccessDeniedError()))
    try:
        deciding.check(asked, server.pairs)
        step = deciding.decide(session, asked, me)
    except OAuth2Error as error:
        return _to(asked.refused(error))
    if step.organisation is None:
        return _to(asked.again())
    deciding.agree(session, asked, me, step.organisation.id)
    return _granted(request, server, asked, me, step.organisation)


def _asked(request: Request, server: Server) -> Asked | Response:
    """The request once its client and address are known to fit; else a page for the person, or word to the client."""
    try:
        check_parameters(server.pairs)
        made = FormRequest(request, server.pairs)
        redirect_uri = server.get_authorization_grant(made).validate_authorization_request()
    except OAuth2Error as error:
        return _refused(request, server, error)
    given = {name: value for name, value in server.pairs if value}
    return Asked(made.client, redirect_uri, made.scope.split(), given)


def _refused(request: Request, server: Server, error: OAuth2Error) -> Response:
    """To the client only where its address was found to be its own (RFC 9700 §4.11)."""
    if error.redirect_uri:
        error.state = dict(server.pairs).get("state")
        return _to(deciding.with_issuer(dict(error()[2])["Location"]))
    detail = error.get_error_description() or error.error
    answer = render(request, "oauth-refused.html", status=400, error=error.error, detail=detail)
    answer.headers.update(QUIET)
    return answer


def signed_in(request: Request, session: Session) -> Principal | None:
    """The person of the browser's session, where there is one."""
    cookie = request.cookies.get(COOKIE)
    me = find_person(session, cookie) if cookie else None
    request.state.principal = me
    return me


def _page(request: Request, asked: Asked, me: Principal, step: Step) -> Response:
    """Its form leads to the client in the end, so the page may send it there."""
    answer = render(
        request,
        f"oauth-{step.kind}.html",
        me=me,
        client=asked.client,
        fields={name: value for name, value in asked.given.items() if name not in ("organization", "prompt")},
        prompt=" ".join(sorted(asked.prompts - {"login", "select_account"})),
        scopes=[SAYS[scope] for scope in asked.scopes if scope in SAYS],
        organisations=step.organisations,
        organisation=step.organisation,
    )
    parts = urlsplit(asked.redirect_uri)
    target = f"{parts.scheme}://{parts.netloc}" if parts.netloc else f"{parts.scheme}:"
    answer.headers.update(QUIET | {"content-security-policy": content_security(form_action=target)})
    return answer


def _granted(request: Request, server: Server, asked: Asked, me: Principal, organisation: Row[Any]) -> Response:
    made = FormRequest(request, server.pairs)
    given = deciding.grant(server.session, asked, me, organisation.id)
    answer: Response = server.create_authorization_response(
        made, grant_user=given, grant=server.get_authorization_grant(made)
    )
    answer.headers["location"] = deciding.with_issuer(answer.headers["location"])
    return answer


def _to(address: str) -> RedirectResponse:
    return RedirectResponse(address, status_code=303, headers=QUIET)


@router.get("/continue")
def continue_page(request: Request, next: str = "/") -> Response:
    """A form may not lead to another site (CSP form-action), a page that follows it may: this one goes on by itself."""
    answer = render(request, "continue.html", next=own(next))
    answer.headers.update(QUIET)
    return answer


class DeviceForm(BaseModel):
    """First the code; then, with a decision (allow, deny), the answer."""

    user_code: str = Field(default="", max_length=40)
    decision: str = Field(default="", max_length=10)
    organization: str = Field(default="", max_length=100)


@router.get("/device")
def device_page(request: Request, session: SessionDep, me: CanChangeOwnSettings, user_code: str = "") -> Response:
    return _device(request, session, me, DeviceForm.model_construct(user_code=user_code[:40]))


@router.post("/device")
def decide_device(
    request: Request, session: SessionDep, me: CanChangeOwnSettings, form: Annotated[DeviceForm, Form()]
) -> Response:
    return _device(request, session, me, form)


def _device(request: Request, session: Session, me: Principal, form: DeviceForm) -> Response:
    found, error = None, ""
    if form.user_code:
        devices.count_try(request.app.state.new_session, me)
    if form.decision:
        wanted = form.organization if form.decision == "allow" else ""
        _, error = attempt(session, me, lambda: devices.decide(session, me, form.user_code, wanted))
    elif form.user_code:
        found, error = attempt(session, me, lambda: devices.find(session, form.user_code))
    answer = render(
        request,
        "device.html",
        status=422 if error else 200,
        me=me,
        code=form.user_code,
        device=found,
        scopes=[SAYS[scope] for scope in found.scopes if scope in SAYS] if found else [],
        organisations=list_own_organisations(session) if found else [],
        error=error,
        done="" if error else form.decision,
    )
    answer.headers.update(QUIET)
    return answer
