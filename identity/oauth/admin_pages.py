"""Pages: an organisation's applications and service accounts, and what a person allowed which application."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Request, Response
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from hub.pages import render
from hub.web import SessionDep
from identity.access import CanChangeOwnSettings, CanReadClients, CanWriteClients
from identity.forms import attempt, filled, go
from identity.oauth import service
from identity.oauth.router import shown
from identity.oauth.schemas import ClientIn, ClientPatch, RegistrationIn
from identity.oauth.tokens import OPENID
from identity.organisations.service import list_organisations
from identity.principal import Principal
from identity.scopes import SAYS

router = APIRouter(include_in_schema=False)

# What a form calls a kind of application, in the protocol's words.
KINDS: dict[str, dict[str, object]] = {
    "web": {"grant_types": ["authorization_code", "refresh_token"]},
    "native": {
        "application_type": "native",
        "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code", "refresh_token"],
    },
    "service": {"grant_types": ["client_credentials"]},
}
LONGEST = 4_000


@router.get("/clients")
def clients_page(request: Request, session: SessionDep, me: CanReadClients) -> Response:
    return _clients(request, session, me)


def _clients(request: Request, session: Session, me: Principal, error: str = "", **once: str) -> Response:
    """`once` holds what is shown this one time: `secret` of `client_id`, or a registration `token`."""
    return render(
        request,
        "clients.html",
        status=422 if error else 200,
        me=me,
        clients=shown(session, service.list_clients(session)),
        organisations={o.id: o for o in list_organisations(session)},
        scopes=[(scope, *SAYS[scope]) for scope in sorted(OPENID | me.scopes) if scope in SAYS],
        once={"secret": "", "client_id": "", "token": ""} | once,
        error=error,
    )


class ClientForm(BaseModel):
    """ClientIn judges it; addresses one a line."""

    client_name: str = ""
    kind: str = "web"
    redirect_uris: str = Field(default="", max_length=LONGEST)
    post_logout_redirect_uris: str = Field(default="", max_length=LONGEST)
    backchannel_logout_uri: str = ""
    scopes: list[str] = []

    def asked(self) -> dict[str, object]:
        lists = {name: getattr(self, name).split() for name in ("redirect_uris", "post_logout_redirect_uris")}
        plain = filled(client_name=self.client_name, backchannel_logout_uri=self.backchannel_logout_uri)
        return KINDS.get(self.kind, {}) | lists | plain | {"scopes": self.scopes}


@router.post("/clients")
def create(request: Request, session: SessionDep, me: CanWriteClients, form: Annotated[ClientForm, Form()]) -> Response:
    made, error = attempt(
        session, me, lambda: service.create_client(session, me, ClientIn.model_validate(form.asked()))
    )
    if made is None:
        return _clients(request, session, me, error)
    return _clients(request, session, me, client_id=made.client.client_id, secret=made.secret or "")


@router.post("/clients/registrations")
def create_registration(request: Request, session: SessionDep, me: CanWriteClients) -> Response:
    made, error = attempt(session, me, lambda: service.create_registration(session, me, RegistrationIn()))
    return _clients(request, session, me, error, token=made[0] if made else "")


@router.post("/clients/{client_id}")
def change(
    request: Request, session: SessionDep, me: CanWriteClients, client_id: UUID, action: Annotated[str, Form()] = ""
) -> Response:
    """`action` is the button: secret, disable, enable or delete."""
    if action == "secret":
        made, error = attempt(session, me, lambda: service.renew_secret(session, me, client_id))
        name = service.get_client(session, client_id).client_id
        return _clients(request, session, me, error, client_id=name, secret=made[0] if made else "")
    if action == "delete":
        _, error = attempt(session, me, lambda: service.delete_client(session, me, client_id))
    else:
        patch = ClientPatch(is_disabled=action == "disable")
        _, error = attempt(session, me, lambda: service.change_client(session, me, client_id, patch))
    return _clients(request, session, me, error) if error else go("/clients")


@router.get("/account/apps")
def apps_page(request: Request, session: SessionDep, me: CanChangeOwnSettings) -> Response:
    consents = service.list_consents(session)
    return render(request, "apps.html", me=me, consents=consents, says=SAYS)


@router.post("/account/apps/{client_id}/withdraw")
def withdraw(session: SessionDep, me: CanChangeOwnSettings, client_id: UUID) -> Response:
    service.withdraw(session, me.id, client_id)
    return go("/account/apps")
